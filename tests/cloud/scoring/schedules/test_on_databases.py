"""Schedules on both databases, with two processes that share one of them: each is run once."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

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
from appliance.kernel.store import Store
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
            partial(list_schedules, setting=PRODUCTION, query=query, base_url="https://api.example")
        )
        assert len(shown["items"]) == 3 and shown["next_cursor"] and shown["next24h"]
        more = ScheduleQuery(limit=9, cursor=shown["next_cursor"], group="daily-routine")
        await first.read(partial(list_schedules, setting=PRODUCTION, query=more, base_url=""))
        runs = await last.read(partial(list_runs, setting=PRODUCTION, query=RunQuery(limit=2)))
        assert len(runs["items"]) == 2
        assert await first.write(prune) == 0


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
