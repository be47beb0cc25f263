"""Deliveries in /readyz and /metrics: figures of the database, measured every few seconds, and the attempts
of this process."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import trio

from appliance.cloud.deliveries.figures import DeliveryFigures, read_figures
from appliance.cloud.deliveries.queue import Outcome
from appliance.kernel.clock import S_US
from appliance.kernel.errors import Unavailable
from appliance.kernel.store import Store
from appliance.ops.health import HealthPart

if TYPE_CHECKING:
    from appliance.ops.health import Board
    from appliance.ops.metrics import Metrics

LOOK_S: Final = 5.0
LATE_S: Final = 120.0  # eight attempts at a time of 15 s each: longer means that the senders do not keep up


async def run_figures(
    store: Store,
    board: Board,
    metrics: Metrics,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Measure until cancelled. Start: the part and the gauges are there. While the database is away the last
    figures stay; that it is away is the part `store`."""
    figures = DeliveryFigures()
    board.add("deliveries", lambda: delivery_part(figures))
    add_gauges(metrics, lambda: figures)
    task_status.started()
    while True:
        with suppress(Unavailable):
            figures = await store.read(read_figures)
        await trio.sleep(LOOK_S)


def delivery_part(figures: DeliveryFigures) -> HealthPart:
    shown = {
        "pending": float(figures.pending),
        "retrying": float(figures.retrying),
        "late_s": figures.late_us / S_US,
        "failed": float(figures.failed),
        "disabled": float(figures.disabled),
    }
    detail = f"{figures.pending} pending, {figures.retrying} of them failing; {figures.failed} failed in 24 h"
    if figures.late_us > LATE_S * S_US:
        late = f"{detail}; the oldest is {figures.late_us / S_US:.0f} s late"
        return HealthPart(
            "warn", late, "a receiver is slow or away: see GET /status; or start a process", shown
        )
    if figures.failed:
        return HealthPart(
            "warn", detail, "see GET /logging/v1/deliveries?status=failed, then redeliver", shown
        )
    return HealthPart("ok", detail, None, shown)


def add_gauges(metrics: Metrics, ask: Callable[[], DeliveryFigures]) -> None:
    metrics.gauge("deliveries_pending", "Deliveries that are not sent yet", lambda: float(ask().pending))
    metrics.gauge("deliveries_retrying", "Pending after a failed attempt", lambda: float(ask().retrying))
    metrics.gauge(
        "deliveries_late_seconds", "How long the oldest that is due waits", lambda: ask().late_us / S_US
    )
    metrics.gauge("deliveries_failed", "Given up within the last day", lambda: float(ask().failed))
    metrics.gauge("subscriptions_disabled", "Receivers that answered 410", lambda: float(ask().disabled))


def counting_attempts(metrics: Metrics) -> Callable[[Outcome], object]:
    """Counts each attempt of this process by how it ended."""
    attempts = metrics.counter("delivery_attempts", "Attempts of this process, by how they ended", "result")

    def count(outcome: Outcome) -> None:
        status = outcome.http_status
        ended = "no_answer" if status is None else "delivered" if 200 <= status < 300 else "refused"
        attempts.labels(ended).inc()

    return count
