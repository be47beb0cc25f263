"""What tags add to clips and sessions: filters of lists, words of a file name, a counter, and that a tagged
clip is not a forgotten one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from appliance.box.clips.files.save_name import save_name
from appliance.box.clips.model import ClipQuery
from appliance.box.clips.records import queries
from appliance.box.clips.records.stored_plans import plans_to_write
from appliance.box.sessions.model import shown_session
from appliance.box.tags.model import TagIn
from appliance.box.tags.store import create_tag, delete_tag
from appliance.domain import clip_filters, clip_words, session_counters
from appliance.kernel.store import Store
from tests.box.tags.game import add_clip, add_play
from tests.kit.box import COACH, add_channel, add_session, mark_rules, sim_store
from tests.kit.clock import HandClock

WORDS = [
    ({"down": 3, "distance": 8, "play_type": "pass", "result": "complete"}, "_3and8-Pass-Complete"),
    ({"down": 3}, "_Down-3"),
    ({"distance": 8}, ""),
    ({"play_type": "RPO", "result": "first down"}, "_RPO-First-Down"),
    ({"result": "touchdown"}, "_Touchdown"),
    ({"notes": "hm"}, ""),
]


@dataclass
class Game:
    """A session with two clips of one play and a clip of its own."""

    store: Store
    session_id: str
    clips: list[str]

    async def tag(self, clip_id: str, **fields: Any) -> str:
        body = TagIn.model_validate({"clip_id": clip_id, **fields})
        answer = await self.store.write(lambda tx: create_tag(tx, COACH, body))
        return str(answer.resource["id"])

    async def name(self, clip_id: str) -> str:
        return await self.store.read(lambda tx: save_name(tx, clip_id, "UTC", clip_words))


@pytest.fixture
async def game(tmp_path: Path) -> AsyncIterator[Game]:
    async with sim_store(tmp_path, HandClock()) as store:
        await store.write(lambda tx: add_channel(tx, "cam1"))
        session_id = await store.write(add_session)
        play_id = await store.write(lambda tx: add_play(tx, session_id, 1))
        plays = [play_id, play_id, None]
        clips = [await store.write(partial(add_clip, session_id=session_id, play_id=each)) for each in plays]
        yield Game(store, session_id, clips)


async def test_clips_are_listed_by_their_tags(game: Game) -> None:  # V12 V13
    rules = mark_rules()
    first, second, third = game.clips
    await game.tag(first, quarter=2, labels=["blitz", "zone"], result="gain")
    gone = await game.tag(third, quarter=2, labels=["zone"])
    await game.store.write(lambda tx: delete_tag(tx, COACH, gone))
    await game.tag(second, quarter=4, result="gain")

    async def listed(**wanted: Any) -> list[str]:
        query = rules.shown.clip_query(session_id=game.session_id, **wanted)
        page = await game.store.read(lambda tx: queries.list_clips(tx, query, rules.parts, rules.filters))
        return [clip["id"] for clip in page["items"]]

    assert await listed(quarter=2) == [first] and await listed(quarter=3) == []
    assert await listed(label="zone") == [first] and await listed(label="zon") == []
    assert sorted(await listed(result="gain")) == sorted([first, second])
    assert await listed(result="gain", quarter=4) == [second]
    assert not set(clip_filters()) & set(ClipQuery.model_fields)


@pytest.mark.parametrize(("fields", "words"), WORDS)
async def test_a_saved_clip_is_named_by_its_tag(game: Game, fields: dict[str, Any], words: str) -> None:
    await game.tag(game.clips[0], **fields)
    assert await game.name(game.clips[0]) == f"Game_Play-1{words}_cam1.mp4"
    assert await game.name(game.clips[1]) == f"Game_Play-1{words}_cam1.mp4", "a tag describes the play"


async def test_the_clips_own_tag_comes_before_its_plays(game: Game) -> None:
    await game.tag(game.clips[0], down=1)
    await game.tag(game.clips[1], down=2)
    assert await game.name(game.clips[0]) == "Game_Play-1_Down-1_cam1.mp4"
    assert await game.name(game.clips[1]) == "Game_Play-1_Down-2_cam1.mp4"


async def test_a_session_counts_its_tags(game: Game) -> None:  # V21
    async def counted() -> int:
        counters = await game.store.read(lambda tx: session_counters(tx, game.session_id))
        return int(counters["tag_count"])

    tags = [await game.tag(clip_id) for clip_id in game.clips]
    assert await counted() == 3
    await game.store.write(lambda tx: delete_tag(tx, COACH, tags[0]))
    assert await counted() == 2
    assert shown_session().model_fields["tag_count"].is_required()


async def test_a_clip_the_box_closed_is_no_longer_forgotten_once_it_has_a_tag(game: Game) -> None:
    clip_id = game.clips[2]
    plan = {
        "clip_id": clip_id,
        "media_rev": 1,
        "header": b"h",
        "ranges": "[]",
        "size": 1,
        "media_spans": "[]",
    }
    plan |= {"media_spans": "[]", "frames": 1, "width": 1, "height": 1, "codec": "avc1", "created_us": 1}
    await game.store.write(lambda tx: tx.insert("plans", plan))
    await game.store.write(lambda tx: tx.update("clips", clip_id, {"auto_closed": 1, "ready_media_rev": 1}))

    async def written() -> int:
        return len(await game.store.read(plans_to_write))

    assert await written() == 0
    tag_id = await game.tag(clip_id, quarter=1)
    assert await written() == 1
    await game.store.write(lambda tx: delete_tag(tx, COACH, tag_id))
    assert await written() == 0
