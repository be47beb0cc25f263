"""The pipeline in GET /status, on both databases."""

from __future__ import annotations

import copy
from pathlib import Path

from appliance.cloud.scoring.executions.figures import LATE_US, pipeline_counts, pipeline_lines
from appliance.cloud.scoring.notices.messages import queue
from appliance.cloud.scoring.schedules.planning import Setting, ensure_daily
from appliance.cloud.scoring.schedules.settings import SchedulerSettings
from appliance.kernel.store import Store
from tests.cloud.scoring.executions.kit import LEAGUE, Season, bench_over

PRODUCTION = Setting("production", SchedulerSettings())


async def test_what_runs_and_what_a_person_may_have_to_look_at(store: Store, tmp_path: Path) -> None:
    season = Season(copy.deepcopy(LEAGUE))
    async with bench_over(store, tmp_path, season) as bench:
        await bench.run("create")
        assert await store.read(pipeline_lines) == []
        season.failing = {"first:ref:"}
        await bench.run("matches")
        await store.write(lambda tx: ensure_daily(tx, PRODUCTION))
        late = "UPDATE schedules SET due_us = ?"
        await store.write(lambda tx: tx.run(late, (tx.now_us - 2 * LATE_US,)))
        await store.write(lambda tx: queue(tx, "slack", "x", "{}"))
        sql = "UPDATE notices SET attempts = 1, error = 'slack answered 500'"
        await store.write(lambda tx: tx.run(sql))
        counts, lines = await store.read(pipeline_counts), await store.read(pipeline_lines)
        assert counts == {
            "updates in progress": 0,
            "updates failed in 24 h": 1,
            "scheduled": 1,
            "late": 1,
            "messages waiting": 1,
        }
        assert [(line.name, line.detail) for line in lines] == [
            ("League", "matches failed: first cannot be reached"),
            ("slack", "1 to be sent again: slack answered 500"),
        ]
        season.failing = set()
        await bench.run("matches")
        assert [line.name for line in await store.read(pipeline_lines)] == ["slack"]
        await store.write(lambda tx: tx.run("UPDATE schedules SET status = 'failed', error = 'x'"))
        assert "given up: x" in [line.detail for line in await store.read(pipeline_lines)]
