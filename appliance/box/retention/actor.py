"""The actor that keeps space free: checks the disks, calls `core.decide`, carries out the decision.

Owns: when to check, the order of a deletion (rows, unlink, fsync, rows), the spare space. Must not know: the
content of a recording or a clip, who records. A failing disk or a full database stops nothing: it is
reported, and retried at the next check.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final, TypeVar

import structlog
import trio

from appliance.box.recordings.model import StoredSegment
from appliance.box.retention import grace
from appliance.box.retention import store as rows
from appliance.box.retention.core import (
    FOR_EVER,
    Doomed,
    OldClip,
    Pin,
    Reason,
    RetentionDecision,
    RetentionInput,
    RetentionLimits,
    decide,
    pause_s,
)
from appliance.box.retention.first_seen import meet
from appliance.box.retention.model import Clips, ExpireClip, Figures, Folders, Recordings, Space
from appliance.box.retention.spare_space import SpareSpace, spare_bytes
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.errors import Unavailable
from appliance.kernel.signal import Signal
from appliance.kernel.store import Store, StoreFull
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import Tx

WHOLE_S: Final = 600.0  # between complete checks: with enough space, only footage that is too old is due
BATCH: Final = 20  # recordings per transaction: marks wait for it, and the index forgets them in one turn
ROUNDS: Final = 8  # decisions per check: each may require clip files to be written first
STEP_S: Final = 3600.0  # if box time moves this much more than the monotonic clock, it was set
DOUBT_S: Final = 24 * 3600.0  # ages are ignored for so long then: a day to notice that the date is wrong
WRITE_S: Final = 60.0  # seconds for writing the file of one clip
STEP: Final = 500  # segments listed before other tasks get their turn

T = TypeVar("T")
log = structlog.get_logger("retention")


def measure_space(folder: Path) -> Space:
    """Space free for the daemon's user, not root's reserve. Blocks; raises OSError."""
    stats = os.statvfs(folder)
    return Space(os.stat(folder).st_dev, stats.f_bavail * stats.f_frsize)


@dataclass(slots=True)
class _Keeper:
    """State of the running actor."""

    store: Store
    recordings: Recordings
    clips: Clips
    expire_clip: ExpireClip
    folders: Folders
    limits: RetentionLimits
    space: Callable[[Path], Space]
    spare_space: SpareSpace
    wake: Signal = field(default_factory=Signal)
    looked: Signal = field(default_factory=Signal)
    answered: int = -1  # the wake-up count at which the last check began
    whole_s: float = float("-inf")  # time of the last complete check
    removed: set[str] = field(default_factory=set)  # in this check; the index may still list them
    free_bytes: int = 0
    bytes_per_s: float = 0.0
    deleted_bytes: int = 0
    decision: RetentionDecision | None = None
    stuck: tuple[str, ...] = ()
    has_spare_space: bool = False
    error: str = ""
    record: grace.LimitsRecord | None = None  # None: not read yet
    grace_us: int = 0
    wanted: RetentionLimits | None = None  # as in the settings; `limits` are those in effect
    pending: RetentionDecision | None = None  # what the waiting settings would delete at once
    is_first_run: bool = False
    met_us: dict[str, int] = field(default_factory=dict)  # channels with earlier recordings (first_seen.py)
    lead_s: float | None = None  # box time minus the monotonic clock at the last check
    doubt_until_s: float = float("-inf")

    async def run(self) -> None:
        while True:
            seen = self.wake.count
            await self.look()
            self.answered = seen
            self.looked.notify()
            with trio.move_on_after(pause_s(self.free_bytes - self.limits.reserve_bytes, self.bytes_per_s)):
                await self.wake.wait_past(seen)

    async def look(self) -> None:
        """One complete check, with everything that follows from it."""
        error = ""
        self.bytes_per_s = sum(map(self.recordings.bytes_per_s, self.recordings.channel_ids()))
        self.removed.clear()
        try:
            await self._look()
        except OSError as raised:
            error = f"{raised.strerror or raised}" + (f": {raised.filename}" if raised.filename else "")
        except Unavailable as raised:
            error = raised.detail
        if error and error != self.error:
            log.error("retention_cannot_delete", reason=error)
        self.error = error

    async def _look(self) -> None:
        try:
            await self._adjust_spare_space()
        finally:
            await self._settle_limits()
            await self._execute(await self._unpinned(await self.store.read(rows.left)))
            free_bytes, clips_free_bytes = await self._ask()
            is_short = min(free_bytes, clips_free_bytes or free_bytes) < self.limits.min_free_bytes
            is_low = free_bytes < self.limits.reserve_bytes
            if is_short or is_low or trio.current_time() - self.whole_s >= WHOLE_S:
                self.whole_s = trio.current_time()
                await self._make_room()

    async def _settle_limits(self) -> None:
        """Determine the limits in effect: stricter ones than those of the last run wait (grace.py)."""
        assert self.wanted is not None
        now_us, stored, stored_met, of_the_file = await self.store.read(
            lambda tx: (tx.now_us, rows.read_record(tx), rows.read_met(tx), rows.channels_of_the_file(tx))
        )
        if self.record is None and stored_met is None:
            self.is_first_run = True
        first, channels = of_the_file if self.is_first_run else (), self.recordings.channel_ids()
        met = meet(stored_met, str(self.folders.recordings), channels, now_us, first)
        if (waiting := met.waiting(now_us, self.grace_us)) != self.met_us:
            self.whole_s = float("-inf")
        self.met_us = waiting
        if self.record is None:
            await self._ask()
            record = grace.settle(stored, self.wanted, now_us, self.grace_us, self.free_bytes)
        else:
            record = grace.due(self.record, now_us)
        self.limits = record.now
        if record != self.record:
            for change in record.changes():
                log.warning("retention_setting_waits", change=change, until=to_rfc3339(record.until_us))
            self.whole_s = float("-inf")
        self.record = record
        if record != stored or met != stored_met:
            await self._write(partial(rows.keep_record, record=record, met=met))

    async def _unpinned(self, names: Sequence[str]) -> list[str]:
        """Those that no clip plays. After a power cut a deleted recording may be back and a clip cut from it:
        it is kept until the clip's own file is written."""
        if not names:
            return []
        holds = await self.store.read(lambda tx: rows.read_holds(tx, self.limits.guard_us))
        pinned = set[str]()
        for name in names:
            for pin in holds.pins.get(name, ()):
                if pin.is_needed and not await self._write_file(pin):
                    pinned.add(name)
        return [name for name in names if name not in pinned]

    async def _ask(self) -> tuple[int, int | None]:
        """Free bytes where recordings are, and where clips are if that is another disk."""

        def ask() -> tuple[Space, Space]:
            return self.space(self.folders.recordings), self.space(self.folders.clips)

        recordings, clips = await in_thread(ask, abandon_on_cancel=True)
        self.free_bytes = recordings.free_bytes
        return recordings.free_bytes, None if clips.device == recordings.device else clips.free_bytes

    def kept_by_grace(self) -> list[str]:
        """Channels with recordings that are kept only because of their waiting period."""
        doomed = self.pending.footage if self.pending is not None else ()
        channels = {deletion.segment.channel_id for deletion in doomed}.intersection(self.met_us)
        return [f"recordings of {channel_id} that were there before" for channel_id in sorted(channels)]

    def waits_until_us(self) -> int:
        """When the last waiting period ends."""
        ends = [us + self.grace_us for us in self.met_us.values()] if self.kept_by_grace() else []
        if self.record is not None and self.record.later is not None:
            ends.append(self.record.until_us)
        return max(ends, default=0)

    # -- deciding ----------------------------------------------------------------------------------------

    async def _make_room(self) -> None:
        unwritable: set[tuple[str, int]] = set()
        for _ in range(ROUNDS):
            view = await self._view(frozenset(unwritable))
            limits = self._limits_at(view.now_us)
            decision = await in_thread(decide, view, limits)
            later = self.record.later if self.record is not None else None
            self.pending = None
            if later is not None or self.met_us:
                freed = replace(view, holds=replace(view.holds, met_us={}))
                self.pending = await in_thread(decide, freed, later or limits)
            self.decision = decision
            self.stuck = tuple(sorted({clip_id for clip_id, _ in unwritable}))
            await self._delete(decision.footage)
            await self._expire(decision.clips)
            if not decision.write_first and not decision.again:
                break
            for pin in decision.write_first:
                if not await self._write_file(pin):
                    unwritable.add(pin[:2])
        await self._ask()

    async def _view(self, unwritable: frozenset[tuple[str, int]]) -> RetentionInput:
        free_bytes, clips_free_bytes = await self._ask()
        footage = await self._list()
        guard_us, clip_us = self.limits.guard_us, self.limits.clip_us
        holds, clips, now_us = await self.store.read(
            lambda tx: (
                rows.read_holds(tx, guard_us),
                rows.read_clips(tx, clip_us, guard_us),
                tx.now_us,
            )
        )
        holds = replace(holds, met_us=self.met_us)
        return RetentionInput(now_us, free_bytes, clips_free_bytes, footage, clips, holds, unwritable)

    def _limits_at(self, now_us: int) -> RetentionLimits:
        """The limits, without ages for a day after box time was set: the date may be wrong, and a week of
        footage would be deleted because of it. Space is freed all the same."""
        now_s = trio.current_time()
        lead_s = now_us / 1e6 - now_s
        if self.lead_s is not None and abs(lead_s - self.lead_s) > STEP_S:
            self.doubt_until_s = now_s + DOUBT_S
            log.warning("box_time_was_set", by_s=round(lead_s - self.lead_s), hint="is the date right?")
        self.lead_s = lead_s
        if not self.doubts_ages():
            return self.limits
        return replace(self.limits, raw_us=FOR_EVER, clip_us=FOR_EVER)

    def doubts_ages(self) -> bool:
        return trio.current_time() < self.doubt_until_s

    async def _list(self) -> list[StoredSegment]:
        segments: list[StoredSegment] = []
        for channel_id in self.recordings.channel_ids():
            for segment in self.recordings.stored(channel_id):
                if segment.name not in self.removed:
                    segments.append(segment)
                if len(segments) % STEP == 0:
                    await trio.lowlevel.checkpoint()
        return segments

    async def _write_file(self, pin: Pin) -> bool:
        """Write the file of a clip that is still served from recordings. False: not possible now."""
        with trio.move_on_after(WRITE_S):
            try:
                return await self.clips.write_now(pin.clip_id, pin.media_rev)
            except Unavailable:
                return False
        return False

    # -- deleting ----------------------------------------------------------------------------------------

    async def _delete(self, doomed: Sequence[Doomed]) -> None:
        for at in range(0, len(doomed), BATCH):
            await self._delete_batch(doomed[at : at + BATCH])

    async def _delete_batch(self, doomed: Sequence[Doomed]) -> None:
        there = await in_thread(self._there, doomed)
        going = await self._write(partial(rows.condemn, doomed=there, guard_us=self.limits.guard_us))
        for reason, group in groupby(going, key=lambda deletion: deletion.reason):
            names = [deletion.segment.name for deletion in group]
            log.info("footage_deleted", reason=reason.value, first=names[0], last=names[-1], files=len(names))
        self.removed.update(deletion.segment.name for deletion in going)
        await self._execute([deletion.segment.name for deletion in going])
        self.deleted_bytes += sum(deletion.segment.bytes for deletion in going)

    def _there(self, doomed: Sequence[Doomed]) -> list[Doomed]:
        """Those that can be opened: recordings on a disk that is away must not be journaled as deleted."""
        openable = []
        for deletion in doomed:
            try:
                os.close(self.recordings.open_fd(deletion.segment.name))
            except OSError:
                continue
            openable.append(deletion)
        return openable

    async def _execute(self, names: Sequence[str]) -> None:
        """Unlink what was journaled as deleted. Raises OSError: the row stays, and it is retried."""
        for channel_id, group in groupby(sorted(names), key=lambda name: name.partition("/")[0]):
            going = list(group)
            await self.recordings.remove(channel_id, going)
            await self._write(partial(rows.executed, names=going))

    async def _expire(self, clips: Sequence[OldClip]) -> None:
        gone = 0
        for clip in clips:
            if await self._write(partial(self._expire_one, clip=clip)):
                gone += 1
                self.deleted_bytes += clip.bytes
        if gone:
            log.info("clips_deleted", reason=Reason.CLIP_DAYS.value, clips=gone)
            with trio.move_on_after(WRITE_S):
                await self.clips.collect_now()

    def _expire_one(self, tx: Tx, clip: OldClip) -> bool:
        old = rows.read_clips(tx, self.limits.clip_us, self.limits.guard_us, clip.clip_id)
        may_go = any(not now.is_kept and not now.is_guarded for now in old)
        reason = Reason.MIN_FREE if clip.is_forgotten else Reason.CLIP_DAYS
        return may_go and self.expire_clip(tx, clip.clip_id, reason)

    # -- the spare space ---------------------------------------------------------------------------------

    async def _adjust_spare_space(self) -> None:
        self.has_spare_space = await in_thread(
            lambda: self.spare_space.adjust(self.space(self.folders.state).free_bytes), abandon_on_cancel=True
        )

    async def _write(self, closure: Callable[[Tx], T]) -> T:
        """On a full database free the spare space and retry, once. Raises Unavailable, StoreBroken."""
        try:
            return await self.store.write(closure)
        except StoreFull:
            if not await in_thread(self.spare_space.give_up):
                raise
            self.has_spare_space = False
            log.error("ballast_given_up", hint="the state disk is full: free space or add a disk")
            return await self.store.write(closure)


