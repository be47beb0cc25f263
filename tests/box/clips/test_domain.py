"""What plays and clips add to a session."""

from __future__ import annotations

from pathlib import Path

from appliance.box.clips.domain import DOMAIN
from appliance.box.clips.model import PlayIn
from appliance.box.clips.records import plays
from tests.kit.box import COACH, add_channel, add_session, mark_rules, sim_store


async def test_a_session_counts_plays_and_the_length_of_clips_that_can_be_shown(tmp_path: Path) -> None:
    counters = DOMAIN.session_counters
    assert counters is not None
    async with sim_store(tmp_path) as store:
        for channel_id in ("cam1", "cam2", "cam3"):
            await store.write(lambda tx, name=channel_id: add_channel(tx, name))  # type: ignore[misc]
        session_id = await store.write(add_session)
        body = PlayIn(session_id=session_id, duration_seconds=2.0)
        await store.write(lambda tx: plays.create_play(tx, COACH, mark_rules(), body))
        await store.write(lambda tx: tx.run("UPDATE clips SET status = 'failed' WHERE channel_id = 'cam3'"))
        read = await store.read(lambda tx: counters.read(tx, session_id))
        assert read == {"play_count": 1, "clip_count": 3, "total_duration_seconds": 4.0}
        assert read.keys() == counters.fields.keys()
