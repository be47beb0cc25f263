"""Unobserved segments: walked in the background, or at once when requested.

Owns: the order of walking, tables loaded and cached for a while, views for plans. Must not know: live files.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

import trio

from appliance.box.recordings.channel.channel_index import KEEP_PARTS_US
from appliance.box.recordings.channel.neighbours import following, unread_beside
from appliance.box.recordings.channel.overlaps import keys_of, remember_keys, sharing, windows
from appliance.box.recordings.following import disk
from appliance.box.recordings.following.cache import corrected_lines, lines_of
from appliance.box.recordings.following.channel_state import FollowedChannel
from appliance.box.recordings.segment_state import Segment
from appliance.kernel.signal import Signal
from appliance.media.index.index import Growth, SegmentIndex
from appliance.media.index.overlap import Windows
from appliance.media.index.segment import view_of
from appliance.media.index.table import facts_line, forget_line, stamp_line
from appliance.media.index.view import Key, Part, SegmentView
from appliance.media.mp4.fmp4 import Init

TABLES_KEPT: Final = 128  # of 60 s in parts of 0.2 s: 2.5 MB
_LOOK_AGAIN_S: Final = 1.0  # while a disk fails
_PAUSE_SHARE: Final = 1.0  # the background walk pauses as long as it worked: live files come first


@dataclass(slots=True)
class Walks:
    """Shared by the background walk and by requests."""

    wake: Signal
    hold: trio.Event | None = None  # not set (safe mode): nothing is walked, not even on request
    _busy: dict[str, trio.Event] = field(default_factory=dict)
    _tables: OrderedDict[str, tuple[Init, Sequence[Part], Sequence[Key]]] = field(default_factory=OrderedDict)

    async def views(self, followed: FollowedChannel, start_us: int, end_us: int) -> list[SegmentView]:
        """Every segment with frames in [start_us, end_us) of wall time, and one before it."""
        views: list[SegmentView] = []
        for segment in followed.channel.touching(start_us, end_us):
            if segment.facts is None and not segment.is_open:
                if self.is_held:
                    continue
                await self.walk(followed, segment)
            view = await self._view(followed, segment)
            if view is not None:
                views.append(view)
        shown = await self._windows(followed, start_us, end_us)
        return [replace(view, windows=shown.get(view.run_id)) for view in views] if shown else views

    @property
    def is_held(self) -> bool:
        return self.hold is not None and not self.hold.is_set()

    async def find_keys(self, followed: FollowedChannel, start_us: int, end_us: int) -> None:
        """Load what `Channel.coverage` of the span needs to separate overlapping runs. Raises OSError."""
        await self._windows(followed, start_us, end_us)

    async def _windows(self, followed: FollowedChannel, start_us: int, end_us: int) -> Mapping[str, Windows]:
        """When the runs of a span are shown, where runs overlap; empty where none do."""
        channel = followed.channel
        for segment in sharing(channel, channel.touching(start_us, end_us)):
            if keys_of(segment):
                continue
            view = await self._view(followed, segment)
            track = view.init.video if view is not None else None
            if view is not None and track is not None:
                remember_keys(segment, view.keys, track.timescale)
        return windows(channel, channel.touching(start_us, end_us))

    async def walk(self, followed: FollowedChannel, segment: Segment, *, gently: bool = False) -> None:
        """Walk an old segment to its end, or wait for a walk in progress.

        Raises OSError on a disk error: it is retried until `refused` gives up.
        """
        path = followed.path(segment.name)
        while (busy := self._busy.get(path)) is not None:
            await busy.wait()
        if segment.facts is not None and segment.index is not None:
            return
        self._busy[path] = trio.Event()
        try:
            await self._walk(followed, segment, path, gently=gently)
        finally:
            self._busy.pop(path).set()

    async def _walk(self, followed: FollowedChannel, segment: Segment, path: str, *, gently: bool) -> None:
        index = SegmentIndex(segment.name)
        self._tables.pop(path, None)
        stamp_ns = followed.mtime_ns(segment.name)
        while True:
            began_s = trio.current_time()
            growth = await self._step(followed, segment, index)
            index.apply(growth)
            if gently:
                await trio.sleep((trio.current_time() - began_s) * _PAUSE_SHARE)
            if not growth.more:
                break
        for older in followed.channel.to_be_known_before(segment, index):
            if older.facts is None and not older.is_open:
                await self.walk(followed, older, gently=gently)
        await read_claims(followed, segment)
        after = following(followed.channel, segment)
        if followed.channel.segments.get(segment.name) is not segment or segment.is_open:
            return  # deleted or written to meanwhile
        made = followed.channel.walked(segment, index, after)
        assert segment.facts is not None
        lines = forget_line(segment.name) if segment.was_replaced else b""
        segment.was_replaced = False
        lines += lines_of(index.run_id, made)
        lines += corrected_lines(followed.channel.corrections.take()) + facts_line(segment.facts)
        if stamp_ns is not None:
            lines += stamp_line(segment.name, stamp_ns)
        await followed.append(lines)
        await self._keep(followed, segment, index)
        segment.is_suspect = False
        followed.retries.forget(segment.name)
        followed.shared.changed.notify()

    async def _step(self, followed: FollowedChannel, segment: Segment, index: SegmentIndex) -> Growth:
        root, path = followed.shared.recordings_dir, followed.path(segment.name)
        try:
            return await followed.read(disk.walk_step, root, path, index.cursor, segment.is_suspect)
        except OSError as error:
            followed.disk_errors.record("walk", error)
            if followed.retries.postpone(segment.name):
                raise
            return disk.given_up(index.cursor, error)

    async def _keep(self, followed: FollowedChannel, segment: Segment, index: SegmentIndex) -> None:
        """Store its table on disk; its part list stays in memory only while it is recent."""
        facts, channel = segment.facts, followed.channel
        assert facts is not None
        if not index.parts or index.init is None:
            segment.index = None
            return
        try:
            await followed.read(followed.cache.save_table, facts, index.parts, index.keys)
        except OSError as error:
            followed.disk_errors.record("index", error)
        end_us, until_us = channel.entry(segment).end_us, channel.video_until_us
        if end_us is None or until_us is None or end_us < until_us - KEEP_PARTS_US:
            self._remember(followed.path(segment.name), (index.init, tuple(index.parts), tuple(index.keys)))
            segment.index = None

    async def _view(self, followed: FollowedChannel, segment: Segment) -> SegmentView | None:
        clock, facts = followed.channel.clock_of(segment), segment.facts
        if clock is None or facts is None or facts.first_ns is None:
            return None
        path = followed.path(segment.name)
        if segment.index is not None and segment.index.init is not None:
            return segment.index.view(path, clock)
        known = self._tables.get(path)
        if known is None:
            root = followed.shared.recordings_dir
            known = await followed.read(disk.load_parts, root, path, followed.cache, facts)
        if known is None:  # the table is missing or not of this file: read the file itself
            await self.walk(followed, segment)
            known = self._tables.get(path)
            if known is None:
                return segment.index.view(path, clock) if segment.index and segment.index.init else None
        self._remember(path, known)
        init, parts, keys = known
        return view_of(facts, path, init, clock, parts, keys)

    def _remember(self, path: str, known: tuple[Init, Sequence[Part], Sequence[Key]]) -> None:
        self._tables[path] = known
        self._tables.move_to_end(path)
        while len(self._tables) > TABLES_KEPT:
            self._tables.popitem(last=False)

    def forget(self, path: str) -> None:
        self._tables.pop(path, None)


async def read_claims(followed: FollowedChannel, segment: Segment) -> None:
    """Read the start times in the files beside this one, each file once."""
    for each in unread_beside(followed.channel, segment):
        init = await followed.read(disk.read_init, followed.shared.recordings_dir, followed.path(each.name))
        each.claim = init.mtxi if init is not None else None


async def walk_in_background(followed: Mapping[str, FollowedChannel], walks: Walks) -> None:
    """Walk waiting segments, newest first over all channels, until cancelled; in safe mode once its hold is
    over."""
    if walks.hold is not None:
        await walks.hold.wait()
    while True:
        seen = walks.wake.count
        while (next_one := _newest_waiting(followed)) is not None:
            with suppress(OSError):  # reported, and retried
                await walks.walk(*next_one, gently=True)
        is_put_off = any(state.retries or state.is_undecided() for state in followed.values())
        with trio.move_on_after(_LOOK_AGAIN_S if is_put_off else math.inf):
            await walks.wake.wait_past(seen)


def _newest_waiting(followed: Mapping[str, FollowedChannel]) -> tuple[FollowedChannel, Segment] | None:
    waiting = []
    for state in followed.values():
        _settle(state)
        if state.is_undecided():
            continue
        now_s = trio.current_time()
        due = (each for each in state.channel.waiting() if state.retries.not_before_s(each.name) <= now_s)
        if (segment := next(due, None)) is not None:
            waiting.append((state, segment))
    return max(waiting, key=lambda pair: pair[1].written_us, default=None)


def _settle(followed: FollowedChannel) -> None:
    """Drop retries of segments that are gone or known; without any, clear the error."""
    followed.retries.retain({each.name for each in followed.channel.waiting()} if followed.retries else ())
    if not followed.retries:
        followed.disk_errors.clear("walk")
