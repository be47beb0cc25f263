"""Footage that turns up late: a segment found by a rescan, a channel whose files came back.

A clip that was cut with something missing, or failed for want of footage, is cut again by itself within 24 h
of its OUT, when a plan of its span made now would show more than its last cut could. What the index covers
decides nothing: it also covers what a plan has to leave out (another format, a gap inside a segment).

The reason of what a clip lacks is the timeline's too: an outage that had just begun when the clip was cut may
have got its reason a moment later. Then the clip's words are brought up to date; its bytes stay as they are.

Owns: when such a plan is made. That needs news: what the index knows of the span differs from what it knew
at the last look (`late_known`, in the row, so that a restart is no news), and has stood still for one look.
It is noted before the plan is made: footage that stops the box is not tried for ever. Each cut of this kind
shows at least GAIN_US more than the one before, so their number is bounded whatever the index says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog
import trio

from appliance.clips.cutting.cut_rate import CutRate
from appliance.clips.cutting.planner import PlanSpan
from appliance.clips.files.footage import Footage
from appliance.clips.records import cut_states as cuts
from appliance.clips.records.cut_states import LATE_FOOTAGE_US, job_of, shown_us
from appliance.clips.records.machine import CLIP, ClipEvent, ClipState
from appliance.clips.records.marks import recut
from appliance.clips.records.rows import journal_clip
from appliance.kernel import json
from appliance.kernel.clock import from_rfc3339
from appliance.kernel.retry import RetrySchedule
from appliance.kernel.rows import load_row
from appliance.kernel.store import Store, StoreBroken
from appliance.kernel.tx import ReadTx, Row, Tx
from appliance.media.cut.coverage import Missing, absent_us, explained
from appliance.media.cut.plan import NoFootage, Plan

log = structlog.get_logger("cutter")

GAIN_US = 100_000  # half a part: less is rounding at the edges of a gap
CHECK_S = 2.0  # how often clips with missing footage are held against the index
IDLE_S = 60.0  # and without news: footage that came while a clip was being cut rang before the clip lacked it
PAUSE_S = 0.05  # between two plans: a box that starts with hundreds of such clips has marks to take
KEY_BACK_US = 30_000_000  # a plan may need the key frame before its span; sources send one every few seconds


@dataclass(frozen=True, slots=True)
class Late:
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
    missing: tuple[Missing, ...] = ()

    def known_now(self, footage: Footage) -> str:
        """What the index knows of the span and of the key frame before it."""
        start_us, end_us = self.start_us + self.latency_us, self.end_us + self.latency_us
        return footage.known(self.channel_id, start_us - KEY_BACK_US, end_us)

    def gains(self, plan: Plan) -> bool:
        return shown_us(plan, self.start_us, self.end_us) > self.had_us + GAIN_US


@dataclass(slots=True)
class LateFootage:
    """Holds clips that lack something against the index. `before`: what it knew at the last look, by clip."""

    store: Store
    footage: Footage
    plan_span: PlanSpan
    rate: CutRate
    before: dict[str, str] = field(default_factory=dict)
    retries: RetrySchedule = field(default_factory=RetrySchedule)  # clips whose recordings' disk refused

    async def follow(self) -> None:
        """For ever: cut clips again whose missing footage has turned up."""
        while True:
            seen = self.footage.changed.count
            is_done = await self.look()
            await trio.sleep(CHECK_S)
            if is_done:
                with trio.move_on_after(IDLE_S):
                    await self.footage.changed.wait_past(seen)

    async def look(self) -> bool:
        """Hold every clip that lacks something against the index. False: look again soon, the index has not
        stood still for one of them, or its disk refuses."""
        lacking = await self.store.read(find_late)
        now = {late.clip_id: late.known_now(self.footage) for late in lacking}
        changed = [late for late in lacking if now[late.clip_id] != late.known]
        still = [late for late in changed if self.before.get(late.clip_id) == now[late.clip_id]]
        self.before = now
        self.retries.retain(now.keys())
        for late in still:
            await self._hold(late, now[late.clip_id])
        return len(still) == len(changed) and not self.retries

    async def _hold(self, late: Late, known: str) -> None:
        if trio.current_time() < self.retries.not_before_s(late.clip_id):
            return
        note = partial(note_known, clip_id=late.clip_id)
        await self.store.write_retrying(partial(note, known=known))
        try:
            plan = await self.plan_span(late.channel_id, late.start_us, late.end_us, late.latency_us)
        except NoFootage:
            self.retries.forget(late.clip_id)
        except StoreBroken:
            raise
        except OSError:
            if self.retries.postpone(late.clip_id):
                await self.store.write_retrying(partial(note, known=None))
        except Exception:  # border: one clip's job. What cannot be read now waits for other news
            log.exception("late_footage_cannot_be_read", clip=late.clip_id)
        else:
            self.retries.forget(late.clip_id)
            if late.gains(plan):
                await self._mend(late, plan)
            else:
                await self._reword(late)
        await trio.sleep(PAUSE_S)

    async def _mend(self, late: Late, plan: Plan) -> None:
        if await self.store.write_retrying(partial(mend, late=late, plan=plan)):
            self.rate.note(late.clip_id, (late.start_us, late.end_us, late.mode))

    async def _reword(self, late: Late) -> None:
        """The clip lacks what it lacked: have it say why in the timeline's words."""
        start_us, end_us = late.start_us + late.latency_us, late.end_us + late.latency_us
        gaps = self.footage.gaps(late.channel_id, start_us, end_us)
        missing = explained(late.missing, gaps, late.latency_us)
        if missing != late.missing:
            await self.store.write_retrying(partial(reword, late=late, missing=missing))


