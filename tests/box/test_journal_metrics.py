"""Figures that are counted from the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.box.journal_metrics import MARKS_MAX, MarkReader, run_journal_metrics
from appliance.kernel import json
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.journal import Entry, event_bytes
from appliance.kernel.store import open_store
from appliance.ops.metrics import Metrics
from tests.kit.clock import KICKOFF_US, HandClock
from tests.kit.waiting import LIMIT_S
from tests.ops.test_metrics import figure

SECOND = 1_000_000


def entry(type_: str, at_s: float, subject: str = "clip:c1", **body: Any) -> Entry:
    us = KICKOFF_US + round(at_s * SECOND)
    return Entry(1, us, type_, subject, None, event_bytes(type_, 1, us, json.encode(body)))


def clip(start_s: float, duration: float, status: str = "pending") -> dict[str, Any]:
    start = to_rfc3339(KICKOFF_US + round(start_s * SECOND))
    return {"clip": {"start_time": start, "duration": duration, "status": status}}


@pytest.mark.parametrize(
    ("entries", "seconds"),
    [
        ([entry("clip_created", 12, **clip(2, 8)), entry("clip_ready", 12.5)], 0.5),
        (
            [
                entry("clip_created", 0, **clip(0, 0)),
                entry("clip_updated", 8, **clip(0, 8)),
                entry("clip_updated", 8.1, **clip(0, 8)),
                entry("clip_ready", 8.25),
            ],
            0.25,
        ),
        ([entry("clip_created", 2, **clip(2, 8)), entry("clip_ready", 11)], 1.0),
    ],
    ids=["mark afterwards", "ghost and OUT", "OUT ahead of its footage"],
)
def test_clip_ready_is_counted_from_out(entries: list[Entry], seconds: float) -> None:
    metrics = Metrics()
    reader = MarkReader(metrics)
    for each in entries:
        reader.take(each)
    assert figure(metrics, "clip_ready_seconds_count") == 1
    assert figure(metrics, "clip_ready_seconds_sum") == pytest.approx(seconds)


def test_a_clip_whose_mark_was_not_seen_is_not_counted() -> None:
    metrics = Metrics()
    MarkReader(metrics).take(entry("clip_ready", 1))
    assert figure(metrics, "clip_ready_seconds_count") == 0


def test_forgotten_marks_do_not_pile_up() -> None:
    metrics = Metrics()
    reader = MarkReader(metrics)
    for n in range(MARKS_MAX + 5):
        reader.take(entry("clip_created", 0, subject=f"clip:{n}", **clip(0, 1)))
    reader.take(entry("clip_ready", 5, subject="clip:0"))
    assert figure(metrics, "clip_ready_seconds_count") == 0
    reader.take(entry("clip_ready", 5, subject="clip:5"))
    assert figure(metrics, "clip_ready_seconds_count") == 1


def test_failures_gaps_and_steps_are_counted() -> None:
    metrics = Metrics()
    reader = MarkReader(metrics)
    reader.take(entry("clip_failed", 0))
    reader.take(entry("clock_step", 0, subject="clock", by_s=3))
    begins, ends = to_rfc3339(KICKOFF_US), to_rfc3339(KICKOFF_US + 1_500_000)
    reader.take(entry("recording_gap", 0, channel_id="cam1", start=begins, end=None))
    reader.take(entry("recording_gap", 2, channel_id="cam1", start=begins, end=ends))
    assert figure(metrics, "clips_failed_total") == 1
    assert figure(metrics, "clock_steps_total") == 1
    assert figure(metrics, 'ingest_gap_seconds_total{channel="cam1"}') == 1.5


async def test_the_journal_feeds_the_figures(tmp_path: Path) -> None:
    metrics = Metrics()
    async with open_store(tmp_path / "box.db", HandClock()) as store, trio.open_nursery() as nursery:

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            await run_journal_metrics(journal=store.journal, metrics=metrics, task_status=task_status)

        await nursery.start(run)
        await store.write(lambda tx: tx.append("clip_failed", "clip:x", {"error": "x"}))
        with trio.fail_after(LIMIT_S):
            while figure(metrics, "clips_failed_total") != 1:
                await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
