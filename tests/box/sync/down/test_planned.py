"""Which events become sessions, and what a moved or cancelled one does to its session."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from appliance.box.sessions.machine import SessionEvent
from appliance.box.sessions.model import SessionPatch
from appliance.box.sessions.planned import plan_session
from appliance.box.sessions.store import change_session, delete_session, move_session
from appliance.box.sync.down.planned import planned_of
from appliance.kernel.clock import HOUR_US, from_rfc3339
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from tests.box.sync.down.cloud import event, event_id
from tests.kit.box import add_session, sim_store
from tests.kit.clock import KICKOFF_US, HandClock

LATER = "2026-11-21T12:00:00Z"
NONE = partial(lambda tx, session_id: None)


@pytest.mark.parametrize(
    "fields",
    [
        {"kickoff": None},
        {"status": "cancelled"},
        {"status": "of a newer cloud"},
        {"kickoff": "2026-11-20T12:00:00Z"},
        {"home": "Rovers"},
    ],
)
def test_an_event_that_is_not_to_come_becomes_no_session(fields: dict[str, Any]) -> None:
    assert planned_of(event(**fields), None, KICKOFF_US) is None


def test_an_event_is_named_by_its_teams() -> None:
    planned = planned_of(event(season="s" * 40), event(kickoff=LATER), KICKOFF_US)
    assert planned is not None
    assert (planned.name, planned.location, planned.season) == ("Rovers v United", "North ground", None)
    assert planned.start_us == KICKOFF_US + HOUR_US // 2 and planned.moved_from_us == from_rfc3339(LATER)
    same = planned_of(event(), event(), KICKOFF_US)
    assert same is not None and same.moved_from_us is None


async def sessions(store: Store) -> list[dict[str, Any]]:
    return await store.read(lambda tx: tx.all("SELECT * FROM sessions ORDER BY created_us, id"))


async def stored(store: Store, now: dict[str, Any], before: dict[str, Any] | None = None) -> bool:
    planned = planned_of(now, before, KICKOFF_US)
    return planned is not None and await store.write(lambda tx: plan_session(tx, planned))


async def test_a_session_is_made_once_and_moved_while_it_has_not_begun(tmp_path: Path) -> None:
    async with sim_store(tmp_path, HandClock()) as store:
        assert await stored(store, event()) and not await stored(store, event())
        (row,) = await sessions(store)
        assert (row["status"], row["event_id"], row["created_by"]) == ("scheduled", event_id(100), "cloud")
        assert await stored(store, event(kickoff=LATER), event())
        assert not await stored(store, event(kickoff="2026-11-22T12:00:00Z"), event())  # not where it was
        ((session_id, start),) = [(row["id"], row["scheduled_start_us"]) for row in await sessions(store)]
        assert start == from_rfc3339(LATER)
        assert not await stored(store, event(status="cancelled"), event(kickoff=LATER))
        caller = Caller("operator")
        await store.write(lambda tx: move_session(tx, caller, session_id, SessionEvent.START, NONE))
        assert not await stored(store, event(), event(kickoff=LATER))
        await store.write(lambda tx: move_session(tx, caller, session_id, SessionEvent.COMPLETE, NONE))
        await store.write(lambda tx: delete_session(tx, caller, session_id, force=True, cascade=NONE))
        assert not await stored(store, event())
        assert len(await sessions(store)) == 1  # a deleted one does not come back


async def test_the_session_that_an_operator_made_is_the_events(tmp_path: Path) -> None:
    async with sim_store(tmp_path, HandClock()) as store:
        session_id = await store.write(lambda tx: add_session(tx, event_id=event_id(100)))
        assert not await stored(store, event()) and not await stored(store, event(kickoff=LATER), event())
        patch = SessionPatch.model_validate({"event_id": None})
        await store.write(lambda tx: change_session(tx, Caller("operator"), session_id, patch))
        assert await stored(store, event())
