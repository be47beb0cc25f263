"""What plays and clips add to a session."""

from __future__ import annotations

from pathlib import Path

from appliance.box.clips.domain import DOMAIN
from tests.box.tags.game import add_clip, add_play
from tests.kit.box import add_channel, add_session, sim_store


async def test_a_session_counts_plays_and_the_length_of_clips_that_can_be_shown(tmp_path: Path) -> None:
    counters = DOMAIN.session_counters
    assert counters is not None
    async with sim_store(tmp_path) as store:
        await store.write(lambda tx: add_channel(tx, "cam1"))
        session_id = await store.write(add_session)
        play_id = await store.write(lambda tx: add_play(tx, session_id, 1))
        for _ in range(3):
            clip_id = await store.write(lambda tx: add_clip(tx, session_id, play_id))
        await store.write(lambda tx: tx.run("UPDATE clips SET status = 'failed' WHERE id = ?", (clip_id,)))
        read = await store.read(lambda tx: counters.read(tx, session_id))
        assert read == {"play_count": 1, "clip_count": 3, "total_duration_seconds": 4.0}
        assert read.keys() == counters.fields.keys()
