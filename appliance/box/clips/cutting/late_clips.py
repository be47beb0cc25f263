"""Clips that may be cut again automatically, and with which plans: clips with missing footage, and complete
clips whose footage has moved since (files copied in beside a running box, or replaced by others).

Owns: which clips these are. A complete clip is one when the footage it was cut from is no longer shown at the
same time. That is checked after files within its span appeared, disappeared or were moved, and at a start.
Must not know: when a plan is made (late_footage.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import trio

from appliance.box.clips.files.footage import Footage
from appliance.box.clips.records.cut_states import LATE_FOOTAGE_US, packed_ranges, shown_us
from appliance.box.clips.records.machine import ClipState
from appliance.kernel import json
from appliance.kernel.clock import from_rfc3339
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Row
from appliance.media.cut.coverage import MissingSpan, absent_us
from appliance.media.cut.plan import Plan
from appliance.media.index.spans import Standing

GAIN_US = 100_000  # half a part: less is rounding at the edges of a gap
SAME_NS = 50_000_000  # ... and of the cut's media; files that are placed again move by more
KEY_BACK_US = 30_000_000  # a plan may need the key frame before its span; sources send one every few seconds
SPANS_MAX = 50  # per channel; with more, one span from the first to the last
AT_ONCE = 20  # clips checked without giving other tasks a turn

MediaSpan = tuple[str, int, int]
Spans = Mapping[str, Sequence[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class LateClip:
    """A clip that lacks footage, in capture time. `had_us`: how much of its span the last cut could show."""

    clip_id: str
    media_rev: int
    channel_id: str
    start_us: int
    end_us: int
    latency_us: int
    mode: str
    had_us: int
    known: str | None
    missing: tuple[MissingSpan, ...] = ()
    cut_from: tuple[MediaSpan, ...] = ()
    virtual: str | None = None  # the ranges its bytes come from, while it has no file of its own

    @property
    def wall_us(self) -> tuple[int, int]:
        """The span in the index's time."""
        return self.start_us + self.latency_us, self.end_us + self.latency_us

    def known_now(self, footage: Footage) -> str:
        """The index's state of the span and of the key frame before it."""
        start_us, end_us = self.wall_us
        return footage.known(self.channel_id, start_us - KEY_BACK_US, end_us)

    def standing(self, footage: Footage) -> Standing:
        """Where the footage of the cut is shown now."""
        return (
            footage.standing(self.channel_id, self.cut_from, *self.wall_us) if self.cut_from else "in_place"
        )

    def is_wanted(self, plan: Plan, footage: Footage) -> bool:
        """Whether a plan made now should replace the clip's cut: it shows more, or other pictures because the
        footage has moved. A plan that shows less only replaces a cut that shows another moment."""
        gain_us = shown_us(plan, self.start_us, self.end_us) - self.had_us
        if gain_us > GAIN_US:
            return True
        if not self._shows_other(plan):
            return False
        is_wrong = not self.missing and self.standing(footage) == "elsewhere"
        return is_wrong or gain_us >= -GAIN_US

    def _shows_other(self, plan: Plan) -> bool:
        if not self.cut_from:
            return False
        if self.virtual is not None and self.virtual != packed_ranges(plan):
            return True
        return len(plan.media_spans) != len(self.cut_from) or any(
            planned[0] != cut[0] or max(abs(planned[1] - cut[1]), abs(planned[2] - cut[2])) > SAME_NS
            for planned, cut in zip(plan.media_spans, self.cut_from, strict=True)
        )


