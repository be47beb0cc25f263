"""Figures of marks, footage and the clock, counted from the journal like every other reader: a figure and an
event cannot disagree.
"""

from __future__ import annotations

from collections import OrderedDict

import trio

from appliance.kernel import json
from appliance.kernel.clock import from_rfc3339
from appliance.kernel.follow import follow
from appliance.kernel.journal import Entry, Journal
from appliance.ops.metrics import Metrics

READY_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0)
MARKS_MAX = 1000  # ended clips that are not ready yet; the oldest are dropped


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
        self._ready_s = metrics.histogram(
            "clip_ready_seconds",
            "From OUT, or the mark of a clip with a duration, to playable",
            READY_BUCKETS_S,
        )
        self._gap_s = metrics.counter("ingest_gap_seconds", "Seconds no video was recorded", "channel")
        self._failed = metrics.counter("clips_failed", "Clips that failed")
        self._steps = metrics.counter("clock_steps", "Steps of the wall clock")
        self._ended_us: OrderedDict[str, int] = OrderedDict()

    def take(self, entry: Entry) -> None:
        if entry.type in ("clip_created", "clip_updated"):
            self._clip(entry)
        elif entry.type == "clip_ready":
            ended_us = self._ended_us.pop(entry.subject, None)
            if ended_us is not None:
                self._ready_s.observe((entry.ts_us - ended_us) / 1e6)
        elif entry.type == "clip_failed":
            self._ended_us.pop(entry.subject, None)
            self._failed.inc()
        elif entry.type == "recording_gap":
            self._gap(entry)
        elif entry.type == "clock_step":
            self._steps.inc()

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
            self._gap_s.labels(gap["channel_id"]).inc(max(0, span_us) / 1e6)
