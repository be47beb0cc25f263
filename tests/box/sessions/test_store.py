"""The closures that change sessions: rows and journal in one transaction."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from appliance.box.sessions.machine import SESSION, SessionEvent, SessionState
from appliance.box.sessions.model import SessionIn, SessionPatch
from appliance.box.sessions.store import (
    change_session,
    create_session,
    delete_session,
    get_session,
    move_session,
)
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Caller
from appliance.kernel.rows import load_row
from appliance.kernel.tx import Tx
from tests.box.sessions.conftest import Desk
from tests.kit.box import add_channel

COACH = Caller("coach")


def nothing(tx: Tx, session_id: str) -> None:
    """A cascade of a box without clips."""


def new(tx: Tx, **fields: Any) -> str:
    body = SessionIn.model_validate({"name": "Final", "type": "game", **fields})
    return str(create_session(tx, COACH, body).resource["id"])


def put_into(tx: Tx, session_id: str, state: SessionState) -> None:
    tx.run("UPDATE sessions SET status = ? WHERE id = ?", (state, session_id))


def add_clip(tx: Tx, session_id: str, clip_id: str, **fields: Any) -> None:
    row = {"title": None, "start_us": 0, "duration_us": 8_000_000, "status": "ready", "channel_id": "cam1"}
    common = {"latency_ms": 0, "mode": "instant", "request_hash": "h", "created_by": "coach"}
    stamps = {"created_us": tx.now_us, "updated_us": tx.now_us}
    tx.insert("clips", {"id": clip_id, "session_id": session_id, **row, **common, **stamps, **fields})


@pytest.mark.parametrize(("state", "event"), list(itertools.product(SessionState, SessionEvent)))
async def test_an_illegal_cell_changes_no_row_and_appends_nothing(
    desk: Desk, state: SessionState, event: SessionEvent
) -> None:
    # V28
    session_id = await desk.run(new)
    await desk.run(lambda tx: put_into(tx, session_id, state))
    before = await desk.run(lambda tx: dict(load_row(tx, "session", session_id)))
    head = desk.store.journal.head

    def move(tx: Tx) -> Any:
        return move_session(tx, COACH, session_id, event, nothing)

    if event in SESSION.allowed(state):
        answer = await desk.run(move)
        assert answer.resource["status"] == SESSION.next(state, event)
        assert answer.resource["rev"] == before["rev"] + 1
        assert desk.store.journal.head == head + 1
    else:
        with pytest.raises(Refused):
            await desk.run(move)
        assert await desk.run(lambda tx: dict(load_row(tx, "session", session_id))) == before
        assert desk.store.journal.head == head


async def test_the_journal_holds_the_whole_session_after_each_change(desk: Desk) -> None:
    # V02 V15
    session_id = await desk.run(new)
    for event in SessionEvent.START, SessionEvent.PAUSE, SessionEvent.RESUME, SessionEvent.COMPLETE:
        await desk.run(lambda tx, event=event: move_session(tx, COACH, session_id, event, nothing))
    entries = [json.loads(entry.event) for entry in desk.store.journal.recent(0) or []]
    assert [each["type"] for each in entries] == [
        "session_created",
        "session_start",
        "session_paused",
        "session_resumed",
        "session_end",
    ]
    assert [each["session"]["status"] for each in entries] == [
        "scheduled",
        "active",
        "paused",
        "active",
        "completed",
    ]
    assert [each["session"]["rev"] for each in entries] == [1, 2, 3, 4, 5]
    assert {each["session_id"] for each in entries} == {session_id}
    assert entries[-1]["session"] == await desk.run(lambda tx: get_session(tx, session_id))


async def test_reopen_clears_the_end_and_keeps_the_first_start(desk: Desk) -> None:
    # V28
    session_id = await desk.run(new)
    for event in SessionEvent.START, SessionEvent.COMPLETE, SessionEvent.REOPEN:
        desk.clock.advance(60)
        answer = await desk.run(lambda tx, event=event: move_session(tx, COACH, session_id, event, nothing))
    assert answer.resource["actual_start"] == "2026-11-20T19:01:00.000000Z"
    assert answer.resource["actual_end"] is None


async def test_completing_runs_the_clips_part_in_the_same_transaction(desk: Desk) -> None:
    # V15
    session_id = await desk.run(new)
    await desk.run(lambda tx: move_session(tx, COACH, session_id, SessionEvent.START, nothing))

    def failing(tx: Tx, _: str) -> None:
        raise Refused(409, "clips_said_no", "no")

    with pytest.raises(Refused, match="clips_said_no"):
        await desk.run(lambda tx: move_session(tx, COACH, session_id, SessionEvent.COMPLETE, failing))
    stored = await desk.run(lambda tx: get_session(tx, session_id))
    assert (stored["status"], stored["actual_end"], stored["rev"]) == ("active", None, 2)
    assert desk.events()[-1] == "session_start"


async def test_counters_leave_out_deleted_clips_and_the_length_of_failed_ones_and_ghosts(desk: Desk) -> None:
    # V21
    def fill(tx: Tx) -> str:
        session_id, other = new(tx), new(tx)
        add_clip(tx, session_id, "a")
        add_clip(tx, session_id, "b", duration_us=2_500_000)
        add_clip(tx, session_id, "ghost", duration_us=0, status="pending")
        add_clip(tx, session_id, "failed", status="failed")
        add_clip(tx, session_id, "deleted", deleted_us=1)
        add_clip(tx, other, "elsewhere")
        return session_id

    session_id = await desk.run(fill)
    result = await desk.run(lambda tx: get_session(tx, session_id))
    assert (result["clip_count"], result["tag_count"], result["total_duration_seconds"]) == (4, 0, 10.5)


async def test_the_same_id_twice_is_one_session(desk: Desk) -> None:
    own = "0193b2f0-7c1e-7a55-9d3e-1f2a3b4c5d6e"
    assert await desk.run(lambda tx: new(tx, id=own)) == own
    assert await desk.run(lambda tx: new(tx, id=own.upper())) == own
    assert desk.events() == ["session_created"]
    with pytest.raises(Refused) as refused:
        await desk.run(lambda tx: new(tx, id=own, name="Another"))
    assert (refused.value.status, refused.value.code) == (422, "id_reused")


async def test_a_deleted_id_is_gone_for_ever(desk: Desk) -> None:
    own = "0193b2f0-7c1e-7a55-9d3e-1f2a3b4c5d6e"
    await desk.run(lambda tx: new(tx, id=own))
    await desk.run(lambda tx: delete_session(tx, COACH, own, force=False, cascade=nothing))
    for again in (
        lambda tx: new(tx, id=own),
        lambda tx: get_session(tx, own),
        lambda tx: delete_session(tx, COACH, own, force=True, cascade=nothing),
        lambda tx: move_session(tx, COACH, own, SessionEvent.START, nothing),
    ):
        with pytest.raises(Refused) as refused:
            await desk.run(again)
        assert refused.value.status == 410


@pytest.mark.parametrize("state", list(SessionState))
async def test_a_session_that_runs_is_not_deleted(desk: Desk, state: SessionState) -> None:
    session_id = await desk.run(new)
    await desk.run(lambda tx: put_into(tx, session_id, state))

    def delete(tx: Tx) -> Any:
        return delete_session(tx, COACH, session_id, force=True, cascade=nothing)

    if state in (SessionState.ACTIVE, SessionState.PAUSED):
        with pytest.raises(Refused) as refused:
            await desk.run(delete)
        assert refused.value.code == "session_running" and refused.value.extra["state"] == state
        assert "session_deleted" not in desk.events()
    else:
        await desk.run(delete)
        assert desk.events()[-1] == "session_deleted"


async def test_favourites_protect_a_session_until_forced(desk: Desk) -> None:
    session_id = await desk.run(new)
    await desk.run(lambda tx: add_clip(tx, session_id, "star", is_favorite=1))
    cascaded: list[str] = []

    def cascade(tx: Tx, session_id: str) -> None:
        cascaded.append(session_id)

    with pytest.raises(Refused) as refused:
        await desk.run(lambda tx: delete_session(tx, COACH, session_id, force=False, cascade=cascade))
    assert refused.value.code == "holds_favorites" and not cascaded
    await desk.run(lambda tx: delete_session(tx, COACH, session_id, force=True, cascade=cascade))
    assert cascaded == [session_id]


async def test_channels_are_linked_replaced_and_checked(desk: Desk) -> None:
    # V22: channels outlive sessions
    def fill(tx: Tx) -> str:
        add_channel(tx, "cam1")
        add_channel(tx, "cam2")
        return new(tx, channel_ids=["cam2", "cam1", "cam2"])

    session_id = await desk.run(fill)
    assert (await desk.run(lambda tx: get_session(tx, session_id)))["channel_ids"] == ["cam1", "cam2"]
    for sent, saved in ((["cam2"], ["cam2"]), ([], []), (None, None)):
        body = SessionPatch(channel_ids=sent)
        changed = await desk.run(lambda tx, body=body: change_session(tx, COACH, session_id, body))
        assert changed.resource["channel_ids"] == saved
    with pytest.raises(Refused) as refused:
        await desk.run(lambda tx: new(tx, channel_ids=["cam1", "cam9"]))
    assert refused.value.code == "unknown_channel" and "cam9" in refused.value.detail
