"""The hosted side's database: one setting chooses the engine, and the rest is the same."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio

from appliance.access.tokens import store as tokens
from appliance.access.tokens.cache import TokenCache
from appliance.cloud.database import open_database
from appliance.kernel.clock import trusted_now
from appliance.ops.health import Board
from appliance.ops.loopwatch import LoopWatch
from appliance.ops.measurements import DiskLimits, run_measurements
from appliance.ops.metrics import Metrics
from appliance.ops.pruning import prune
from tests.kit import postgres


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return "sqlite:cloud.db"
    if reason := postgres.missing():
        pytest.skip(reason)
    return postgres.server().empty_database()


async def test_tokens_measurements_and_pruning_work_on_both(url: str, tmp_path: Path) -> None:
    token, token_hash = tokens.make_token()
    add = partial(
        tokens.add_token, token_hash=token_hash, role="admin", scopes=(), name="Office", created_by="console"
    )
    board = Board()
    async with open_database(url, tmp_path, connections=4) as store:
        await store.write(add)
        cache = TokenCache(store)
        await cache.look(token)
        assert cache.grant(token) is not None
        await prune(store, await store.write(partial(trusted_now, purpose="pruning", elapsed_s=0.0)))
        async with trio.open_nursery() as nursery:
            await nursery.start(
                partial(
                    run_measurements,
                    store=store,
                    loop=LoopWatch(),
                    folders={"state": tmp_path},
                    limits=DiskLimits(0, 0),
                    board=board,
                    metrics=Metrics(),
                )
            )
            bad = {name: part for name, part in board.parts().items() if part["status"] == "bad"}
            assert bad == {}  # a slow disk is a warning
            nursery.cancel_scope.cancel()
