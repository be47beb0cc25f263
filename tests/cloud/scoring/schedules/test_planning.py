"""Schedules as rows: made once, with the document's ids; none of another environment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cloud.scoring.imports.model import FileMatch, SeasonFile
from appliance.cloud.scoring.model import TournamentIn
from appliance.cloud.scoring.records.apply import Source, apply_file
from appliance.cloud.scoring.records.manage import ensure_tournament
from appliance.cloud.scoring.schedules.model import new_schedule, shown_schedule
from appliance.cloud.scoring.schedules.planning import (
    Setting,
    ensure_daily,
    make_one,
    plan_rows,
    planned_from,
)
from appliance.cloud.scoring.schedules.settings import SchedulerSettings
from appliance.kernel.clock import DAY_US, from_rfc3339, to_rfc3339
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import Row, Tx
from tests.kit.clock import HandClock

PRODUCTION = Setting("production", SchedulerSettings())
DEMO = Setting("demo", SchedulerSettings())
CALLER = Caller("test", role="admin")
BASE = "https://api.example"


def fixture(
    day: str, time: str | None = "15:00", home: str = "A", away: str = "B", **fields: Any
) -> FileMatch:
    kickoff = f"{day}T{time}:00Z" if time else None
    values = {"stage": "League", "round": "Matchday 1", "slug": "matchday-1"}
    return FileMatch(1, home, away, date=day, kickoff=kickoff, **{**values, **fields})


def make(
    tx: Tx, *matches: FileMatch, tournament_id: str = "league", name: str = "Brasileirão Betano"
) -> None:
    ensure_tournament(tx, CALLER, TournamentIn(id=tournament_id, name=name))
    file = SeasonFile(matches=list(matches), found=len(matches))
    apply_file(tx, tournament_id, file, Source("test"), may_create=True, caller=CALLER)


@pytest.fixture
def clock() -> HandClock:
    return HandClock(from_rfc3339("2026-08-15T00:01:00Z"))


@pytest.fixture
async def store(tmp_path: Path, clock: HandClock) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "cloud.db", clock, rehearse=True) as store:
        yield store


def times(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row["what"], to_rfc3339(row["fire_us"])[11:16]) for row in rows]


async def test_a_day_is_planned_once_however_often_it_is_asked_for(store: Store) -> None:  # B02 B04 B05
    await store.write(lambda tx: make(tx, fixture("2026-08-15"), fixture("2026-08-15", "15:00", "C", "D")))
    rows = await store.write(partial(plan_rows, setting=PRODUCTION))
    assert times(rows) == [("scores", "16:30"), ("standings", "17:00")]
    assert [row["id"] for row in rows] == [
        "brasileirao_betano_2026_08_15_16_30",
        "brasileirao_betano_2026_08_15_17_00",
    ]
    assert await store.write(partial(plan_rows, setting=PRODUCTION)) == rows
    shown = new_schedule(rows[0], BASE)
    one = f"{BASE}/api/v2/data-provider/tournaments/league"
    assert shown == {
        "id": "brasileirao_betano_2026_08_15_16_30",
        "cronExpression": "cron(30 16 15 8 ? 2026)",
        "group": "scores-and-standings-routine",
        "targetInput": {
            "standingsUrl": f"{one}/standings",
            "roundUrl": f"{one}/matches/matchday-1",
            "targetEnv": "production",
        },
        "fireAt": "2026-08-15T16:30:00.000000Z",
        "status": "scheduled",
    }
    assert shown_schedule(rows[0], BASE)["function"] == "caller-scores-and-standings"


async def test_the_demo_fires_two_minutes_later_and_waits_for_what_is_planned(
    store: Store, clock: HandClock
) -> None:  # B03
    await store.write(lambda tx: make(tx, fixture("2026-08-15")))
    (row,) = await store.write(partial(plan_rows, setting=DEMO))
    assert times([row]) == [("standings", "00:03")]
    clock.advance(60)
    assert await store.write(partial(plan_rows, setting=DEMO)) == [row]


async def test_two_tournaments_of_one_name_have_schedules_of_their_own(store: Store) -> None:
    await store.write(lambda tx: make(tx, fixture("2026-08-15")))
    await store.write(lambda tx: make(tx, fixture("2026-08-15", home="X", away="Y"), tournament_id="other"))
    rows = await store.write(partial(plan_rows, setting=PRODUCTION))
    assert len({row["id"] for row in rows}) == len(rows) == 4
    only = await store.write(partial(plan_rows, setting=PRODUCTION, tournament_id="other"))
    assert {row["tournament_id"] for row in only} == {"other"} and len(only) == 2


async def test_one_round_or_the_bracket_on_request(store: Store) -> None:
    await store.write(lambda tx: make(tx, fixture("2026-08-15")))
    league = ("league", "Brasileirão Betano")
    one = partial(make_one, setting=PRODUCTION, tournament=league)
    rows = [
        await store.write(partial(one, what="scores", round_slug="matchday-1", is_knockout=True)),
        await store.write(partial(one, what="knockouts", round_slug="", is_knockout=True)),
        await store.write(partial(one, what="knockouts", round_slug="", is_knockout=True)),
    ]
    assert [row["fire_us"] for row in rows] == [from_rfc3339("2026-08-15T00:01:00Z")] * 3
    assert rows[1]["id"] == rows[2]["id"] != rows[0]["id"]
    targets = [new_schedule(row, BASE)["targetInput"] for row in rows]
    assert all(target["knockoutsUrl"].endswith("/league/knockouts") for target in targets)
    assert targets[1]["roundUrl"].endswith("/league/matches")
    assert rows[1]["group_name"] == "knockouts-routine"


async def test_there_is_always_one_daily_run_to_come(store: Store, clock: HandClock) -> None:  # D04
    async def daily() -> list[str]:
        await store.write(partial(ensure_daily, setting=PRODUCTION))
        rows = await store.read(lambda tx: tx.all("SELECT fire_us FROM schedules ORDER BY fire_us"))
        return [to_rfc3339(row["fire_us"])[:16] for row in rows]

    clock.advance(9 * 3600)
    assert await daily() == ["2026-08-15T00:01"]  # the very first: at once
    assert await daily() == ["2026-08-15T00:01"]
    done = "UPDATE schedules SET status = 'completed'"
    await store.write(lambda tx: tx.run(done))
    assert await daily() == ["2026-08-15T00:01", "2026-08-16T00:01"]
    clock.advance(3 * 86_400)  # nothing ran for days: it is due, once
    assert (await daily())[1:] == ["2026-08-16T00:01"]
    await store.write(lambda tx: tx.run(done))
    assert (await daily())[2:] == ["2026-08-19T00:01"]
    crons = await store.read(lambda tx: tx.all("SELECT DISTINCT cron, group_name FROM schedules ORDER BY 1"))
    assert crons[0] == {"cron": "cron(1 0 15 8 ? 2026)", "group_name": "daily-routine"}


async def test_the_next_day_can_be_seen_before_it_is_planned(store: Store) -> None:
    await store.write(lambda tx: make(tx, fixture("2026-08-16")))
    tomorrow_us = from_rfc3339("2026-08-16T00:01:00Z")
    planned = await store.read(partial(planned_from, setting=PRODUCTION, at_us=tomorrow_us))
    assert [(each.what, each.fire_us - tomorrow_us < DAY_US) for each in planned] == [
        ("scores", True),
        ("standings", True),
    ]
    assert await store.read(lambda tx: tx.all("SELECT 1 FROM schedules")) == []


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z]{2,6}){1,2}", fullmatch=True)


@given(demo=NAMES, production=NAMES, slug=st.sampled_from(["matchday-1", ""]), is_cup=st.booleans())
def test_a_demo_never_makes_a_production_address(
    demo: str, production: str, slug: str, is_cup: bool
) -> None:  # B10
    """Whatever is in its rows, also in a copy of a production database."""
    row = {
        "id": "x",
        "what": "scores",
        "environment": "production",
        "group_name": "g",
        "function": "f",
        "tournament_id": f"https://{production}",
        "round": slug,
        "is_knockout": int(is_cup),
        "fire_us": 0,
        "cron": "cron",
        "status": "scheduled",
    }
    for what in ("scores", "daily"):
        target = new_schedule({**row, "what": what}, f"https://{demo}")["targetInput"]
        urls = [url for name, url in target.items() if name != "targetEnv"]
        assert urls and all(url.startswith(f"https://{demo}/api/v2/data-provider/") for url in urls)
