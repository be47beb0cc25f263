"""Sessions over HTTP."""

from __future__ import annotations

import itertools

import pytest

from appliance.box.sessions.machine import SESSION, SessionEvent, SessionState
from tests.box.sessions.conftest import Desk

OWN_ID = "0193b2f0-7c1e-7a55-9d3e-1f2a3b4c5d6e"
WAY_TO: dict[str, tuple[str, ...]] = {
    "scheduled": (),
    "active": ("start",),
    "paused": ("start", "pause"),
    "completed": ("start", "complete"),
}


async def test_a_session_is_scheduled_with_every_field_of_the_contract(desk: Desk) -> None:
    # V01 V21
    made = await desk.client.post(
        "/sessions",
        {
            "name": "Final",
            "type": "game",
            "opponent": "Rival",
            "location": "North Field",
            "season": "2026-27",
            "week": 9,
            "scheduled_start": "2026-11-21T19:00:00+01:00",
        },
    )
    assert made.status == 201 and made.headers["etag"] == '"r1"'
    session = made.json
    assert session.pop("id") == session.pop("session_id")
    assert session == {
        "name": "Final",
        "type": "game",
        "status": "scheduled",
        "opponent": "Rival",
        "location": "North Field",
        "season": "2026-27",
        "week": 9,
        "scheduled_start": "2026-11-21T18:00:00.000000Z",
        "event_id": None,
        "score": None,
        "actual_start": None,
        "actual_end": None,
        "channel_ids": None,
        "play_count": 0,
        "clip_count": 0,
        "tag_count": 0,
        "total_duration_seconds": 0.0,
        "created_at": "2026-11-20T19:00:00.000000Z",
        "updated_at": "2026-11-20T19:00:00.000000Z",
        "created_by": "coach",
        "rev": 1,
    }


async def test_a_game_runs_from_start_to_end(desk: Desk) -> None:
    # V02 V15
    session_id = (await desk.add())["id"]
    desk.clock.advance(10)
    started = await desk.client.post(f"/sessions/{session_id}/start")
    assert (started.status, started.json["status"]) == (200, "active")
    assert started.json["actual_start"] == "2026-11-20T19:00:10.000000Z"
    desk.clock.advance(7200)
    ended = await desk.client.post(f"/sessions/{session_id}/complete")
    assert (ended.json["status"], ended.json["actual_end"]) == ("completed", "2026-11-20T21:00:10.000000Z")
    assert desk.events() == ["session_created", "session_start", "session_end"]
    assert desk.completed == [session_id]


@pytest.mark.parametrize(("state", "event"), list(itertools.product(SessionState, SessionEvent)))
async def test_an_illegal_transition_is_409_naming_state_and_what_is_allowed(
    desk: Desk, state: SessionState, event: SessionEvent
) -> None:
    # V28
    session_id = (await desk.add())["id"]
    await desk.bring(session_id, *WAY_TO[state])
    before = (await desk.client.get(f"/sessions/{session_id}")).json
    reply = await desk.client.post(f"/sessions/{session_id}/{event}")
    if event in SESSION.allowed(state):
        assert (reply.status, reply.json["status"]) == (200, SESSION.next(state, event))
        return
    assert (reply.status, reply.json["code"]) == (409, "illegal_transition")
    assert reply.json["state"] == state
    assert reply.json["allowed"] == [str(each) for each in SESSION.allowed(state)]
    assert (await desk.client.get(f"/sessions/{session_id}")).json == before


async def test_several_sessions_may_be_active(desk: Desk) -> None:
    for _ in range(2):
        await desk.bring((await desk.add())["id"], "start")
    active = (await desk.client.get("/sessions?status=active")).json["items"]
    assert len(active) == 2


async def test_a_repeated_request_gets_the_same_answer_and_has_one_effect(desk: Desk) -> None:
    body = {"name": "Final", "type": "game"}
    first = await desk.client.post("/sessions", body, key="k1")
    await desk.bring(first.json["id"], "start")
    again = await desk.client.post("/sessions", body, key="k1")
    assert (again.status, again.json) == (201, first.json)  # the original response
    assert again.headers["etag"] == first.headers["etag"]
    path = f"/sessions/{first.json['id']}/pause"
    paused = await desk.client.post(path, key="k2")
    assert (await desk.client.post(path, key="k2")).json == paused.json  # without the key it would be a 409
    assert (await desk.client.post(path)).status == 409
    assert desk.events() == ["session_created", "session_start", "session_paused"]