@dataclass(frozen=True, slots=True)
class RetentionHandle:
    """What other modules may call; answers from memory."""

    _keeper: _Keeper

    def figures(self) -> Figures:
        keeper = self._keeper
        decision, record = keeper.decision, keeper.record
        return Figures(
            free_bytes=keeper.free_bytes,
            deletable_bytes=decision.deletable_bytes if decision else 0,
            short_bytes=decision.short_bytes if decision else 0,
            bytes_per_s=keeper.bytes_per_s,
            deleted_bytes=keeper.deleted_bytes,
            has_spare_space=keeper.has_spare_space,
            wants_spare_space=keeper.spare_space.size_bytes > 0,
            doubts_ages=keeper.doubts_ages(),
            stuck=keeper.stuck,
            error=keeper.error,
            unmet=decision.unmet if decision else (),
            waiting=(*(record.changes() if record else ()), *keeper.kept_by_grace()),
            waits_until_us=keeper.waits_until_us(),
            waiting_bytes=sum(each.segment.bytes for each in keeper.pending.footage) if keeper.pending else 0,
        )

    async def look_now(self) -> None:
        """Make the actor check now; returns when a check begun after this call is over."""
        keeper = self._keeper
        keeper.wake.notify()
        count = keeper.wake.count
        while keeper.answered < count:
            await keeper.looked.wait_past(keeper.looked.count)


async def run_retention(
    *,
    store: Store,
    recordings: Recordings,
    clips: Clips,
    expire_clip: ExpireClip,
    folders: Folders,
    limits: RetentionLimits,
    grace_us: int = 0,
    hold: trio.Event | None = None,
    space: Callable[[Path], Space] = measure_space,
    task_status: trio.TaskStatus[RetentionHandle] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Keep space free until cancelled. `grace_us`: how long settings that delete more than those of the last
    run wait. Until `hold` is set (safe mode) nothing is checked or deleted.

    Start: at once; the first check follows. Stop: cancel; a deletion between its row and its unlink is
    finished at the next start. Raises: StoreBroken.
    """
    spare_space = SpareSpace(folders.state, spare_bytes(limits.reserve_bytes))
    keeper = _Keeper(store, recordings, clips, expire_clip, folders, limits, space, spare_space)
    keeper.wanted, keeper.grace_us = limits, grace_us
    task_status.started(RetentionHandle(keeper))
    if hold is not None:
        await hold.wait()
    await keeper.run()