@dataclass(slots=True)
class MovedFootage:
    """Complete clips whose footage is no longer shown at their time.

    `_spans`: where files appeared, disappeared or were moved; None: not checked since the start. `_ids`:
    affected clips that are not settled yet.
    """

    store: Store
    footage: Footage
    _spans: dict[str, list[tuple[int, int]]] | None = None
    _ids: frozenset[str] = frozenset()

    @property
    def is_pending(self) -> bool:
        """Whether clips still have to be checked."""
        return self._spans is None or bool(self._spans or self._ids)

    async def find(self) -> list[LateClip]:
        """The clips to check against the index. None while files are being discovered: the next file may
        change the result."""
        if fresh := self.footage.take_moved():
            self._note(fresh)
            return []
        if not self.is_pending:
            return []
        clips = await self.store.read(lambda tx: find_whole(tx, self._spans, self._ids))
        candidates = []
        for number, clip in enumerate(clips):
            if number % AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
            if clip.virtual is not None or clip.standing(self.footage) != "in_place":
                candidates.append(clip)
        candidates = [clip for clip in candidates if clip.known_now(self.footage) != clip.known]
        self._spans, self._ids = {}, frozenset(clip.clip_id for clip in candidates)
        return candidates

    def _note(self, fresh: Spans) -> None:
        if self._spans is None:
            return
        for channel_id, spans in fresh.items():
            known = self._spans.setdefault(channel_id, [])
            known += spans
            if len(known) > SPANS_MAX:
                known[:] = [(min(start for start, _ in known), max(end for _, end in known))]


_ROWS = (
    "SELECT clips.*, plans.media_spans AS cut_from,"
    " CASE WHEN plans.file_path IS NULL THEN plans.ranges END AS virtual FROM clips"
    " LEFT JOIN plans ON plans.clip_id = clips.id AND plans.media_rev = clips.ready_media_rev"
    " WHERE clips.deleted_us IS NULL AND clips.out_received_us > ? AND "
)


def find_late(tx: ReadTx) -> list[LateClip]:
    """Clips of the last 24 h that lack footage."""
    rows = tx.all(
        _ROWS + "(clips.status = 'failed' OR"
        " (clips.status = 'ready' AND json_array_length(clips.coverage, '$.missing') > 0))",
        (tx.now_us - LATE_FOOTAGE_US,),
    )
    return [
        late
        for late in map(_late, rows)
        if late.missing or late.end_us - late.start_us > late.had_us + GAIN_US
    ]


def find_whole(tx: ReadTx, spans: Spans | None, ids: Collection[str] = ()) -> list[LateClip]:
    """Complete clips of the last 24 h that touch `spans` (None: all), or are one of `ids`."""
    since_us, whole = tx.now_us - LATE_FOOTAGE_US, "clips.status = 'ready' AND clips.coverage LIKE ? AND "
    complete = '%"missing":[]%'
    if spans is None:
        rows = tx.all(_ROWS + whole + "true", (since_us, complete))
    else:
        touching = "clips.channel_id = ? AND clips.start_us + clips.latency_ms * 1000 < ?"
        touching += " AND clips.start_us + clips.duration_us + clips.latency_ms * 1000 > ?"
        rows = [
            row
            for channel_id, each in spans.items()
            for start_us, end_us in each
            for row in tx.all(_ROWS + whole + touching, (since_us, complete, channel_id, end_us, start_us))
        ]
        rows += [
            row
            for clip_id in ids
            for row in tx.all(_ROWS + whole + "clips.id = ?", (since_us, complete, clip_id))
        ]
    return [_late(row) for row in {row["id"]: row for row in rows}.values()]


def _late(row: Row) -> LateClip:
    start_us, end_us = row["start_us"], row["start_us"] + row["duration_us"]
    had_us = row["failed_had_us"] or 0
    missing: tuple[MissingSpan, ...] = ()
    cut_from: Sequence[MediaSpan] = ()
    if row["status"] == ClipState.READY:
        missing = tuple(
            MissingSpan(from_rfc3339(each["start"]), from_rfc3339(each["end"]), each["reason"])
            for each in json.decode_stored(row["coverage"])["missing"]
        )
        had_us = row["duration_us"] - absent_us([each[:2] for each in missing], start_us, end_us)
        cut_from = [(run, start, end) for run, start, end in json.decode_stored(row["cut_from"] or "[]")]
    return LateClip(
        clip_id=row["id"],
        media_rev=row["media_rev"],
        channel_id=row["channel_id"],
        start_us=start_us,
        end_us=end_us,
        latency_us=row["latency_ms"] * 1000,
        mode=row["mode"],
        had_us=had_us,
        known=row["late_known"],
        missing=missing,
        cut_from=tuple(cut_from),
        virtual=row["virtual"] if row["mode"] == "instant" else None,
    )