async def test_a_refusal_is_not_remembered_under_its_key(desk: Desk) -> None:
    session_id = (await desk.add())["id"]
    assert (await desk.client.post(f"/sessions/{session_id}/pause", key="k")).status == 409
    await desk.bring(session_id, "start")
    assert (await desk.client.post(f"/sessions/{session_id}/pause", key="k")).status == 200


async def test_the_clients_own_id_makes_a_session_once(desk: Desk) -> None:
    body = {"id": OWN_ID, "name": "Final", "type": "game"}
    assert (await desk.client.post("/sessions", body)).status == 201
    await desk.bring(OWN_ID, "start")
    again = await desk.client.post("/sessions", body)
    assert (again.status, again.json["status"], again.json["rev"]) == (200, "active", 2)  # the current state
    other = await desk.client.post("/sessions", {**body, "name": "Another"})
    assert (other.status, other.json["code"], list(other.wrong)) == (422, "id_reused", ["id"])
    assert (await desk.client.post("/sessions", {**body, "id": "nonsense"})).wrong.keys() == {"id"}


async def test_a_deleted_session_is_410_and_its_id_stays_used(desk: Desk) -> None:
    body = {"id": OWN_ID, "name": "Final", "type": "game"}
    await desk.client.post("/sessions", body)
    assert (await desk.client.delete(f"/sessions/{OWN_ID}")).status == 200
    assert desk.deleted == [OWN_ID]
    assert (await desk.client.get(f"/sessions/{OWN_ID}")).status == 410
    assert (await desk.client.post("/sessions", body)).json["code"] == "deleted"
    assert (await desk.client.get("/sessions")).json["items"] == []
    assert (await desk.client.get(f"/sessions/{OWN_ID[:-1]}f")).status == 404


async def test_a_running_session_is_not_deleted(desk: Desk) -> None:
    session_id = (await desk.add())["id"]
    await desk.bring(session_id, "start")
    reply = await desk.client.delete(f"/sessions/{session_id}?force=1")
    assert (reply.status, reply.json["code"], reply.json["allowed"]) == (409, "session_running", ["complete"])
    assert desk.deleted == []


async def test_a_stale_if_match_is_412_and_changes_nothing(desk: Desk) -> None:
    session_id = (await desk.add())["id"]
    path = f"/sessions/{session_id}"
    assert (await desk.client.patch(path, {"name": "Semi-final"}, if_match='"r1"')).headers["etag"] == '"r2"'
    stale = await desk.client.patch(path, {"name": "Lost"}, if_match='"r1"')
    assert (stale.status, stale.json["code"], stale.json["rev"]) == (412, "stale", 2)
    assert stale.headers["etag"] == '"r2"'
    assert (await desk.client.post(f"{path}/start", if_match='"r1"')).status == 412
    assert (await desk.client.delete(path, if_match='"r1"')).status == 412
    assert (await desk.client.get(path)).json["name"] == "Semi-final"
    assert (await desk.client.patch(path, {"week": 3}, if_match="*")).json["rev"] == 3


async def test_a_patch_changes_the_fields_it_names(desk: Desk) -> None:
    session_id = (await desk.add(opponent="Rival", week=9))["id"]
    changed = await desk.client.patch(f"/sessions/{session_id}", {"opponent": None, "season": 2026})
    assert (changed.json["opponent"], changed.json["week"], changed.json["season"]) == (None, 9, "2026")
    assert desk.events() == ["session_created", "session_updated"]


async def test_wrong_fields_are_all_named(desk: Desk) -> None:
    sent = {"name": "", "type": "match", "week": -1, "scheduled_start": "14:23:15", "score": 3}
    reply = await desk.client.post("/sessions", {**sent, "channel_ids": ["cam1", "../etc"]})
    assert reply.status == 422
    assert reply.wrong.keys() == {"name", "type", "week", "scheduled_start", "score", "channel_ids.1"}
    assert reply.wrong["score"] == "no such field"
    assert "RFC 3339" in reply.wrong["scheduled_start"]
    unknown = await desk.client.post("/sessions", {"name": "A", "type": "game", "channel_ids": ["cam9"]})
    assert (unknown.status, unknown.json["code"]) == (422, "unknown_channel")
    assert unknown.wrong == {"channel_ids.0": "no channel cam9"}
    assert desk.events() == []


async def test_lists_are_paged_in_a_stable_order(desk: Desk) -> None:
    made = []
    for number in range(7):
        made.append((await desk.add(name=f"Game {number}"))["id"])
        desk.clock.advance(number % 2)  # some have the same instant: then the id decides
    seen, path = [], "/sessions?limit=3"
    while True:
        reply = await desk.client.get(path)
        seen += [each["id"] for each in reply.json["items"]]
        assert reply.json["as_of_seq"] == 7
        if reply.json["next_cursor"] is None:
            assert "link" not in reply.headers
            break
        link = reply.headers["link"]
        assert link.endswith('>; rel="next"')
        path = link[1 : link.index(">")]
    assert sorted(seen) == sorted(made) and len(seen) == 7
    order = [(await desk.client.get(f"/sessions/{each}")).json for each in seen]
    assert order == sorted(order, key=lambda each: (each["created_at"], each["id"]))


