"""Following one channel: its open files every 50 ms, its directory when it changes.

Owns: descriptors of open segments, when they were checked, when a segment is finished, which files were added
and deleted. Must not know: other channels, who receives facts. State changes on the trio thread; what blocks
runs in threads.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import trio

from appliance.box.recordings.channel.channel_index import KEEP_PARTS_US, ChannelIndex
from appliance.box.recordings.following import disk
from appliance.box.recordings.following.cache import corrected_lines, lines_of
from appliance.box.recordings.following.channel_state import FollowedChannel, OpenFile
from appliance.box.recordings.following.disk import ListedFile
from appliance.box.recordings.following.fdatasync import run_sync
from appliance.box.recordings.following.folder import open_segment, rescan_when_due
from appliance.box.recordings.following.footage_facts import parts_came, watch_footage_state
from appliance.box.recordings.following.walks import read_claims
from appliance.box.recordings.segment_state import GrowthTimes, Segment
from appliance.kernel.clock import ahead_of_wall_us
from appliance.media.clock.timeline import Knot
from appliance.media.index.table import (
    ChannelLog,
    facts_line,
    forget_line,
    observed_line,
    off_line,
    published_line,
    stamp_line,
)

POLL_S: Final = 0.05
# without growth for a while: 200 channels without footage cost 11 % of a core, not 20 %
IDLE_POLL_S: Final = 0.25
_IDLE_AFTER_S: Final = 10.0  # longer than any part, so that no part of a running camera is seen late
_QUIET_S: Final = 0.3  # after this long without growth it is checked whether a file was closed
_DEFERRED_S: Final = 5.0  # as much as MediaMTX lets media time leap
_SUPERSEDED_S: Final = 1.0
_FRESH_US: Final = 2_000_000  # a first check this soon after the last write counts as having observed it
_TICK_US: Final = 20_000  # mtimes are rounded to the kernel's tick: 10 ms at worst
_WHOLE_S: Final = 3.0  # a file without growth for so long, and for two of its parts, is not being recorded
_IDLE_US: Final = 600_000_000  # one found at the start and not written for so long need not be waited for
_BURST_SHARE: Final = 0.8  # a part that comes sooner than this after another did not come at its capture rate
_BURST_MAX_S: Final = 0.5
_RETRY_S: Final = 1.0
_LAST_LINES_S: Final = 0.5
UNSYNCED_US: Final = 300_000_000  # the kernel writes back within 30 s, a slow disk within minutes


async def follow_channel(followed: FollowedChannel) -> None:
    """Run until cancelled. `followed.loaded` is set once the channel's past is known."""
    with followed.scope:
        await _load(followed)
        followed.loaded.set()
        followed.shared.wake_rebuild.notify()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_look_for_ever, followed, name=f"recordings: {followed.channel.id}")
                nursery.start_soon(run_sync, followed, name=f"recordings: sync {followed.channel.id}")
                nursery.start_soon(
                    watch_footage_state, followed, name=f"recordings: judge {followed.channel.id}"
                )
        finally:
            for open_file in followed.open.values():
                os.close(open_file.fd)
            followed.open.clear()
            with trio.move_on_after(_LAST_LINES_S, shield=True):
                await followed.append(followed.take_unwritten())


async def _load(followed: FollowedChannel) -> None:
    """Load the cache's facts of every file that is unchanged; the others wait to be walked."""
    channel, shared = followed.channel, followed.shared

    def load() -> tuple[ChannelLog, disk.Listing]:
        remembered = followed.cache.load()
        return remembered, disk.list_channel(shared.recordings_dir, channel.id, {})

    while True:
        try:
            remembered, listing = await followed.read(load)
            break
        except OSError as error:
            followed.disk_errors.record("recordings", error)
            followed.loaded.set()  # the other channels must not wait for this one
            await trio.sleep(_RETRY_S)
    channel.restore(remembered)
    files = listing.files
    followed.disk_id = remembered.disk
    followed.miss(disk.absent_at_start(remembered.facts, remembered.disks, listing))
    followed.device = listing.device
    followed.note_disk(listing)
    await followed.append(followed.take_unwritten())
    gap_us = ahead_of_wall_us(shared.clock)
    for name, file in files.items():
        written_us = file.mtime_ns // 1000 + gap_us
        has_changed = remembered.stamps.get(name, file.mtime_ns) != file.mtime_ns
        facts = remembered.facts.get(name)
        channel.discover(name, file.bytes, written_us, facts, has_changed=has_changed)
    if shared.after_cut:
        _suspect(channel)
    followed.listed = files
    try:
        if files and not followed.absent:
            await followed.read(followed.cache.tidy, remembered, files)
    except OSError as error:
        followed.disk_errors.record("index", error)
    newest = max(files, key=lambda name: (files[name].mtime_ns, name), default=None)
    if newest is not None and channel.segments[newest].facts is None and not shared.only_growing:
        segment = channel.segments[newest]
        is_old = shared.clock.now_us() - segment.written_us > _IDLE_US
        await open_segment(followed, segment, was_there=True, is_old=is_old)


