"""Figures for Prometheus: names, meanings and sources.

Owns: a separate registry (without the default process and Python figures). Gauges are computed when scraped;
events are counted from the journal, like every other reader, so a figure and an event cannot disagree.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping

import trio
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from appliance.kernel import json
from appliance.kernel.clock import from_rfc3339
from appliance.kernel.follow import follow
from appliance.kernel.journal import Entry, Journal

READY_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0)
disable_created_metrics()  # type: ignore[no-untyped-call]  # `_created` series, which are not used

MARKS_MAX = 1000  # ended clips that are not ready yet; the oldest are dropped


class _Gauges(Collector):
    """Gauges that are computed at the moment of the scrape."""

    def __init__(self) -> None:
        self.single: dict[str, tuple[str, Callable[[], float]]] = {}
        self.labelled: dict[str, tuple[str, str, Callable[[], Mapping[str, float]]]] = {}

    def collect(self) -> Iterable[Metric]:
        for name, (meaning, ask) in self.single.items():
            yield GaugeMetricFamily(name, meaning, value=ask())
        for name, (meaning, label, ask_all) in self.labelled.items():
            family = GaugeMetricFamily(name, meaning, labels=[label])
            for value_of, value in ask_all().items():
                family.add_metric([value_of], value)
            yield family


class Metrics:
    """The box's figures. `render()` is the answer of /metrics."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._gauges = _Gauges()
        self._registry.register(self._gauges)
        self.clip_ready_s = Histogram(
            "clip_ready_seconds",
            "From OUT, or the mark of a clip with a duration, to playable",
            buckets=READY_BUCKETS_S,
            registry=self._registry,
        )
        self.gap_s = Counter(
            "ingest_gap_seconds", "Seconds no video was recorded", ["channel"], registry=self._registry
        )
        self.clips_failed = Counter("clips_failed", "Clips that failed", registry=self._registry)
        self.clock_steps = Counter("clock_steps", "Steps of the wall clock", registry=self._registry)

    def gauge(self, name: str, meaning: str, ask: Callable[[], float]) -> None:
        """Add a gauge; `ask` is called at each scrape, on the loop: no I/O."""
        self._gauges.single[name] = (meaning, ask)

    def gauges(self, name: str, meaning: str, label: str, ask: Callable[[], Mapping[str, float]]) -> None:
        """Add a gauge with one label; `ask` returns value by label."""
        self._gauges.labelled[name] = (meaning, label, ask)

    def counter(self, name: str, meaning: str, label: str) -> Counter:
        """Add a counter with one label: `.labels(x).inc()`. Prometheus shows it as `<name>_total`."""
        return Counter(name, meaning, [label], registry=self._registry)

    def render(self) -> bytes:
        """Prometheus text format 0.0.4."""
        return generate_latest(self._registry)


async def run_journal_metrics(
    *,
    journal: Journal,
    metrics: Metrics,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Count the journal's entries, from now on. Start: at once. Stop: cancel. Raises: StoreBroken."""
    reader = MarkReader(metrics)
    follower = follow(journal)
    task_status.started()
    async for entries in follower:
        for entry in entries:
            reader.take(entry)


class MarkReader:
    """Converts journal entries to figures: when a clip got its end, and when it could be played."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._ended_us: OrderedDict[str, int] = OrderedDict()

    def take(self, entry: Entry) -> None:
        if entry.type in ("clip_created", "clip_updated"):
            self._clip(entry)
        elif entry.type == "clip_ready":
            ended_us = self._ended_us.pop(entry.subject, None)
            if ended_us is not None:
                self._metrics.clip_ready_s.observe((entry.ts_us - ended_us) / 1e6)
        elif entry.type == "clip_failed":
            self._ended_us.pop(entry.subject, None)
            self._metrics.clips_failed.inc()
        elif entry.type == "recording_gap":
            self._gap(entry)
        elif entry.type == "clock_step":
            self._metrics.clock_steps.inc()

    def _clip(self, entry: Entry) -> None:
        """A clip's first entry with a duration is its OUT; if its end lies after that, the end counts."""
        clip = json.decode_stored(entry.event).get("clip") or {}
        if clip.get("status") != "pending" or not clip.get("duration") or entry.subject in self._ended_us:
            return
        ends_us = from_rfc3339(clip["start_time"]) + round(clip["duration"] * 1e6)
        self._ended_us[entry.subject] = max(entry.ts_us, ends_us)
        if len(self._ended_us) > MARKS_MAX:
            self._ended_us.popitem(last=False)

    def _gap(self, entry: Entry) -> None:
        gap = json.decode_stored(entry.event)
        if gap.get("end"):
            span_us = from_rfc3339(gap["end"]) - from_rfc3339(gap["start"])
            self._metrics.gap_s.labels(gap["channel_id"]).inc(max(0, span_us) / 1e6)
