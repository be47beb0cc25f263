"""Schedules on both databases, with two processes that share one of them: each is run once."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.cloud.database import open_database
from appliance.cloud.scoring.notices.messages import queue
from appliance.cloud.scoring.notices.queue import claim, next_look_us, record
from appliance.cloud.scoring.notices.queue import prune as prune_notices
from appliance.cloud.scoring.schedules.due import Claim, claim_due, next_due_us, prune, record_run
from appliance.cloud.scoring.schedules.http import list_runs, list_schedules
from appliance.cloud.scoring.schedules.model import RunQuery, ScheduleQuery
from appliance.cloud.scoring.schedules.planning import ensure_daily, make_one, plan_rows
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.cloud.scoring.schedules.test_planning import PRODUCTION, fixture, make
from tests.kit import postgres
from tests.kit.waiting import LIMIT_S


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return "sqlite:cloud.db"
    if reason := postgres.missing():
        pytest.skip(reason)
    return postgres.server().empty_database()


async def now_of(store: Store) -> int:
    return await store.read(lambda tx: tx.now_us)


async def test_each_schedule_is_run_once(url: str, tmp_path: Path) -> None:  # B17
    async with AsyncExitStack() as stack:
        processes = 1 if url.startswith("sqlite") else 2
        opened = [open_database(url, tmp_path, connections=3) for _ in range(processes)]
        stores = [await stack.enter_async_context(each) for each in opened]
        first, last = stores[0], stores[-1]
        yesterday = to_rfc3339(await now_of(first) - 86_400_000_000)[:10]
        for number in range(4):
            match = fixture(yesterday, home=f"H{number}", away=f"A{number}")
            own = partial(make, tournament_id=f"t{number}", name=f"League {number}")
            await first.write(lambda tx, own=own, match=match: own(tx, match))  # type: ignore[misc]
        rows = await last.write(partial(plan_rows, setting=PRODUCTION))
        assert len(rows) == 4 and await first.write(partial(plan_rows, setting=PRODUCTION)) == rows
        await first.write(partial(ensure_daily, setting=PRODUCTION))
        await first.write(lambda tx: tx.run("UPDATE schedules SET due_us = 1"))
        claims: list[Claim] = []

        async def take(store: Store, owner: str) -> None:
            for _ in range(5):
                claims.extend(await store.write(partial(claim_due, setting=PRODUCTION, owner=owner, limit=1)))

        with trio.fail_after(LIMIT_S):
            async with trio.open_nursery() as nursery:
                for number, store in enumerate(stores):
                    nursery.start_soon(take, store, f"process-{number}")
        assert len(claims) == len({each.row["id"] for each in claims}) == 5
        end = partial(record_run, setting=PRODUCTION, took_us=1, memory_mb=1)
        for number, each in enumerate(claims):
            error = "answered 503" if number == 0 else None
            row = await last.write(partial(end, claim=each, run_id=f"r{number}", error=error))
            assert row is not None and row["runs"] == 1
        assert await first.read(partial(next_due_us, setting=PRODUCTION)) is not None
        league = ("t0", "League 0")
        one = partial(make_one, setting=PRODUCTION, what="knockouts", tournament=league)
        await first.write(partial(one, round_slug="", is_knockout=True))
        query = ScheduleQuery(limit=3)
        shown = await first.read(
            partial(
                list_schedules,
                setting=PRODUCTION,
                query=query,
                caller=Caller(),
                base_url="https://api.example",
            )
        )
        assert len(shown["items"]) == 3 and shown["next_cursor"] and shown["next24h"]
        more = ScheduleQuery(limit=9, cursor=shown["next_cursor"], group="daily-routine")
        await first.read(
            partial(list_schedules, setting=PRODUCTION, query=more, caller=Caller(), base_url="")
        )
        runs = await last.read(
            partial(list_runs, setting=PRODUCTION, query=RunQuery(limit=2), caller=Caller())
        )
        assert len(runs["items"]) == 2
        assert await first.write(prune) == 0


async def test_a_league_pages_through_its_own_alone(url: str, tmp_path: Path) -> None:
    """Beside it: schedules and runs of another league, of no league, and the daily one, of no tournament."""
    async with open_database(url, tmp_path, connections=3) as store:
        today = to_rfc3339(await now_of(store))[:10]
        for number in range(6):
            match = fixture(today, home=f"H{number}", away=f"A{number}")
            own = partial(make, tournament_id=f"t{number}", name=f"League {number}")
            await store.write(lambda tx, own=own, match=match: own(tx, match))  # type: ignore[misc]
            values = ("mine" if number % 2 else "other", f"t{number}")
            sql = "UPDATE tournaments SET league_id = ? WHERE id = ?"
            await store.write(partial(Tx.run, sql=sql, params=values))
        await store.write(
            partial(Tx.run, sql="UPDATE tournaments SET league_id = NULL WHERE id = 't4'", params=())
        )
        await store.write(partial(ensure_daily, setting=PRODUCTION))
        for number in range(6):
            one = partial(make_one, what="knockouts", tournament=(f"t{number}", f"League {number}"))
            await store.write(partial(one, setting=PRODUCTION, round_slug="", is_knockout=True))
        await store.write(lambda tx: tx.run("UPDATE schedules SET due_us = 1"))
        claims = await store.write(partial(claim_due, setting=PRODUCTION, owner="p", limit=9))
        assert len(claims) == 7
        for number, claim in enumerate(claims):
            end = partial(record_run, setting=PRODUCTION, claim=claim, run_id=f"r{number}", error=None)
            await store.write(partial(end, took_us=1, memory_mb=1))

        async def listed(read: Any, query: Any, caller: Caller) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            cursor = None
            while True:
                page = query(limit=2, cursor=cursor)
                shown = await store.read(partial(read, setting=PRODUCTION, query=page, caller=caller))
                found += shown["items"]
                if (cursor := shown["next_cursor"]) is None:
                    return found

        schedules = partial(list_schedules, base_url="")
        office, staff = Caller(role="league", scopes=("league:mine",)), Caller(role="internal")
        mine = await listed(schedules, ScheduleQuery, office)
        assert sorted(each["tournamentId"] for each in mine) == ["t1", "t3", "t5"]
        runs = await listed(list_runs, RunQuery, office)
        assert sorted(each["schedule"] for each in runs) == sorted(each["id"] for each in mine)
        assert len(await listed(schedules, ScheduleQuery, staff)) == 8  # the next daily one, too
        assert len(await listed(list_runs, RunQuery, staff)) == 7
        for read, query in ((schedules, ScheduleQuery), (list_runs, RunQuery)):
            assert await listed(read, query, Caller(role="league")) == []


async def test_each_message_is_claimed_once(url: str, tmp_path: Path) -> None:
    async with open_database(url, tmp_path, connections=3) as store:
        for _ in range(2):
            await store.write(lambda tx: queue(tx, "slack", "execution:e1", "{}"))
        assert await store.read(partial(next_look_us, receiver="slack")) == 0
        claimed = await store.write(partial(claim, receiver="slack", owner="p1"))
        assert claimed is not None
        assert await store.write(partial(claim, receiver="slack", owner="p2")) is None
        wait_us = await store.read(partial(next_look_us, receiver="slack"))
        assert wait_us is not None and wait_us > 0
        assert await store.write(partial(record, claimed=claimed, error=None))
        assert await store.read(partial(next_look_us, receiver="slack")) is None
        assert await store.write(prune_notices) == 0
