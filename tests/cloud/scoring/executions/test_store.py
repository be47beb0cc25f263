"""Executions as rows: leases that end by time, results that come too late, lists."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from appliance.cloud.scoring.executions.model import ExecutionQuery, Order, done_resource
from appliance.cloud.scoring.executions.store import (
    ATTEMPTS_MAX,
    Begun,
    Ending,
    begin,
    finish,
    get_row,
    list_executions,
    own_row,
    take_over,
)
from appliance.cloud.scoring.model import TournamentIn
from appliance.cloud.scoring.records.manage import ensure_tournament
from appliance.kernel.errors import Refused
from appliance.kernel.leases import LEAST_S, LeaseLost
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import Tx
from tests.kit.clock import HandClock

ROUND = Order("round", "league", "matchday-1")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def ticking(tmp_path: Path, clock: HandClock) -> AsyncIterator[Store]:
    """A store whose time a test moves; every transaction is run twice, the first time rolled back."""
    async with open_store(tmp_path / "cloud.db", clock, rehearse=True) as store:
        yield store


async def begun_by(store: Store, owner: str, order: Order = ROUND) -> Begun:
    made = await store.write(partial(begin, order=order, owner=owner))
    assert isinstance(made, Begun)
    return made


async def test_a_run_of_a_process_that_was_killed_is_closed_and_begun_again(
    ticking: Store, clock: HandClock
) -> None:  # D15: kill -9, nothing is released
    dead = await begun_by(ticking, "process-1")
    clock.advance(LEAST_S - 1)
    assert await ticking.write(partial(take_over, owner="process-2", limit=9)) == []
    clock.advance(1)
    (again,) = await ticking.write(partial(take_over, owner="process-2", limit=9))
    assert (again.order.repeats, again.order.attempt) == (dead.id, 2)
    closed = await ticking.read(partial(get_row, execution_id=dead.id))
    assert (closed["status"], closed["ended_us"]) == ("failed", clock.now_us())
    with pytest.raises(LeaseLost):  # it was not dead after all: what it does now does not count
        await ticking.write(partial(finish, begun=dead, ending=Ending({"changed": 1})))
    row = await ticking.write(partial(finish, begun=again, ending=Ending({"changed": 1})))
    assert (row["status"], row["summary"]) == ("completed", '{"changed":1}')
    assert await ticking.write(partial(take_over, owner="process-3", limit=9)) == []


async def test_a_run_that_ends_its_process_each_time_is_given_up(ticking: Store, clock: HandClock) -> None:
    await begun_by(ticking, "process-1")
    attempts = []
    for _ in range(ATTEMPTS_MAX + 1):
        clock.advance(LEAST_S)
        taken = await ticking.write(partial(take_over, owner="process-2", limit=9))
        attempts += [each.order.attempt for each in taken]
    assert attempts == list(range(2, ATTEMPTS_MAX + 1))
    rows = await ticking.read(lambda tx: tx.all("SELECT status, error FROM executions ORDER BY attempt"))
    assert [row["status"] for row in rows] == ["failed"] * ATTEMPTS_MAX
    assert rows[-1]["error"].endswith(f"it was tried {ATTEMPTS_MAX} times")


async def test_an_end_that_is_stored_twice_is_the_first(ticking: Store) -> None:
    begun = await begun_by(ticking, "process-1")
    await ticking.write(partial(finish, begun=begun, ending=Ending({"changed": 1})))
    row = await ticking.write(partial(finish, begun=begun, ending=Ending({}, error="late")))
    assert row["status"] == "completed" and done_resource(row)["summary"] == {"changed": 1}


async def test_lists_are_in_either_order_and_by_tournament(ticking: Store, clock: HandClock) -> None:
    ids = []
    for number in range(5):
        order = Order("standings", "a" if number % 2 else "b")
        begun = await begun_by(ticking, "process-1", order)
        await ticking.write(partial(finish, begun=begun, ending=Ending({})))
        ids.append(begun.id)
        clock.advance(60)

    async def listed(**query: object) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            page = ExecutionQuery.model_validate({"limit": 2, "cursor": cursor, **query})
            shown = await ticking.read(partial(list_executions, query=page, caller=Caller(), base_url=""))
            found += [each["id"] for each in shown["items"]]
            if (cursor := shown["next_cursor"]) is None:
                return found

    assert await listed(order="oldest") == ids
    assert await listed() == ids[::-1]
    assert await listed(tournament_id="a", order="oldest") == [ids[1], ids[3]]
    assert await listed(status="failed") == []


async def test_a_league_pages_through_its_own_alone(store: Store) -> None:
    """On both databases; between its own are those of another league, of no league and of no tournament."""
    for name, league in (("mine", "a"), ("ours", "b"), ("other", "c"), ("none", None)):
        body = TournamentIn(id=name, name=name)
        await store.write(partial(ensure_tournament, caller=Caller(role="admin"), body=body))
        row = (league, name)
        await store.write(
            partial(Tx.run, sql="UPDATE tournaments SET league_id = ? WHERE id = ?", params=row)
        )
    made = []
    for tournament in ("mine", "other", "ours", "none", "mine", "absent", "other", "ours", "mine"):
        begun = await begun_by(store, "process-1", Order("standings", tournament))
        await store.write(partial(finish, begun=begun, ending=Ending({})))
        made.append((tournament, begun.id))

    async def listed(caller: Caller, **query: object) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            page = ExecutionQuery.model_validate({"limit": 2, "cursor": cursor, **query})
            read = partial(list_executions, query=page, caller=caller, base_url="")
            shown = await store.read(read)
            assert len(shown["items"]) == 2 or shown["next_cursor"] is None  # full pages: SQL has filtered
            found += [each["id"] for each in shown["items"]]
            if (cursor := shown["next_cursor"]) is None:
                return found

    office = Caller(role="league", scopes=("league:a", "league:b"))
    own = [each for tournament, each in made if tournament in ("mine", "ours")]
    assert await listed(office, order="oldest") == own
    assert await listed(office) == own[::-1]
    assert await listed(office, tournament_id="ours", order="oldest") == [made[2][1], made[7][1]]
    assert await listed(office, tournament_id="other") == []
    assert await listed(Caller(role="league")) == []
    assert len(await listed(Caller(role="internal"))) == len(made)
    for tournament, each in made:
        read = partial(own_row, execution_id=each, caller=office)
        if each in own:
            assert (await store.read(read))["tournament_id"] == tournament
            continue
        with pytest.raises(Refused) as refused:
            await store.read(read)
        assert (refused.value.status, refused.value.code) == (404, "not_found")
    await store.write(
        partial(Tx.run, sql="UPDATE tournaments SET deleted_us = 1 WHERE id = 'mine'", params=())
    )
    assert await listed(office, order="oldest") == own  # what ran stays to be seen
