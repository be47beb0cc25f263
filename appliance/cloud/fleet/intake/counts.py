"""Figures of what boxes send, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.cloud.fleet.intake.take import Taken

if TYPE_CHECKING:
    from appliance.ops.metrics import Metrics


class IntakeCounts:
    """Of this process, since its start."""

    def __init__(self, metrics: Metrics) -> None:
        self._events = metrics.counter("fleet_events", "Events that boxes have sent", "outcome")
        self._batches = metrics.counter("fleet_batches", "Batches of events that boxes have sent", "outcome")

    def took(self, taken: Taken) -> None:
        self._events.labels("taken").inc(taken.taken - len(taken.rejected))
        self._events.labels("known").inc(taken.known)
        self._events.labels("parked").inc(len(taken.rejected))
        self._batches.labels("taken").inc()

    def diverged(self) -> None:
        self._batches.labels("diverged").inc()