def _suspect(channel: ChannelIndex) -> None:
    """The newest segments that were not seen closed (and synced) were being written at the power cut."""
    newest_us = max((each.written_us for each in channel.segments.values()), default=0)
    for segment in channel.segments.values():
        segment.is_suspect = segment.facts is None and newest_us - segment.written_us < UNSYNCED_US


# -- checking ---------------------------------------------------------------------------------------------


async def _look_for_ever(followed: FollowedChannel) -> None:
    while True:
        seen = followed.wake.count
        try:
            await rescan_when_due(followed)
            was_undecided = followed.is_undecided()
            for open_file in list(followed.open.values()):
                await _look(followed, open_file)
            if was_undecided and not followed.is_undecided():
                followed.shared.wake_rebuild.notify()
            await followed.append(followed.take_unwritten())
        except OSError as error:
            followed.disk_errors.record("recordings", error)
            followed.folder_mtime_ns = -1
            with trio.move_on_after(_RETRY_S):
                await followed.wake.wait_past(seen)
        with trio.move_on_after(_pause_s(followed)):
            await followed.wake.wait_past(seen)


def _pause_s(followed: FollowedChannel) -> float:
    part_s = followed.newest_part_s
    is_idle = part_s is None or trio.current_time() - part_s > _IDLE_AFTER_S
    return IDLE_POLL_S if is_idle else POLL_S


async def _look(followed: FollowedChannel, open_file: OpenFile) -> None:
    """One fstat; reads only when there are new bytes."""
    now_s = trio.current_time()
    status = os.fstat(open_file.fd)
    if status.st_nlink == 0 or status.st_size < open_file.bytes:
        # deleted, replaced or restarted meanwhile: the rescan finds what is there
        await _drop(followed, open_file)
        return
    is_new = (status.st_size, status.st_mtime_ns) != (open_file.bytes, open_file.mtime_ns)
    if is_new:
        open_file.changed_s, open_file.asked_closed = now_s, False
    quiet_s = now_s - open_file.changed_s
    ask_closed = not open_file.asked_closed and (quiet_s >= _QUIET_S or open_file.is_first_look)
    if is_new or ask_closed:
        await _take(followed, open_file, status, ask_closed)
    is_over = open_file.is_closed or (quiet_s >= _SUPERSEDED_S and _is_superseded(followed, open_file))
    if open_file.segment.deferred is not None:
        waits = not is_over and followed.channel.clocks.has_nothing_beyond(open_file.segment)
        if quiet_s < (_DEFERRED_S if waits else _SUPERSEDED_S):
            return  # the next parts, or those of the next file, may decide
        await _decide(followed, open_file)
    if followed.channel.clocks.is_held(open_file.segment):
        if is_over or _is_whole(followed, open_file, quiet_s):
            await read_claims(followed, open_file.segment)
            await _release(followed, open_file, followed.channel.conclude(open_file.segment))
        elif quiet_s >= _part_s(open_file.segment) * _BURST_SHARE or quiet_s >= _BURST_MAX_S:
            await _release(followed, open_file, followed.channel.settle(open_file.segment))
    if is_over:
        await _finish(followed, open_file)


