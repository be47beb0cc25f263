"""Logging in /readyz and /metrics."""

from __future__ import annotations

from pathlib import Path

import trio

from appliance.cloud.breakdowns.health import LOOK_S, run_logging_figures
from appliance.kernel.store import open_store
from appliance.kernel.tx import Tx
from appliance.ops.health import Board
from appliance.ops.metrics import Metrics
from tests.cloud.breakdowns.world import logging_world
from tests.kit.clock import SimClock


async def test_a_job_past_its_limit_is_a_warning(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    board, metrics = Board(), Metrics()
    opened = open_store(tmp_path / "cloud.db", SimClock(), in_thread=False)
    async with opened as store, trio.open_nursery() as nursery:

        def build(tx: Tx) -> None:
            logging_world(tx).job(tx)

        await store.write(build)
        await nursery.start(run_logging_figures, store, board, metrics)
        await trio.sleep(LOOK_S)
        part = board.parts()["logging"]
        assert (part["status"], part["detail"]) == ("ok", "1 jobs wait, 0 are with a logger")
        assert b"logging_jobs_waiting 1.0" in metrics.render()
        await trio.sleep(9 * 3600)
        part = board.parts()["logging"]
        assert part["status"] == "warn" and part["detail"].endswith("1 are past their limit")
        assert b"logging_jobs_breached 1.0" in metrics.render()
        nursery.cancel_scope.cancel()
