"""The clients of /ws and of live video: their part of /readyz, and figures."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from appliance.ops.health import Board, HealthPart

if TYPE_CHECKING:
    from appliance.box.live.broadcaster import LiveHandle
    from appliance.box.live.pictures.audience import Audience
    from appliance.ops.metrics import Metrics


def add_live_pictures(metrics: Metrics, audience: Audience) -> None:
    """Viewers of live video."""
    metrics.gauge("live_viewers", "Open live pictures", lambda: float(audience.count))
    metrics.gauge("live_viewers_refused", "Not let in since the start", lambda: float(audience.refused))
    metrics.gauge("live_viewers_dropped", "Dropped because unread", lambda: float(audience.dropped))


def add_live(board: Board, metrics: Metrics, live: LiveHandle) -> None:
    """The WebSocket's clients."""

    def part() -> HealthPart:
        clients = live.stats().clients
        names = Counter(client.device for client in clients)
        shown = ", ".join(name if count == 1 else f"{name} x{count}" for name, count in names.items())
        return HealthPart("ok", f"{len(clients)} clients" + (f": {shown}" if shown else ""))

    board.add("clients", part)
    metrics.gauge("ws_clients", "Connected WebSocket clients", lambda: float(len(live.stats().clients)))

    def deepest() -> float:
        return float(max((client.lag for client in live.stats().clients), default=0))

    def closed() -> dict[str, float]:
        return {str(code): float(count) for code, count in live.stats().closed.items()}

    metrics.gauge("ws_queue_depth", "Events the slowest client is behind", deepest)
    metrics.gauges("ws_closed", "Connections ended since the start, by close code", "code", closed)
