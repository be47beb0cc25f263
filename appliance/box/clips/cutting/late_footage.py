"""Footage indexed after the cut: a segment found by a rescan, a channel whose files returned.

A clip that was cut with footage missing, or failed because there was none, is cut again automatically within
24 h of its OUT, when a plan of its span made now would show more than its last cut could. Index coverage
alone does not decide: it includes footage that a plan has to leave out (another format, a gap inside a
segment).

A complete clip is cut again when the footage it was cut from has moved: files copied beside a running box are
placed differently once the next file is there, or are replaced. A plan made now must then show other frames,
and as much as before, unless the clip shows frames of another time.

The reasons of missing spans come from the timeline too: an outage that had just begun when the clip was cut
may get its reason later. Then the clip's reasons are updated; its bytes are unchanged.

Owns: when such a plan is made. Condition: the index's state for the span differs from that at the last check
(`late_known`, stored in the row, so that a restart alone triggers nothing), and has not changed since the
check before. The state is stored before the plan is made, so that footage that crashes the box is not tried
forever. Each cut of this kind shows at least GAIN_US more than the one before, or other frames: at most one
for each such change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog
import trio

from appliance.box.clips.cutting.cut_rate import CutRate
from appliance.box.clips.cutting.late_clips import LateClip, MovedFootage, find_late
from appliance.box.clips.cutting.planner import PlanSpan
from appliance.box.clips.files.footage import Footage
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records.cut_states import job_of
from appliance.box.clips.records.machine import CLIP, ClipEvent, ClipState
from appliance.box.clips.records.marks import recut
from appliance.box.clips.records.rows import journal_clip
from appliance.kernel import json
from appliance.kernel.retry import RetrySchedule
from appliance.kernel.rows import load_row
from appliance.kernel.store import Store, StoreBroken
from appliance.kernel.tx import Tx
from appliance.media.cut.coverage import MissingSpan, explained
from appliance.media.cut.plan import NoFootage, Plan

log = structlog.get_logger("cutter")

CHECK_S = 2.0  # seconds between checks of the clips with missing footage
# seconds between checks without an index change: footage may have arrived while the clip was still being cut
IDLE_S = 60.0
# seconds between two plans: a box that starts with hundreds of such clips must still accept marks
PAUSE_S = 0.05


@dataclass(slots=True)
class LateFootage:
    """Checks clips with missing footage against the index. `before`: digest at the last check, by clip."""

    store: Store
    footage: Footage
    plan_span: PlanSpan
    rate: CutRate
    moved: MovedFootage = field(init=False)
    before: dict[str, str] = field(default_factory=dict)
    retries: RetrySchedule = field(default_factory=RetrySchedule)  # clips whose recordings could not be read

    def __post_init__(self) -> None:
        self.moved = MovedFootage(self.store, self.footage)

    async def follow(self) -> None:
        """Cut clips again whose missing footage has been indexed, until cancelled."""
        while True:
            seen = self.footage.changed.count
            is_done = await self.look()
            await trio.sleep(CHECK_S)
            if is_done:
                with trio.move_on_after(IDLE_S):
                    await self.footage.changed.wait_past(seen)

    async def look(self) -> bool:
        """Check every clip with missing footage against the index. False: check again soon, because the index
        has changed for one of them since the last check, or its disk failed."""
        lacking = [*await self.store.read(find_late), *await self.moved.find()]
        now = {late.clip_id: late.known_now(self.footage) for late in lacking}
        changed = [late for late in lacking if now[late.clip_id] != late.known]
        still = [late for late in changed if self.before.get(late.clip_id) == now[late.clip_id]]
        self.before = now
        self.retries.retain(now.keys())
        for late in still:
            await self._recut(late, now[late.clip_id])
        return len(still) == len(changed) and not self.retries and not self.moved.is_pending

    async def _recut(self, late: LateClip, known: str) -> None:
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
        # border: one clip's job. Footage that cannot be read now is tried again at the next change
        except Exception:
            log.exception("late_footage_cannot_be_read", clip=late.clip_id)
        else:
            self.retries.forget(late.clip_id)
            if late.is_wanted(plan, self.footage):
                await self._mend(late, plan)
            else:
                await self._reword(late)
        await trio.sleep(PAUSE_S)

    async def _mend(self, late: LateClip, plan: Plan) -> None:
        if await self.store.write_retrying(partial(mend, late=late, plan=plan)):
            self.rate.note(late.clip_id, (late.start_us, late.end_us, late.mode))

    async def _reword(self, late: LateClip) -> None:
        """The clip lacks the same footage as before: replace its reasons by the timeline's current ones."""
        gaps = self.footage.gaps(late.channel_id, *late.wall_us)
        missing = explained(late.missing, gaps, late.latency_us)
        if missing != late.missing:
            await self.store.write_retrying(partial(reword, late=late, missing=missing))


def note_known(tx: Tx, clip_id: str, known: str | None) -> None:
    """Store the digest. Not journaled: nothing that a client sees has changed."""
    tx.run("UPDATE clips SET late_known = ? WHERE id = ?", (known, clip_id))


def reword(tx: Tx, late: LateClip, missing: Sequence[MissingSpan]) -> None:
    """Replace the reasons in the clip's `coverage.missing`; nothing when the clip has been cut again."""
    row = tx.one("SELECT * FROM clips WHERE id = ? AND deleted_us IS NULL", (late.clip_id,))
    if row is None or row["media_rev"] != late.media_rev or row["status"] != ClipState.READY:
        return
    coverage = {**json.decode_stored(row["coverage"]), "missing": cuts.missing_resource(missing)}
    tx.update("clips", late.clip_id, {"coverage": json.encode(coverage).decode()})
    journal_clip(tx, "clip_updated", late.clip_id)


def mend(tx: Tx, late: LateClip, plan: Plan) -> bool:
    """ready or failed -> ready with this plan, in one step; an export waits for a worker as usual.

    False when the clip has been cut again or deleted meanwhile.
    """
    row = tx.one("SELECT * FROM clips WHERE id = ? AND deleted_us IS NULL", (late.clip_id,))
    if row is None or row["media_rev"] != late.media_rev:
        return False
    if row["status"] not in (ClipState.READY, ClipState.FAILED):
        return False
    recut(tx, row, {"retries": row["retries"] + 1})
    # the 24 h count from the person's OUT, not from this cut
    tx.run("UPDATE clips SET out_received_us = ? WHERE id = ?", (row["out_received_us"], late.clip_id))
    if row["mode"] != "instant":
        journal_clip(tx, "clip_updated", late.clip_id)
        return True
    claimed = {"status": CLIP.next(ClipState.PENDING, ClipEvent.CLAIM), "attempts": 1}
    tx.run("UPDATE clips SET status = ?, attempts = ? WHERE id = ?", (*claimed.values(), row["id"]))
    return cuts.finish(tx, job_of(load_row(tx, "clip", row["id"])), plan)
