"""Which process runs what, catching up once, asking again, giving up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from appliance.cloud.scoring.schedules.due import (
    KEEP_US,
    RETRY_MIN,
    Claim,
    claim_due,
    next_due_us,
    prune,
    record_run,
)
from appliance.cloud.scoring.schedules.planning import Setting, ensure_daily, plan_rows
from appliance.cloud.scoring.schedules.settings import SchedulerSettings
from appliance.kernel.clock import S_US, from_rfc3339, to_rfc3339
from appliance.kernel.leases import LEAST_S
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import Row
from tests.cloud.scoring.schedules.test_planning import DEMO, PRODUCTION, fixture, make
from tests.kit.clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock(from_rfc3339("2026-08-15T00:01:00Z"))


@pytest.fixture
async def store(tmp_path: Path, clock: HandClock) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "cloud.db", clock, rehearse=True) as store:
        yield store


async def claimed(store: Store, owner: str = "process-1", setting: Setting = PRODUCTION) -> list[Claim]:
    return await store.write(partial(claim_due, setting=setting, owner=owner, limit=99))


async def ended(store: Store, claim: Claim, error: str | None = None, run_id: str = "") -> Row | None:
    own = run_id or f"run-{claim.row['id']}-{claim.lease.token}"
    run = partial(record_run, setting=PRODUCTION, claim=claim, run_id=own, took_us=1, memory_mb=1)
    return await store.write(partial(run, error=error))


async def test_two_processes_run_a_schedule_once_and_tournaments_at_the_same_time(
    store: Store, clock: HandClock
) -> None:  # B17
    for number in range(3):
        names = {"home": f"H{number}", "away": f"A{number}"}
        own = partial(make, tournament_id=f"t{number}", name=f"League {number}")
        await store.write(lambda tx, own=own, names=names: own(tx, fixture("2026-08-15", **names)))  # type: ignore[misc]
    await store.write(partial(plan_rows, setting=PRODUCTION))
    clock.advance(16.5 * 3600)
    first = await claimed(store)
    assert [claim.row["tournament_id"] for claim in first] == ["t0", "t1", "t2"]
    assert await claimed(store, "process-2") == []
    await ended(store, first[0])
    again = await claimed(store, "process-2")
    assert again == []  # what is left of t0 is due later


async def test_what_was_missed_is_run_once_for_each_round(store: Store, clock: HandClock) -> None:
    late = fixture("2026-08-15", "18:00", "C", "D")
    other = fixture("2026-08-15", "15:00", "E", "F", round="Matchday 2", slug="matchday-2")
    await store.write(lambda tx: make(tx, fixture("2026-08-15"), late, other))
    await store.write(partial(plan_rows, setting=PRODUCTION))
    clock.advance(2 * 86_400)
    (one,) = await claimed(store)
    assert one.row["round"] == "matchday-1" and to_rfc3339(one.row["fire_us"])[11:16] == "20:00"
    await ended(store, one)
    (two,) = await claimed(store)
    assert two.row["round"] == "matchday-2"
    await ended(store, two)
    assert await claimed(store) == []
    rows = await store.read(lambda tx: tx.all("SELECT status FROM schedules ORDER BY status"))
    assert [row["status"] for row in rows] == ["completed"] * 2 + ["skipped"] * 4


async def test_a_match_that_has_not_ended_is_asked_for_again_until_its_limit(
    store: Store, clock: HandClock
) -> None:  # D27
    await store.write(lambda tx: make(tx, fixture("2026-08-15")))
    await store.write(partial(plan_rows, setting=PRODUCTION))
    clock.advance(15 * 3600 - 60)
    runs = []
    for _ in range(5 * 60):
        for claim in await claimed(store):
            runs.append(to_rfc3339(clock.now_us())[11:16])
            await ended(store, claim)
        clock.advance(60)
    assert runs[:5] == ["16:30", "16:40", "16:50", "17:00", "17:10"]
    assert runs[-1] == "19:00" and len(runs) == 16  # 240 minutes after the kick-off


async def test_after_the_end_nothing_is_asked_again(store: Store, clock: HandClock) -> None:  # D27
    await store.write(lambda tx: make(tx, fixture("2026-08-15")))
    await store.write(partial(plan_rows, setting=PRODUCTION))
    clock.advance(16.5 * 3600)
    (claim,) = await claimed(store)
    await store.write(lambda tx: tx.run("UPDATE matches SET status = 'ended'"))
    row = await ended(store, claim)
    assert row is not None and (row["status"], row["runs"]) == ("completed", 1)
    wait_us = await store.read(partial(next_due_us, setting=PRODUCTION))
    assert wait_us is not None and 0 < wait_us < 3600 * S_US  # standings, at +120


async def test_a_run_that_fails_is_tried_again_and_then_given_up(
    store: Store, clock: HandClock
) -> None:  # B17
    await store.write(lambda tx: make(tx, fixture("2026-08-15")))
    await store.write(partial(plan_rows, setting=PRODUCTION))
    await store.write(lambda tx: tx.run("DELETE FROM schedules WHERE what = 'standings'"))
    clock.advance(16.5 * 3600)
    minutes = 0
    for attempt in range(len(RETRY_MIN) + 1):
        (claim,) = await claimed(store)
        row = await ended(store, claim, "league/matches: answered 503")
        assert row is not None and row["error"] == "league/matches: answered 503"
        if attempt < len(RETRY_MIN):
            assert await claimed(store) == []
            minutes += RETRY_MIN[attempt]
            clock.advance(RETRY_MIN[attempt] * 60)
    assert row is not None and (row["status"], row["runs"]) == ("failed", len(RETRY_MIN) + 1)
    assert await store.read(partial(next_due_us, setting=PRODUCTION)) is None


async def test_a_process_that_was_killed_leaves_its_run_to_another(store: Store, clock: HandClock) -> None:
    await store.write(lambda tx: make(tx, fixture("2026-08-15")))
    await store.write(partial(plan_rows, setting=PRODUCTION))
    clock.advance(16.5 * 3600)
    (dead,) = await claimed(store)
    clock.advance(LEAST_S)
    (again,) = await claimed(store, "process-2")
    assert again.row["id"] == dead.row["id"]
    assert await ended(store, dead) is None  # it was late: nothing is stored
    assert (await ended(store, again)) is not None
    assert len(await store.read(lambda tx: tx.all("SELECT 1 FROM schedule_runs"))) == 1


async def test_an_end_that_is_stored_twice_counts_once(store: Store, clock: HandClock) -> None:
    await store.write(partial(ensure_daily, setting=PRODUCTION))
    (claim,) = await claimed(store)
    for _ in range(2):
        row = await ended(store, claim, run_id="r1")
        assert row is not None and (row["runs"], row["status"]) == (1, "completed")
    sql = "SELECT count(*) FROM schedules WHERE what = 'daily' AND status = 'scheduled'"
    assert await store.read(lambda tx: tx.value(sql)) == 1


async def test_rows_of_another_environment_are_never_run(store: Store, clock: HandClock) -> None:  # B10
    await store.write(lambda tx: make(tx, fixture("2026-08-15")))
    await store.write(partial(plan_rows, setting=PRODUCTION))
    await store.write(partial(ensure_daily, setting=PRODUCTION))
    clock.advance(30 * 3600)
    assert await claimed(store, setting=DEMO) == []
    assert await store.read(partial(next_due_us, setting=DEMO)) is None
    assert len(await claimed(store)) == 2


async def test_old_schedules_are_deleted_with_their_runs(store: Store, clock: HandClock) -> None:
    await store.write(partial(ensure_daily, setting=PRODUCTION))
    (claim,) = await claimed(store)
    await ended(store, claim)
    clock.advance(KEEP_US / S_US + 1)
    assert (await store.write(prune), await store.write(prune)) == (1, 0)
    assert await store.read(lambda tx: tx.all("SELECT 1 FROM schedule_runs")) == []


def test_settings_of_the_scheduler() -> None:
    own = SchedulerSettings(daily_utc="03:30", score_after_min=95)
    assert own.daily_minute == 210 and own.times("production").score_after_min == 95
    assert own.times("demo").test_delay_min == 2 and own.times("production").test_delay_min is None
    for wrong in ({"daily_utc": "24:00"}, {"daily_utc": "1:00"}, {"repoll_min": 0}):
        with pytest.raises(ValueError):
            SchedulerSettings.model_validate(wrong)