def find_late(tx: ReadTx) -> list[Late]:
    """Clips of the last 24 h that lack footage."""
    rows = tx.all(
        "SELECT * FROM clips WHERE deleted_us IS NULL AND out_received_us > ? AND"
        " (status = 'failed' OR (status = 'ready' AND json_array_length(coverage, '$.missing') > 0))",
        (tx.now_us - LATE_FOOTAGE_US,),
    )
    found = (_late(row) for row in rows)
    return [late for late in found if late.missing or late.end_us - late.start_us > late.had_us + GAIN_US]


def _late(row: Row) -> Late:
    start_us, end_us = row["start_us"], row["start_us"] + row["duration_us"]
    had_us = row["failed_had_us"] or 0
    missing: tuple[Missing, ...] = ()
    if row["status"] == ClipState.READY:
        missing = tuple(
            Missing(from_rfc3339(each["start"]), from_rfc3339(each["end"]), each["reason"])
            for each in json.decode(row["coverage"].encode())["missing"]
        )
        had_us = row["duration_us"] - absent_us([each[:2] for each in missing], start_us, end_us)
    return Late(
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
    )


def note_known(tx: Tx, clip_id: str, known: str | None) -> None:
    """Not journaled: nothing anybody sees has changed."""
    tx.run("UPDATE clips SET late_known = ? WHERE id = ?", (known, clip_id))


def reword(tx: Tx, late: Late, missing: Sequence[Missing]) -> None:
    """The clip's `coverage.missing` with other reasons; nothing when the clip has moved on."""
    row = tx.one("SELECT * FROM clips WHERE id = ? AND deleted_us IS NULL", (late.clip_id,))
    if row is None or row["media_rev"] != late.media_rev or row["status"] != ClipState.READY:
        return
    coverage = {**json.decode(row["coverage"].encode()), "missing": cuts.missing_resource(missing)}
    tx.update("clips", late.clip_id, {"coverage": json.encode(coverage).decode()})
    journal_clip(tx, "clip_updated", late.clip_id)


def mend(tx: Tx, late: Late, plan: Plan) -> bool:
    """ready or failed -> ready with this plan, in one step; an export waits for a worker as always.

    False when the clip has moved on.
    """
    row = tx.one("SELECT * FROM clips WHERE id = ? AND deleted_us IS NULL", (late.clip_id,))
    if row is None or row["media_rev"] != late.media_rev:
        return False
    if row["status"] not in (ClipState.READY, ClipState.FAILED):
        return False
    recut(tx, row, {"retries": row["retries"] + 1})
    # the 24 h run from the person's OUT, not from our own cut
    tx.run("UPDATE clips SET out_received_us = ? WHERE id = ?", (row["out_received_us"], late.clip_id))
    if row["mode"] != "instant":
        journal_clip(tx, "clip_updated", late.clip_id)
        return True
    claimed = {"status": CLIP.next(ClipState.PENDING, ClipEvent.CLAIM), "attempts": 1}
    tx.run("UPDATE clips SET status = ?, attempts = ? WHERE id = ?", (*claimed.values(), row["id"]))
    return cuts.finish(tx, job_of(load_row(tx, "clip", row["id"])), plan)
