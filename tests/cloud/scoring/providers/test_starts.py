"""The time between requests to a provider, over processes on both databases."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from appliance.cloud.database import open_database
from appliance.cloud.scoring.providers.starts import start_request, wait_for_start
from appliance.kernel.clock import S_US
from tests.kit import postgres
from tests.kit.box import sim_store
from tests.kit.waiting import LIMIT_S

RATE_S = 0.2


async def test_starts_are_at_least_so_far_apart_and_nothing_waits_after_the_last(
    tmp_path: Path, autojump_clock: MockClock
) -> None:  # D19
    begun_s: list[tuple[str, float]] = []
    async with sim_store(tmp_path) as store, trio.open_nursery() as nursery:

        async def ask(provider: str) -> None:
            await wait_for_start(store, provider, 2.5)
            begun_s.append((provider, trio.current_time()))

        zero_s = trio.current_time()
        for provider in ("openfootball", "openfootball", "sofascore", "openfootball"):
            nursery.start_soon(ask, provider)
    own = [at - zero_s for provider, at in begun_s if provider == "openfootball"]
    assert own == pytest.approx([0, 2.5, 5.0], abs=0.01)
    assert dict(begun_s)["sofascore"] - zero_s == pytest.approx(0, abs=0.01)
    assert trio.current_time() - zero_s == pytest.approx(5.0, abs=0.01)


async def test_without_a_rate_nothing_is_written(tmp_path: Path) -> None:
    async with sim_store(tmp_path) as store:
        await wait_for_start(store, "fixture", 0)
        assert await store.read(lambda tx: tx.all("SELECT 1 FROM provider_starts")) == []


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_processes_take_turns(engine: str, tmp_path: Path) -> None:
    """Starts as the database has them: by its clock never nearer than the rate."""
    url = "sqlite:cloud.db"
    if engine == "postgres":
        if reason := postgres.missing():
            pytest.skip(reason)
        url = postgres.server().empty_database()
    starts: list[int] = []
    async with AsyncExitStack() as stack:
        processes = range(2 if engine == "postgres" else 1)
        opened = [open_database(url, tmp_path, connections=3) for _ in processes]
        stores = [await stack.enter_async_context(each) for each in opened]

        async def ask(number: int) -> None:
            store = stores[number % len(stores)]
            await wait_for_start(store, "openfootball", RATE_S)
            sql = "SELECT started_us FROM provider_starts"
            starts.append(await store.read(lambda tx: tx.value(sql)))

        with trio.fail_after(LIMIT_S):
            async with trio.open_nursery() as nursery:
                for number in range(4):
                    nursery.start_soon(ask, number)
        wait_us = await stores[0].write(partial(start_request, provider="openfootball", rate_us=60 * S_US))
    assert 0 < wait_us <= 60 * S_US
    starts = sorted(set(starts))
    assert len(starts) == 4
    assert min(later - earlier for earlier, later in pairwise(starts)) >= RATE_S * S_US
