"""Tags over HTTP: what is stored, published and refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from trio.testing import MockClock

from appliance.box.tags import store as tags
from appliance.box.tags.model import FIELDS, Stats, Tag, TagIn
from appliance.kernel.errors import Refused
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Caller
from appliance.kernel.tx import Tx
from tests.box.tags.game import Game, add_clip, new_game
from tests.kit.box import add_session, sim_store

FULL = {  # V24
    "quarter": 2,
    "down": 3,
    "distance": 8,
    "yard_line": -35,
    "play_type": "Pass",
    "formation": "Shotgun",
    "result": "Complete",
    "yards_gained": 12,
    "players": ["7 Smith", "88"],
    "labels": ["blitz"],
    "notes": "Great route",
    "coach_notes": "Show to receivers",
    "is_important": True,
    "is_reviewed": False,
}


@pytest.fixture
async def game(tmp_path: Path, autojump_clock: MockClock) -> AsyncIterator[Game]:
    async with sim_store(tmp_path) as store:
        yield await new_game(store)


async def refusal(game: Game, method: str, path: str, **arguments: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        await game.call(method, path, **arguments)
    return refused.value


async def test_a_tag_keeps_every_field_and_takes_session_and_play_from_its_clip(
    game: Game,
) -> None:  # V14 V24
    made = await game.tag(game.side, **FULL)
    assert {name: made[name] for name in FIELDS} == FULL
    assert (made["clip_id"], made["session_id"], made["play_id"]) == (
        game.side,
        game.session_id,
        game.play_id,
    )
    assert (made["created_by"], made["rev"]) == ("analyst", 1)
    assert Tag.model_validate(made).model_dump() == made
    read = await game.call("GET", "/tags/{tag_id}", tag_id=made["id"])
    assert read.resource == made


@pytest.mark.parametrize(
    "fields",
    [
        {"quarter": 2, "down": 3, "play_type": "Pass", "result": "Complete", "notes": "Great route"},
        {"quarter": 1, "down": 1, "formation": "I", "play_type": "Run", "result": "Rush", "players": ["22"]},
        {},
    ],
)
async def test_the_seeds_own_tags_are_taken(game: Game, fields: dict[str, Any]) -> None:  # V14
    made = await game.tag(game.alone, **fields)
    assert {name: made[name] for name in fields} == fields
    assert (made["play_id"], made["labels"], made["is_reviewed"]) == (None, [], False)


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("quarter", [1, 5], [0, 6, "2", 1.5, True]),
        ("down", [1, 4], [0, 5]),
        ("distance", [1, 99], [0, 100]),
        ("yard_line", [-49, 0, 50], [-51, 51]),
        ("yards_gained", [-99, 109], [-100, 110]),
        ("play_type", ["x" * 100], ["x" * 101, 5]),
        ("players", [[], ["7"], [7]], ["7", [""], ["x" * 101], [None], ["x"] * 51]),
        ("labels", [["a", "b"]], [[" "]]),
        ("notes", ["x" * 4000], ["x" * 4001]),
        ("is_important", [True, False], ["yes", 1]),
        ("session_id", [], ["0193b2f0-7c1e-7a55-9d3e-1f2a3b4c5d6e"]),
        ("colour", [], ["red"]),
    ],
)
def test_bounds_are_checked_on_both_sides(field: str, good: list[Any], bad: list[Any]) -> None:  # V24
    clip_id = new_uuid()
    for value in good:
        TagIn.model_validate({"clip_id": clip_id, field: value})
    for value in bad:
        with pytest.raises(ValidationError) as refused:
            TagIn.model_validate({"clip_id": clip_id, field: value})
        assert refused.value.errors()[0]["loc"][0] == field


async def test_blank_words_are_none_and_lists_hold_each_item_once(game: Game) -> None:
    made = await game.tag(game.side, result="  ", notes="", players=[7, "7", "8"])
    assert (made["result"], made["notes"], made["players"]) == (None, None, ["7", "8"])


async def test_creating_changing_and_deleting_are_reported_whole_with_the_sessions_counters(
    game: Game,
) -> None:  # V21
    head = game.store.journal.head
    made = await game.tag(game.side, **FULL)
    path = {"tag_id": made["id"]}
    changed = await game.call("PATCH", "/tags/{tag_id}", body={"down": 4}, **path)
    await game.call("DELETE", "/tags/{tag_id}", **path)
    created, updated, deleted = game.events(head)
    assert [each["type"] for each in (created, updated, deleted)] == [
        "tag_created",
        "tag_updated",
        "tag_deleted",
    ]
    for event in (created, updated, deleted):
        assert (event["clip_id"], event["session_id"], event["tag_id"]) == (
            game.side,
            game.session_id,
            made["id"],
        )
    assert (created["tag"], updated["tag"]) == (made, changed.resource)
    assert deleted["tag"]["notes"] == "Great route"  # enough to restore it under a new id
    assert [event["session"]["tag_count"] for event in (created, updated, deleted)] == [1, 1, 0]


async def test_a_patch_merges_field_by_field(game: Game) -> None:
    made = await game.tag(game.side, **FULL)
    path = {"tag_id": made["id"]}
    await game.call("PATCH", "/tags/{tag_id}", body={"result": "Touchdown"}, caller=Caller("a"), **path)
    body = {"notes": None, "players": None, "is_important": None, "labels": ["td"]}
    merged = (await game.call("PATCH", "/tags/{tag_id}", body=body, **path)).resource
    expected = {
        **FULL,
        "result": "Touchdown",
        "notes": None,
        "players": [],
        "is_important": False,
        "labels": ["td"],
    }
    assert {name: merged[name] for name in FIELDS} == expected
    assert merged["rev"] == 3
    same = await game.call("PATCH", "/tags/{tag_id}", body={"labels": ["td"]}, **path)
    assert same.resource["rev"] == 3
    stale = await refusal(
        game, "PATCH", "/tags/{tag_id}", body={"down": 1}, caller=Caller(if_match=2), **path
    )
    assert stale.status == 412


async def test_the_same_id_is_the_same_tag_and_a_deleted_one_is_gone_for_ever(game: Game) -> None:
    body = {"id": new_uuid(), "clip_id": game.side, "down": 2}
    assert (await game.call("POST", "/tags", body=body)).status == 201
    assert (await game.call("POST", "/tags", body=body)).status == 200
    assert (await refusal(game, "POST", "/tags", body={**body, "down": 3})).code == "id_reused"
    await game.call("DELETE", "/tags/{tag_id}", tag_id=body["id"])
    for method, path, arguments in (
        ("POST", "/tags", {"body": body}),
        ("GET", "/tags/{tag_id}", {"tag_id": body["id"]}),
        ("DELETE", "/tags/{tag_id}", {"tag_id": body["id"]}),
    ):
        assert (await refusal(game, method, path, **arguments)).status == 410


async def test_a_tag_needs_a_clip_that_is_there(game: Game) -> None:
    unknown = await refusal(game, "POST", "/tags", body={"clip_id": new_uuid()})
    assert (unknown.status, unknown.code, unknown.errors[0].loc) == (422, "unknown_clip", "clip_id")
    await game.store.write(lambda tx: tx.update("clips", game.alone, {"deleted_us": 1}))
    assert (await refusal(game, "POST", "/tags", body={"clip_id": game.alone})).status == 410
    assert (await refusal(game, "GET", "/tags/{tag_id}", tag_id=new_uuid())).status == 404


async def test_lists_are_filtered_by_session_clip_and_play(game: Game) -> None:  # V13
    side, end, alone = [await game.tag(each) for each in (game.side, game.end, game.alone)]

    async def ids(path: str = "/tags", query: dict[str, Any] | None = None, **more: Any) -> list[str]:
        page = await game.call("GET", path, query=query or {}, **more)
        return [item["id"] for item in page.resource["items"]]

    everything = [side["id"], end["id"], alone["id"]]
    assert await ids() == everything
    assert await ids(query={"session_id": game.session_id}) == everything
    assert await ids(query={"clip_id": game.end}) == [end["id"]]
    assert await ids(query={"play_id": game.play_id}) == everything[:2]
    assert await ids(query={"session_id": new_uuid()}) == []
    assert await ids("/sessions/{session_id}/tags", session_id=game.session_id) == everything
    path = "/sessions/{session_id}/tags"
    first = await game.call("GET", path, session_id=game.session_id, query={"limit": 2})
    rest = {"cursor": first.resource["next_cursor"]}
    assert await ids(path, query=rest, session_id=game.session_id) == everything[2:]
    assert (await refusal(game, "GET", path, session_id=new_uuid())).status == 404


async def test_a_deleted_clip_or_session_takes_its_tags_with_it(game: Game) -> None:
    for clip_id in (game.side, game.end, game.alone):
        await game.tag(clip_id)
    head = game.store.journal.head
    assert await game.store.write(partial(tags.delete_tags_of, clip_id=game.side)) == 1
    assert await game.store.write(partial(tags.delete_tags_of, session_id=game.session_id)) == 2
    assert await game.store.write(partial(tags.delete_tags_of, session_id=game.session_id)) == 0
    events = game.events(head)
    assert [(event["type"], event["session"]["tag_count"]) for event in events] == [
        ("tag_deleted", 2),
        ("tag_deleted", 0),
        ("tag_deleted", 0),
    ]
    with pytest.raises(ValueError, match="a clip or a session"):
        await game.store.write(partial(tags.delete_tags_of))


# -- statistics ------------------------------------------------------------------------------------


async def test_the_sessions_figures_are_read_from_its_rows(game: Game) -> None:  # V19
    await game.tag(game.side, play_type="Pass", down=3, distance=8, yards_gained=12, quarter=2)
    await game.tag(game.end, result="Touchdown")
    await game.tag(game.alone, play_type="Run", is_important=True)
    stats = await game.stats()
    assert (stats["session_id"], stats["as_of_seq"]) == (game.session_id, game.store.journal.head)
    assert stats["total_plays"] == 2
    assert stats["run_pass"] == {"run": 1, "pass": 1, "run_share": 0.5, "pass_share": 0.5}
    assert stats["third_down"] == {"attempts": 1, "conversions": 1, "pct": 100.0}
    assert stats["key_plays"] == [game.alone]
    assert sorted(stats["touchdowns"]) == sorted([game.side, game.end])
    assert stats["by_quarter"][0]["total_plays"] == 1
    assert Stats.model_validate(stats).model_dump(by_alias=True) == stats


async def test_deleted_clips_and_tags_do_not_count(game: Game) -> None:  # V19
    made = await game.tag(game.side, play_type="Run")
    await game.tag(game.alone, play_type="Pass")
    await game.call("DELETE", "/tags/{tag_id}", tag_id=made["id"])
    await game.store.write(lambda tx: tx.update("clips", game.alone, {"deleted_us": 1}))
    stats = await game.stats()
    assert (stats["total_plays"], stats["run_pass"]["run"], stats["run_pass"]["pass"]) == (1, None, None)


async def test_a_favourite_of_the_play_or_of_one_angle_makes_a_key_play(game: Game) -> None:  # V19
    assert (await game.stats())["key_plays"] == []
    await game.store.write(lambda tx: tx.update("plays", game.play_id, {"is_favorite": 1}))
    assert (await game.stats())["key_plays"] == [game.play_id]
    await game.store.write(lambda tx: tx.update("plays", game.play_id, {"is_favorite": 0}))
    await game.store.write(lambda tx: tx.update("clips", game.end, {"is_favorite": 1}))
    assert (await game.stats())["key_plays"] == [game.play_id]


async def test_another_sessions_tags_are_not_counted(game: Game) -> None:  # V19
    def other(tx: Tx) -> str:
        return add_clip(tx, add_session(tx, "Other"))

    await game.tag(await game.store.write(other), play_type="Run")
    assert (await game.stats())["total_plays"] == 2
    assert (await game.stats())["run_pass"]["run"] is None
    path = "/sessions/{session_id}/stats"
    assert (await refusal(game, "GET", path, session_id=new_uuid())).status == 404
