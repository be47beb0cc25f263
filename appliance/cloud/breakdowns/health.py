"""Logging in /readyz and /metrics: figures of the database, measured every few seconds."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import trio

from appliance.cloud.breakdowns.status import status_part
from appliance.kernel.errors import Unavailable
from appliance.kernel.store import Store
from appliance.ops.health import HealthPart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.ops.health import Board
    from appliance.ops.metrics import Metrics

LOOK_S: Final = 10.0
_GAUGES: Final = {
    "logging_jobs_waiting": ("waiting", "Jobs that wait for a logger"),
    "logging_jobs_held": ("with a logger", "Jobs that a logger has"),
    "logging_jobs_at_risk": ("at risk", "Open jobs past their target"),
    "logging_jobs_breached": ("breached", "Open jobs past their limit"),
    "logging_videos_pending": ("videos to be judged", "Videos that wait to be judged"),
    "logging_events_awaiting": ("events without a usable video", "Marked events whose video is unusable"),
}


async def run_logging_figures(
    store: Store,
    board: Board,
    metrics: Metrics,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Measure until cancelled. Start: the part and the gauges are there. While the database is away the last
    figures stay; that it is away is the part `store`."""
    figures: Mapping[str, int] = {name: 0 for name, _ in _GAUGES.values()}
    board.add("logging", lambda: logging_part(figures))
    for gauge, (name, words) in _GAUGES.items():
        metrics.gauge(gauge, words, lambda name=name: float(figures[name]))  # type: ignore[misc]
    task_status.started()
    while True:
        with suppress(Unavailable):
            figures = (await store.read(status_part)).figures
        await trio.sleep(LOOK_S)


def logging_part(figures: Mapping[str, int]) -> HealthPart:
    """Late jobs are people's to hurry, so that they never make the program unready."""
    shown = {gauge.removeprefix("logging_"): float(figures[name]) for gauge, (name, _) in _GAUGES.items()}
    detail = f"{figures['waiting']} jobs wait, {figures['with a logger']} are with a logger"
    if not figures["breached"]:
        return HealthPart("ok", detail, None, shown)
    late = f"{detail}; {figures['breached']} are past their limit"
    return HealthPart("warn", late, "see GET /status, then reassign or add loggers", shown)