async def _take(
    followed: FollowedChannel, open_file: OpenFile, status: os.stat_result, ask_closed: bool
) -> None:
    segment, channel = open_file.segment, followed.channel
    assert segment.index is not None
    now_us = followed.shared.clock.now_us()
    gap_us = ahead_of_wall_us(followed.shared.clock)
    written_us = _written_us(followed, open_file, status, now_us, gap_us)
    open_file.growths += status.st_size > open_file.bytes
    open_file.bytes, open_file.mtime_ns = status.st_size, status.st_mtime_ns
    open_file.looked_us, open_file.is_first_look = now_us, False
    open_file.asked_closed = open_file.asked_closed or ask_closed
    segment.bytes = status.st_size
    segment.written_us = followed.disk_clock.box_us(status.st_mtime_ns // 1000 + gap_us)
    while True:
        is_first = segment.index.end is None or channel.clocks.of(segment) is None
        cursor = segment.index.cursor
        seen = await followed.read(
            lambda: disk.look(  # awaited here
                open_file.fd,
                cursor,  # noqa: B023
                status.st_size,
                ask_closed=ask_closed,
                look_inside=segment.is_suspect,
            )
        )
        if not seen.head.startswith(open_file.head):
            await _drop(followed, open_file)
            return
        open_file.head = seen.head
        growth = seen.growth
        holes = len(segment.index.holes) + (len(growth.holes) if open_file.was_there else 0)
        made = channel.grow(
            segment, growth, GrowthTimes(None if growth.more else written_us, gap_us, may_be_burst=True)
        )
        await _give_times(followed, segment, made)
        if growth.parts and segment.deferred is None:
            await _announce_parts(followed, open_file, holes, len(growth.parts), is_first=is_first)
        if not growth.more:
            break
    open_file.is_closed, open_file.was_there = seen.is_closed, False
    followed.disk_errors.clear("recordings")


async def _release(followed: FollowedChannel, open_file: OpenFile, made: Sequence[Knot]) -> None:
    """Frames that were held get times, if `made` defines them."""
    if not made:
        return
    segment = open_file.segment
    assert segment.index is not None
    await _give_times(followed, segment, made)
    before = followed.channel.last_piece_before(segment)
    parts_came(followed, open_file, before, len(segment.index.holes), parts=len(segment.index.parts))
    await followed.append(followed.take_unwritten())
    followed.shared.changed.notify()


async def _decide(followed: FollowedChannel, open_file: OpenFile) -> None:
    """Give times to parts that waited for later parts, which did not come."""
    segment, channel = open_file.segment, followed.channel
    assert segment.index is not None and segment.deferred is not None
    is_first = segment.index.end is None
    holes, parts = len(segment.index.holes), len(segment.deferred.parts)
    await _give_times(followed, segment, channel.decide(segment))
    await _announce_parts(followed, open_file, holes, parts, is_first=is_first)


async def _announce_parts(
    followed: FollowedChannel, open_file: OpenFile, holes: int, parts: int, *, is_first: bool
) -> None:
    """Announce `parts` that were applied; the file had `holes` before. `is_first`: it had nothing with a
    time."""
    channel, index = followed.channel, open_file.segment.index
    assert index is not None
    open_file.needs_sync = True
    if open_file.was_there:
        channel.written_us.setdefault(index.run_id, open_file.segment.written_us)
    else:
        channel.arrived_us.setdefault(index.run_id, followed.shared.clock.now_us())
    before = channel.last_piece_before(open_file.segment) if is_first else None
    parts_came(followed, open_file, before, holes, parts=parts)
    await followed.append(followed.take_unwritten())
    followed.shared.changed.notify()


def _part_s(segment: Segment) -> float:
    """The longest of the newest parts, s."""
    index = segment.index
    assert index is not None
    return (
        max((part.video_end - part.video_pts_min for part in index.parts[-3:]), default=0) / index.timescale
    )


async def _give_times(followed: FollowedChannel, segment: Segment, made: Sequence[Knot]) -> None:
    """Log the knots of an open segment before the times they define are announced."""
    clocks, index = followed.channel.clocks, segment.index
    assert index is not None
    lines = forget_line(segment.name) if segment.was_replaced else b""
    segment.was_replaced = False
    if made:
        lines += lines_of(index.run_id, made)
    lines += corrected_lines(followed.channel.corrections.take())
    if offs := clocks.take_offs():
        lines += b"".join(off_line(run_id, off_us) for run_id, off_us in offs)
    if observed := clocks.take_newly_observed():
        lines += b"".join(map(observed_line, observed))
    if not segment.is_published and index.parts and clocks.of(segment) is not None:
        segment.is_published = True
        lines += published_line(segment.name)
    await followed.append(lines)


def _written_us(
    followed: FollowedChannel, open_file: OpenFile, status: os.stat_result, now_us: int, gap_us: int
) -> int | None:
    """Box time at which the newest bytes were written: the file's own time, bounded by our checks.

    `gap_us`: by how much box time is ahead of the wall clock.
    """
    disk_clock = followed.disk_clock
    mtime_us = status.st_mtime_ns // 1000 + gap_us
    if not open_file.is_first_look:
        assert open_file.looked_us is not None
        if status.st_size > open_file.bytes:
            disk_clock.learn(mtime_us, open_file.looked_us, now_us)
        return max(open_file.looked_us, min(disk_clock.box_us(mtime_us), now_us))
    written_us = disk_clock.box_us(mtime_us)
    since_us = now_us - _FRESH_US
    if open_file.looked_us is not None:
        since_us = min(since_us, open_file.looked_us - _TICK_US)
    return min(written_us, now_us) if since_us <= written_us <= now_us + _TICK_US else None


def _is_whole(followed: FollowedChannel, open_file: OpenFile, quiet_s: float) -> bool:
    """The file does not grow: a copy, or a recording whose recorder has gone."""
    if open_file.growths <= 1 and (
        open_file.is_old or followed.channel.clocks.disk_agrees(open_file.segment)
    ):
        return True
    return quiet_s >= max(_WHOLE_S, 2 * _part_s(open_file.segment))


def _is_superseded(followed: FollowedChannel, open_file: OpenFile) -> bool:
    """Whether a file that grew later shows that the recorder has finished this one.

    A live one is closed only for its own successor or for one that is recorded too: a file that was copied
    beside it proves nothing.
    """
    clocks = followed.channel.clocks
    is_live = clocks.is_live(open_file.segment)
    for other in followed.open.values():
        if other is open_file or other.segment.index is None or not other.segment.index.parts:
            continue
        if (other.changed_s, other.segment.name) <= (open_file.changed_s, open_file.segment.name):
            continue
        if clocks.is_held(other.segment):
            continue  # it has no times yet: whether something is missing between the two is not known yet
        is_recorded = other.growths > 1 or clocks.is_live(other.segment)
        if not is_live or is_recorded or _follows(open_file.segment, other.segment):
            return True
    return False


def _follows(segment: Segment, later: Segment) -> bool:
    mine, its = segment.facts, later.facts
    if mine is None or its is None or mine.number is None or its.number is None:
        return False
    return its.run_id == mine.run_id and its.number > mine.number


async def _drop(followed: FollowedChannel, open_file: OpenFile) -> None:
    name = open_file.segment.name
    del followed.open[name]
    os.close(open_file.fd)
    followed.channel.forget(name)
    followed.listed.pop(name, None)
    followed.hinted = True
    await followed.append(forget_line(name))
    followed.shared.changed.notify()


async def _finish(followed: FollowedChannel, open_file: OpenFile) -> None:
    channel, segment = followed.channel, open_file.segment
    channel.close(segment)
    facts, index = segment.facts, segment.index
    del followed.open[segment.name]
    try:
        if facts is not None and index is not None:
            # as it was at the check: later bytes show in the next listing
            inode = os.fstat(open_file.fd).st_ino
            followed.listed[segment.name] = ListedFile(open_file.bytes, open_file.mtime_ns, inode)
            line = corrected_lines(channel.corrections.take()) + facts_line(facts)
            line += stamp_line(segment.name, open_file.mtime_ns)
            await followed.read(disk.finish, open_file.fd, followed.cache, facts, index, line)
            followed.log_needs_sync = True
    except OSError as error:
        followed.disk_errors.record("index", error)
    finally:
        os.close(open_file.fd)
    for idle in idle_indexes(channel):
        idle.index = None
    followed.shared.changed.notify()


def idle_indexes(channel: ChannelIndex) -> list[Segment]:
    """Closed segments whose part list is in memory although they are older than KEEP_PARTS_US."""
    if channel.video_until_us is None:
        return []
    from_us = channel.video_until_us - KEEP_PARTS_US
    known = [each for each in channel.segments.values() if each.index is not None and not each.is_open]
    ends = [(each, channel.entry(each).end_us) for each in known]
    return [each for each, end_us in ends if end_us is None or end_us < from_us]
