"""What tags give the box: a part of a clip, and what happens to them when a clip is deleted and restored."""

from __future__ import annotations

from pathlib import Path

from appliance.box.clips.model import PlayIn
from appliance.box.clips.records import plays
from appliance.box.snapshot import snapshot
from appliance.box.tags.domain import DOMAIN
from appliance.box.tags.model import TagIn
from appliance.box.tags.store import create_tag
from appliance.domain import Domain
from tests.kit.box import COACH, add_channel, add_session, mark_rules, sim_store
from tests.kit.clock import HandClock


async def test_tags_are_deleted_and_restored_with_their_clip(tmp_path: Path) -> None:
    assert isinstance(DOMAIN, Domain) and DOMAIN.on_clip_delete and DOMAIN.on_restore
    clip_deleted, restored = DOMAIN.on_clip_delete, DOMAIN.on_restore
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store:
        await store.write(lambda tx: add_channel(tx, "cam1"))
        session_id = await store.write(add_session)
        body = PlayIn(session_id=session_id)
        play = await store.write(lambda tx: plays.create_play(tx, COACH, mark_rules(), body))
        clip_id = play.resource["clip_ids"][0]
        tag = await store.write(lambda tx: create_tag(tx, COACH, TagIn(clip_id=clip_id, quarter=2)))

        async def seen() -> list[list[str]]:
            part = await store.read(lambda tx: DOMAIN.clip_parts["tags"](tx, clip_id))
            shown = await store.read(snapshot)
            return [[each["id"] for each in rows] for rows in (part, shown["tags"])]

        assert await seen() == [[tag.resource["id"]]] * 2
        await store.write(lambda tx: clip_deleted(tx, clip_id))
        deleted_us = clock.now_us()
        assert await seen() == [[], []]
        await store.write(lambda tx: restored(tx, session_id, deleted_us))
        assert await seen() == [[tag.resource["id"]]] * 2
