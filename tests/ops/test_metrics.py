"""Metrics for Prometheus."""

from __future__ import annotations

from appliance.ops.metrics import Metrics


def figure(metrics: Metrics, name: str) -> float | None:
    for line in metrics.render().decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split(" ")[1])
    return None


def test_nothing_is_shown_that_nobody_has_added() -> None:
    assert Metrics().render() == b""


def test_gauges_are_asked_at_each_scrape() -> None:
    metrics = Metrics()
    clients = [1.0]
    metrics.gauge("ws_clients", "Connected clients", lambda: clients[0])
    metrics.gauges("ingest_bitrate", "Bits per second", "channel", lambda: {"cam1": 5e6, "cam2": 0})
    resyncs = metrics.counter("ws_resyncs", "Clients cut off", "reason")
    resyncs.labels("too_slow").inc()
    assert figure(metrics, "ws_clients") == 1
    clients[0] = 2.0
    assert figure(metrics, "ws_clients") == 2
    assert figure(metrics, 'ingest_bitrate{channel="cam1"}') == 5e6
    assert figure(metrics, 'ws_resyncs_total{reason="too_slow"}') == 1
