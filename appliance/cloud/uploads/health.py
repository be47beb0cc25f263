"""Uploads in /readyz and /metrics: figures of the database, measured every few seconds, and the bytes that
this process took."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import trio

from appliance.cloud.uploads.figures import UploadFigures, read_figures
from appliance.kernel.clock import S_US
from appliance.kernel.errors import Unavailable
from appliance.kernel.store import Store
from appliance.ops.health import HealthPart

if TYPE_CHECKING:
    from appliance.ops.health import Board
    from appliance.ops.metrics import Metrics

LOOK_S: Final = 5.0
LATE_S: Final = 1800.0  # a join of 20 GB takes minutes


async def run_figures(
    store: Store,
    board: Board,
    metrics: Metrics,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Measure until cancelled. While the database is away the last figures stay."""
    figures = UploadFigures()
    board.add("uploads", lambda: upload_part(figures))
    _add_gauges(metrics, lambda: figures)
    task_status.started()
    while True:
        with suppress(Unavailable):
            figures = await store.read(read_figures)
        await trio.sleep(LOOK_S)


def upload_part(figures: UploadFigures) -> HealthPart:
    shown = {
        "receiving": float(figures.receiving),
        "joining": float(figures.joining),
        "received_bytes": float(figures.received),
        "late_s": figures.late_us / S_US,
        "failed": float(figures.failed),
    }
    detail = f"{figures.receiving} receiving, {figures.joining} being joined; {figures.failed} failed in 24 h"
    if figures.late_us > LATE_S * S_US:
        late = f"{detail}; the oldest join waits for {figures.late_us / S_US:.0f} s"
        return HealthPart("warn", late, "see [objects]: the folder or bucket is slow, away or full", shown)
    if figures.failed:
        hint = "GET /logging/v1/uploads?state=failed says why; the sender sends the file again"
        return HealthPart("warn", detail, hint, shown)
    return HealthPart("ok", detail, None, shown)


def _add_gauges(metrics: Metrics, ask: Callable[[], UploadFigures]) -> None:
    metrics.gauge("uploads_receiving", "Uploads that lack bytes", lambda: float(ask().receiving))
    metrics.gauge("uploads_joining", "Uploads whose parts are being joined", lambda: float(ask().joining))
    metrics.gauge(
        "uploads_received_bytes", "Stored bytes of those not complete", lambda: float(ask().received)
    )
    metrics.gauge(
        "uploads_late_seconds", "How long the oldest waits to be joined", lambda: ask().late_us / S_US
    )
    metrics.gauge("uploads_failed", "Failed within the last day", lambda: float(ask().failed))


def counting_bytes(metrics: Metrics) -> Callable[[int], object]:
    """Counts the bytes that this process has stored."""
    counter = metrics.counter("upload_bytes", "Bytes of uploads that this process has stored")
    return counter.inc
