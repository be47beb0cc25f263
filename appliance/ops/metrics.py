"""Figures for Prometheus: names, meanings and sources.

Owns: a separate registry (without the default process and Python figures). Gauges are computed when scraped.
Each side and each domain adds what is true for it: nothing is here from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]  # `_created` series, which are not used


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
    """The figures of one program. `render()` is the answer of /metrics."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._gauges = _Gauges()
        self._registry.register(self._gauges)

    def gauge(self, name: str, meaning: str, ask: Callable[[], float]) -> None:
        """Add a gauge; `ask` is called at each scrape, on the loop: no I/O."""
        self._gauges.single[name] = (meaning, ask)

    def gauges(self, name: str, meaning: str, label: str, ask: Callable[[], Mapping[str, float]]) -> None:
        """Add a gauge with one label; `ask` returns value by label."""
        self._gauges.labelled[name] = (meaning, label, ask)

    def counter(self, name: str, meaning: str, *labels: str) -> Counter:
        """Add a counter: `.inc()`, with labels `.labels(x).inc()`. Prometheus shows it as `<name>_total`."""
        return Counter(name, meaning, labels, registry=self._registry)

    def histogram(self, name: str, meaning: str, buckets: Sequence[float]) -> Histogram:
        """Add a histogram: `.observe(x)`; `buckets` are upper limits."""
        return Histogram(name, meaning, buckets=buckets, registry=self._registry)

    def render(self) -> bytes:
        """Prometheus text format 0.0.4."""
        return generate_latest(self._registry)
