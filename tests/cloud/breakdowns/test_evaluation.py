"""Which events are logged follows what decides it, in the same transaction, until a job is assigned."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.cloud.breakdowns import evaluation
from appliance.cloud.breakdowns.marking.rows import find_marking
from appliance.cloud.breakdowns.queue.assign import distribute
from appliance.cloud.breakdowns.queue.rows import find_job, open_job_of
from appliance.cloud.competitions import store as competitions
from appliance.cloud.competitions.kinds import KINDS
from appliance.kernel.errors import Refused
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import ReadTx, Row, Tx
from tests.cloud.breakdowns.world import (
    ADMIN,
    LEASE_S,
    World,
    actions,
    bare_world,
    change,
    logging_world,
    make,
    marking,
)
from tests.kit.clock import HandClock


async def test_an_event_is_marked_in_the_transaction_that_makes_it(store: Store) -> None:  # L01 L02 L04
    def build(tx: Tx) -> tuple[str, World]:
        world = logging_world(tx)
        return world.event(tx), world

    event_id, world = await store.write(build)
    shown = await marking(store, event_id)
    assert (shown["state"], shown["is_marked"], shown["reason"]) == ("awaiting_source", True, "league_rule")
    assert (shown["breakdown_type_id"], shown["won_by"]) == (world.types[1], "league")
    assert await actions(store, f"event:{event_id}") == ["marked"]


async def test_a_season_without_association_is_not_logged(store: Store) -> None:  # L03
    def build(tx: Tx) -> tuple[str, str, World]:
        world = logging_world(tx)
        later = make(tx, "season", league_id=world.league, name="2027-28")
        return world.event(tx), world.event(tx, season_id=later), world

    now, later, _ = await store.write(build)
    assert (await marking(store, now))["is_marked"]
    shown = await marking(store, later)
    assert (shown["state"], shown["reason"]) == ("unmarked", "teams_not_associated")
    assert "neither team" in shown["detail"]


STEPS: dict[str, Callable[[Tx, World, dict[str, str]], object]] = {
    "home": lambda tx, world, made: make(tx, "association", season_id=world.season, team_id=world.home),
    "away": lambda tx, world, made: make(tx, "association", season_id=world.season, team_id=world.away),
    "league rule": lambda tx, world, made: world.rule(tx, 1),
    "team rule": lambda tx, world, made: world.rule(tx, 2, team_id=world.away),
    "event": lambda tx, world, made: made.update(event=world.event(tx)),
}


@pytest.mark.parametrize("order", [*permutations(STEPS)][::17], ids=" > ".join)
async def test_the_order_of_the_changes_does_not_matter(store: Store, order: tuple[str, ...]) -> None:  # L06
    def build(tx: Tx) -> tuple[str, str]:
        world, made = bare_world(tx), dict[str, str]()
        for name in order:
            STEPS[name](tx, world, made)
        return made["event"], world.types[2]

    event_id, expected = await store.write(build)
    shown = await marking(store, event_id)
    assert (shown["reason"], shown["breakdown_type_id"], shown["won_by"]) == (
        "league_and_team_rules",
        expected,
        "away",
    )


# what Hypothesis may change, and to what: the last value of each decides
CHANGES: dict[str, list[Any]] = {
    "home": [False, True],
    "away": [False, True],
    "league rule": [False, True],
    "home rule": [False, True],
    "rank": [0, 1, 5],
    "status": ["scheduled", "cancelled"],
}
change_lists = st.lists(
    st.sampled_from(sorted(CHANGES)).flatmap(
        lambda name: st.tuples(st.just(name), st.sampled_from(CHANGES[name]))
    ),
    max_size=12,
)


def _apply(tx: Tx, world: World, ids: dict[str, str], name: str, value: Any) -> None:
    if name in ("home", "away"):
        change(tx, "association", ids[name], is_active=value)
    elif name.endswith("rule"):
        change(tx, "rule", ids[name], is_active=value)
    elif name == "rank":
        change(tx, "breakdown_type", world.types[2], rank=value)
    else:
        change(tx, "event", ids["event"], status=value)


def _changed_world(tx: Tx, changes: list[tuple[str, Any]]) -> dict[str, Any]:
    """The marking after these changes, one after the other."""
    world = bare_world(tx)
    world.associate(tx)
    rows = tx.all("SELECT id, team_id FROM associations WHERE season_id = ?", (world.season,))
    ids = {"home" if row["team_id"] == world.home else "away": row["id"] for row in rows}
    ids["league rule"] = world.rule(tx, 1)
    ids["home rule"] = world.rule(tx, 2, team_id=world.home)
    ids["event"] = world.event(tx)
    for name, value in changes:
        _apply(tx, world, ids, name, value)
    row = find_marking(tx, ids["event"])
    assert row is not None
    kinds = {type_id: rank for rank, type_id in world.types.items()}
    fixed = ("state", "reason", "fields", "won_by")
    return {**{name: row[name] for name in fixed}, "type": kinds.get(row["breakdown_type_id"])}


@settings(max_examples=25)
@given(change_lists)
def test_only_the_last_value_of_each_counts(changes: list[tuple[str, Any]]) -> None:  # L06
    last = [(name, dict(changes)[name]) for name in dict(changes)]

    async def compare() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with open_store(Path(folder) / "cloud.db", HandClock(), in_thread=False) as store:
                every = await store.write(lambda tx: _changed_world(tx, changes))
                once = await store.write(lambda tx: _changed_world(tx, sorted(last)))
                assert every == once

    trio.run(compare)


async def _job_world(store: Store, *, loggers: int = 0) -> tuple[World, Row]:
    def build(tx: Tx) -> tuple[World, Row]:
        world = logging_world(tx)
        for _ in range(loggers):
            world.logger(tx)
        return world, world.job(tx)

    return await store.write(build)


async def test_a_waiting_job_goes_when_the_event_is_not_to_be_logged(store: Store) -> None:  # L06
    _, job = await _job_world(store)
    event_id, rule_id = job["event_id"], (await marking(store, job["event_id"]))["rule_id"]
    await store.write(lambda tx: change(tx, "rule", rule_id, is_active=False))
    assert (await marking(store, event_id))["state"] == "unmarked"
    assert await store.read(lambda tx: find_job(tx, job["id"])) is None
    await store.write(lambda tx: change(tx, "rule", rule_id, is_active=True))
    again = await store.read(lambda tx: open_job_of(tx, event_id))
    assert again is not None and again["id"] != job["id"] and again["source_id"] == job["source_id"]
    assert (await marking(store, event_id))["state"] == "queued"
    assert await actions(store, f"event:{event_id}") == ["marked", "unmarked", "marked"]
    assert await actions(store, f"job:{job['id']}") == ["queued", "withdrawn"]


async def test_a_waiting_job_gets_type_and_clock_of_the_rule_that_wins(
    store: Store,
) -> None:  # L06
    world, job = await _job_world(store)

    def outbid(tx: Tx) -> Row | None:
        world.type(tx, 5, target_s=8 * 3600, due_s=12 * 3600)
        world.rule(tx, 5, team_id=world.home)
        return find_job(tx, job["id"])

    now = await store.write(outbid)
    assert now is not None and now["breakdown_type_id"] == world.types[5]
    assert now["due_us"] - now["available_us"] == 12 * 3600 * 1_000_000


async def test_once_a_job_was_assigned_the_marking_stays(store: Store) -> None:  # L06
    world, job = await _job_world(store, loggers=1)
    event_id = job["event_id"]
    assert await store.write(lambda tx: distribute(tx, LEASE_S)) == 1
    before = await marking(store, event_id)
    await store.write(lambda tx: world.rule(tx, 5))
    await store.write(lambda tx: change(tx, "rule", before["rule_id"], is_active=False))
    await store.write(lambda tx: change(tx, "event", event_id, status="cancelled"))
    await store.write(lambda tx: change(tx, "event", event_id, venue="Elsewhere"))
    after = await marking(store, event_id)
    same = ("state", "reason", "breakdown_type_id", "rule_id", "fields")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    # one entry for each other decision: type 5, then cancelled; the venue decides nothing
    assert await actions(store, f"event:{event_id}") == ["marked", "kept", "kept"]


async def test_a_deleted_event_is_not_logged(store: Store) -> None:
    _, job = await _job_world(store)
    event_id = job["event_id"]
    await store.write(lambda tx: competitions.remove(tx, ADMIN, KINDS["event"], event_id))
    shown = await marking(store, event_id)
    assert (shown["state"], shown["reason"]) == ("unmarked", "deleted")
    assert await store.read(lambda tx: open_job_of(tx, event_id)) is None


async def test_the_same_decision_writes_nothing(store: Store) -> None:
    _, job = await _job_world(store)
    before = store.journal.head
    await store.write(partial(evaluation.event_changed, event_id=job["event_id"], by="test"))
    assert store.journal.head == before


async def test_the_audit_names_who_and_why(store: Store) -> None:
    _, job = await _job_world(store)

    def rows(tx: ReadTx) -> list[Row]:
        return tx.all("SELECT * FROM logging_audit WHERE subject = ?", (f"event:{job['event_id']}",))

    (row,) = await store.read(rows)
    assert (row["by_whom"], row["reason"]) == ("test", "the event has changed: league_rule")


async def test_a_rule_needs_a_season_and_a_team_of_its_league(store: Store) -> None:
    def build(tx: Tx) -> None:
        world, other = logging_world(tx), bare_world(tx)
        for name, value in (("season_id", other.season), ("team_id", other.home)):
            with pytest.raises(Refused) as caught:
                make(tx, "rule", league_id=world.league, breakdown_type_id=world.type(tx), **{name: value})
            assert (caught.value.code, caught.value.errors[0].loc) == ("unknown_reference", name)

    await store.write(build)