async def test_lists_are_filtered_and_their_query_is_checked(desk: Desk) -> None:
    await desk.add(type="practice")
    await desk.bring((await desk.add(type="game"))["id"], "start")

    async def count(query: str) -> int:
        return len((await desk.client.get(f"/sessions?{query}")).json["items"])

    assert await count("type=game") == 1 and await count("status=active") == 1
    assert await count("type=practice&status=active") == 0
    assert (await desk.client.get("/sessions?type=match")).wrong.keys() == {"type"}
    assert (await desk.client.get("/sessions?cursor=bad!")).wrong.keys() == {"cursor"}
    assert (await desk.client.get("/sessions?sort=name")).wrong == {"sort": "no such parameter"}


async def test_a_delete_can_be_undone_for_a_day(desk: Desk) -> None:
    session = await desk.add()
    path = f"/sessions/{session['id']}"
    await desk.client.delete(path)
    assert (await desk.client.get(path)).status == 410
    back = await desk.client.post(f"{path}/restore")
    assert (back.status, back.json["name"]) == (200, "Final")
    assert [each for each, _ in desk.restored] == [session["id"]]
    assert (await desk.client.get(path)).status == 200
    assert (await desk.client.post(f"{path}/restore")).status == 200, "nothing to undo is no error"


async def test_deleted_sessions_are_listed_while_they_can_be_restored(desk: Desk) -> None:
    first, second, stored = [await desk.add(name=name) for name in ("One", "Other", "Kept")]

    async def listed(query: str = "") -> list[str]:
        reply = await desk.client.get(f"/sessions?deleted=1{query}")
        return [each["name"] for each in reply.json["items"]]

    assert await listed() == []
    for session in (second, first):  # in the order of their ends
        desk.clock.advance(3600)
        await desk.client.delete(f"/sessions/{session['id']}")
    assert await listed() == ["Other", "One"]
    page = (await desk.client.get("/sessions?deleted=1&limit=1")).json
    assert await listed(f"&cursor={page['next_cursor']}") == ["One"]
    assert page["items"][0]["updated_at"] == "2026-11-20T20:00:00.000000Z", "when it was deleted"
    await desk.client.post(f"/sessions/{first['id']}/restore")
    assert await listed() == ["Other"]
    desk.clock.advance(23 * 3600 + 1)
    assert await listed() == []
    assert [each["id"] for each in (await desk.client.get("/sessions")).json["items"]] == [
        first["id"],
        stored["id"],
    ]


async def test_after_a_day_a_deleted_session_is_gone_for_ever(desk: Desk) -> None:
    session = await desk.add()
    path = f"/sessions/{session['id']}"
    await desk.client.delete(path)
    desk.clock.advance(24 * 3600 + 1)
    assert (await desk.client.post(f"{path}/restore")).status == 410
    assert desk.restored == []


async def test_one_session_films_an_event(desk: Desk) -> None:
    event_id = "019307a0-0000-7000-8000-0000000000e1"
    first = await desk.add(event_id=event_id)
    assert first["event_id"] == event_id
    refused = await desk.client.post("/sessions", {"name": "Copy", "type": "game", "event_id": event_id})
    assert (refused.status, refused.json["code"]) == (409, "event_taken")
    assert refused.json["session_id"] == first["id"] and "event_id" in refused.wrong
    other = await desk.add()
    assert other["event_id"] is None
    linked = await desk.client.patch(f"/sessions/{other['id']}", {"event_id": event_id})
    assert (linked.status, linked.json["code"]) == (409, "event_taken")
    same = await desk.client.patch(f"/sessions/{first['id']}", {"event_id": event_id, "name": "Same"})
    assert same.status == 200
    assert (await desk.client.delete(f"/sessions/{first['id']}")).status == 200
    linked = await desk.client.patch(f"/sessions/{other['id']}", {"event_id": event_id})
    assert linked.json["event_id"] == event_id
    back = await desk.client.post(f"/sessions/{first['id']}/restore")
    assert (back.status, back.json["code"]) == (409, "event_taken")
    await desk.client.patch(f"/sessions/{other['id']}", {"event_id": None})
    assert (await desk.client.post(f"/sessions/{first['id']}/restore")).json["event_id"] == event_id
