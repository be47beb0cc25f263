"""Following one channel: its open files every 50 ms, its directory when it changes.

Owns: descriptors of open segments, when they were looked at, when a segment is over, what came and went.
Must not know: other channels, who is told. State changes on the trio thread; what blocks runs in threads.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import trio

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
from appliance.recordings.channel.channel_index import KEEP_PARTS_US, Channel
from appliance.recordings.following import disk
from appliance.recordings.following.cache import corrected_lines, lines_of
from appliance.recordings.following.channel_state import Followed, Open
from appliance.recordings.following.disk import Found
from appliance.recordings.following.fdatasync import sync_for_ever
from appliance.recordings.following.folder import open_segment, rescan_when_due
from appliance.recordings.following.footage_facts import judge_for_ever, parts_came
from appliance.recordings.following.walks import read_claims
from appliance.recordings.segment_state import Seen, Segment

POLL_S: Final = 0.05
IDLE_POLL_S: Final = 0.25  # nothing came for a while: 200 silent channels cost 11 % of a core, not 20 %
_IDLE_AFTER_S: Final = 10.0  # longer than any part, so that no part of a running camera is seen late
_QUIET_S: Final = 0.3  # after this long without growth a file is asked whether it was closed
_DEFERRED_S: Final = 5.0  # as much as MediaMTX lets media time leap
_SUPERSEDED_S: Final = 1.0
_FRESH_US: Final = 2_000_000  # a first look this soon after the last write is as good as having seen it
_TICK_US: Final = 20_000  # mtimes are cut to the kernel's tick: 10 ms at worst
_WHOLE_S: Final = 3.0  # without growth for so long, and for two of its parts, a file is not being recorded
_IDLE_US: Final = 600_000_000  # one found at the start so long untouched need not be waited for
_BURST_SHARE: Final = 0.8  # a part that comes sooner than this after another did not come as it was filmed
_BURST_MAX_S: Final = 0.5
_RETRY_S: Final = 1.0
_LAST_LINES_S: Final = 0.5
UNSYNCED_US: Final = 300_000_000  # the kernel writes back within 30 s, a slow disk within minutes


async def follow_channel(followed: Followed) -> None:
    """Run until cancelled. `followed.loaded` is set once the channel's past is known."""
    with followed.scope:
        await _load(followed)
        followed.loaded.set()
        followed.shared.wake_rebuild.notify()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_look_for_ever, followed, name=f"recordings: {followed.channel.id}")
                nursery.start_soon(sync_for_ever, followed, name=f"recordings: sync {followed.channel.id}")
                nursery.start_soon(judge_for_ever, followed, name=f"recordings: judge {followed.channel.id}")
        finally:
            for one in followed.open.values():
                os.close(one.fd)
            followed.open.clear()
            with trio.move_on_after(_LAST_LINES_S, shield=True):
                await followed.append(followed.take_untold())


async def _load(followed: Followed) -> None:
    """The cache's word on every file that is still what it was; the rest waits to be walked."""
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
            followed.loaded.set()  # the others must not wait for this one
            await trio.sleep(_RETRY_S)
    channel.restore(remembered)
    found = listing.files
    followed.disk_id = remembered.disk
    followed.miss(disk.absent_at_start(remembered.facts, remembered.disks, listing))
    followed.device = listing.device
    followed.note_disk(listing)
    await followed.append(followed.take_untold())
    gap_us = ahead_of_wall_us(shared.clock)
    for name, one in found.items():
        written_us = one.mtime_ns // 1000 + gap_us
        has_changed = remembered.stamps.get(name, one.mtime_ns) != one.mtime_ns
        facts = remembered.facts.get(name)
        channel.discover(name, one.bytes, written_us, facts, has_changed=has_changed)
    if shared.after_cut:
        _suspect(channel)
    followed.listed = found
    try:
        if found and not followed.absent:
            await followed.read(followed.cache.tidy, remembered, found)
    except OSError as error:
        followed.disk_errors.record("index", error)
    newest = max(found, key=lambda name: (found[name].mtime_ns, name), default=None)
    if newest is not None and channel.segments[newest].facts is None and not shared.only_growing:
        segment = channel.segments[newest]
        is_old = shared.clock.now_us() - segment.written_us > _IDLE_US
        await open_segment(followed, segment, was_there=True, is_old=is_old)


def _suspect(channel: Channel) -> None:
    """The newest segments nobody has seen closed (and synced) were being written when the power went."""
    newest_us = max((each.written_us for each in channel.segments.values()), default=0)
    for segment in channel.segments.values():
        segment.is_suspect = segment.facts is None and newest_us - segment.written_us < UNSYNCED_US


# -- looking ----------------------------------------------------------------------------------------------


async def _look_for_ever(followed: Followed) -> None:
    while True:
        seen = followed.wake.count
        try:
            await rescan_when_due(followed)
            was_undecided = followed.is_undecided()
            for one in list(followed.open.values()):
                await _look(followed, one)
            if was_undecided and not followed.is_undecided():
                followed.shared.wake_rebuild.notify()
            await followed.append(followed.take_untold())
        except OSError as error:
            followed.disk_errors.record("recordings", error)
            followed.folder_mtime_ns = -1
            with trio.move_on_after(_RETRY_S):
                await followed.wake.wait_past(seen)
        with trio.move_on_after(_pause_s(followed)):
            await followed.wake.wait_past(seen)


def _pause_s(followed: Followed) -> float:
    part_s = followed.newest_part_s
    is_idle = part_s is None or trio.current_time() - part_s > _IDLE_AFTER_S
    return IDLE_POLL_S if is_idle else POLL_S


async def _look(followed: Followed, one: Open) -> None:
    """One fstat; reads only when there is something new."""
    now_s = trio.current_time()
    status = os.fstat(one.fd)
    if status.st_nlink == 0 or status.st_size < one.bytes:
        # deleted, replaced or begun anew behind our back: the rescan finds what is there
        await _drop(followed, one)
        return
    is_new = (status.st_size, status.st_mtime_ns) != (one.bytes, one.mtime_ns)
    if is_new:
        one.changed_s, one.asked_closed = now_s, False
    quiet_s = now_s - one.changed_s
    ask_closed = not one.asked_closed and (quiet_s >= _QUIET_S or one.is_first_look)
    if is_new or ask_closed:
        await _take(followed, one, status, ask_closed)
    is_over = one.is_closed or (quiet_s >= _SUPERSEDED_S and _is_superseded(followed, one))
    if one.segment.deferred is not None:
        waits = not is_over and followed.channel.clocks.has_nothing_beyond(one.segment)
        if quiet_s < (_DEFERRED_S if waits else _SUPERSEDED_S):
            return  # the next parts, or the next file's, may tell
        await _decide(followed, one)
    if followed.channel.clocks.is_held(one.segment):
        if is_over or _is_whole(followed, one, quiet_s):
            await read_claims(followed, one.segment)
            await _release(followed, one, followed.channel.conclude(one.segment))
        elif quiet_s >= _part_s(one.segment) * _BURST_SHARE or quiet_s >= _BURST_MAX_S:
            await _release(followed, one, followed.channel.settle(one.segment))
    if is_over:
        await _finish(followed, one)


async def _take(followed: Followed, one: Open, status: os.stat_result, ask_closed: bool) -> None:
    segment, channel = one.segment, followed.channel
    assert segment.index is not None
    now_us = followed.shared.clock.now_us()
    gap_us = ahead_of_wall_us(followed.shared.clock)
    written_us = _written_us(followed, one, status, now_us, gap_us)
    one.growths += status.st_size > one.bytes
    one.bytes, one.mtime_ns = status.st_size, status.st_mtime_ns
    one.looked_us, one.is_first_look = now_us, False
    one.asked_closed = one.asked_closed or ask_closed
    segment.bytes = status.st_size
    segment.written_us = followed.disk_clock.box_us(status.st_mtime_ns // 1000 + gap_us)
    while True:
        is_first = segment.index.end is None or channel.clocks.of(segment) is None
        cursor = segment.index.cursor
        seen = await followed.read(
            lambda: disk.look(  # awaited here
                one.fd,
                cursor,  # noqa: B023
                status.st_size,
                ask_closed=ask_closed,
                look_inside=segment.is_suspect,
            )
        )
        if not seen.head.startswith(one.head):
            await _drop(followed, one)
            return
        one.head = seen.head
        growth = seen.growth
        holes = len(segment.index.holes) + (len(growth.holes) if one.was_there else 0)
        made = channel.grow(
            segment, growth, Seen(None if growth.more else written_us, gap_us, may_be_burst=True)
        )
        await _give_times(followed, segment, made)
        if growth.parts and segment.deferred is None:
            await _tell_parts(followed, one, holes, len(growth.parts), is_first=is_first)
        if not growth.more:
            break
    one.is_closed, one.was_there = seen.is_closed, False
    followed.disk_errors.clear("recordings")


async def _release(followed: Followed, one: Open, made: Sequence[Knot]) -> None:
    """Frames that were held have times, if `made` says so."""
    if not made:
        return
    segment = one.segment
    assert segment.index is not None
    await _give_times(followed, segment, made)
    before = followed.channel.last_piece_before(segment)
    parts_came(followed, one, before, len(segment.index.holes), parts=len(segment.index.parts))
    await followed.append(followed.take_untold())
    followed.shared.changed.notify()


async def _decide(followed: Followed, one: Open) -> None:
    """Parts that waited for later ones get their times without them."""
    segment, channel = one.segment, followed.channel
    assert segment.index is not None and segment.deferred is not None
    is_first = segment.index.end is None
    holes, parts = len(segment.index.holes), len(segment.deferred.parts)
    await _give_times(followed, segment, channel.decide(segment))
    await _tell_parts(followed, one, holes, parts, is_first=is_first)


async def _tell_parts(followed: Followed, one: Open, holes: int, parts: int, *, is_first: bool) -> None:
    """`parts` were taken in; the file had `holes` before. `is_first`: it had nothing with a time."""
    channel, index = followed.channel, one.segment.index
    assert index is not None
    one.needs_sync = True
    if one.was_there:
        channel.written_us.setdefault(index.run_id, one.segment.written_us)
    else:
        channel.arrived_us.setdefault(index.run_id, followed.shared.clock.now_us())
    before = channel.last_piece_before(one.segment) if is_first else None
    parts_came(followed, one, before, holes, parts=parts)
    await followed.append(followed.take_untold())
    followed.shared.changed.notify()


def _part_s(segment: Segment) -> float:
    """The longest of the newest parts, s."""
    index = segment.index
    assert index is not None
    return (
        max((part.video_end - part.video_pts_min for part in index.parts[-3:]), default=0) / index.timescale
    )


async def _give_times(followed: Followed, segment: Segment, made: Sequence[Knot]) -> None:
    """Log the knots of an open segment before anybody hears of the times they give."""
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
    followed: Followed, one: Open, status: os.stat_result, now_us: int, gap_us: int
) -> int | None:
    """Box time at which the newest bytes were written: the file's own time, held against our looks.

    `gap_us`: by how much box time is ahead of the wall clock.
    """
    disk_clock = followed.disk_clock
    mtime_us = status.st_mtime_ns // 1000 + gap_us
    if not one.is_first_look:
        assert one.looked_us is not None
        if status.st_size > one.bytes:
            disk_clock.learn(mtime_us, one.looked_us, now_us)
        return max(one.looked_us, min(disk_clock.box_us(mtime_us), now_us))
    written_us = disk_clock.box_us(mtime_us)
    since_us = now_us - _FRESH_US
    if one.looked_us is not None:
        since_us = min(since_us, one.looked_us - _TICK_US)
    return min(written_us, now_us) if since_us <= written_us <= now_us + _TICK_US else None


def _is_whole(followed: Followed, one: Open, quiet_s: float) -> bool:
    """The file does not grow: a copy, or a recording whose recorder has gone."""
    if one.growths <= 1 and (one.is_old or followed.channel.clocks.disk_agrees(one.segment)):
        return True
    return quiet_s >= max(_WHOLE_S, 2 * _part_s(one.segment))


def _is_superseded(followed: Followed, one: Open) -> bool:
    """A file that grew later shows that the recorder is done with this one.

    A live one is given up only for its own successor or for one that is recorded too: a file that somebody
    copied beside it says nothing.
    """
    clocks = followed.channel.clocks
    is_live = clocks.is_live(one.segment)
    for other in followed.open.values():
        if other is one or other.segment.index is None or not other.segment.index.parts:
            continue
        if (other.changed_s, other.segment.name) <= (one.changed_s, one.segment.name):
            continue
        if clocks.is_held(other.segment):
            continue  # it has no times yet: whether something is missing between the two is not told yet
        is_recorded = other.growths > 1 or clocks.is_live(other.segment)
        if not is_live or is_recorded or _follows(one.segment, other.segment):
            return True
    return False


def _follows(one: Segment, other: Segment) -> bool:
    mine, its = one.facts, other.facts
    if mine is None or its is None or mine.number is None or its.number is None:
        return False
    return its.run_id == mine.run_id and its.number > mine.number


async def _drop(followed: Followed, one: Open) -> None:
    name = one.segment.name
    del followed.open[name]
    os.close(one.fd)
    followed.channel.forget(name)
    followed.listed.pop(name, None)
    followed.hinted = True
    await followed.append(forget_line(name))
    followed.shared.changed.notify()


async def _finish(followed: Followed, one: Open) -> None:
    channel, segment = followed.channel, one.segment
    channel.close(segment)
    facts, index = segment.facts, segment.index
    del followed.open[segment.name]
    try:
        if facts is not None and index is not None:
            # as it was when it was looked at: what came since shows in the next listing
            followed.listed[segment.name] = Found(one.bytes, one.mtime_ns, os.fstat(one.fd).st_ino)
            line = facts_line(facts) + stamp_line(segment.name, one.mtime_ns)
            await followed.read(disk.finish, one.fd, followed.cache, facts, index, line)
            followed.log_needs_sync = True
    except OSError as error:
        followed.disk_errors.record("index", error)
    finally:
        os.close(one.fd)
    for idle in idle_indexes(channel):
        idle.index = None
    followed.shared.changed.notify()


def idle_indexes(channel: Channel) -> list[Segment]:
    """Closed segments whose part list is in memory although they are older than KEEP_PARTS_US."""
    if channel.video_until_us is None:
        return []
    from_us = channel.video_until_us - KEEP_PARTS_US
    known = [each for each in channel.segments.values() if each.index is not None and not each.is_open]
    ends = [(each, channel.entry(each).end_us) for each in known]
    return [each for each, end_us in ends if end_us is None or end_us < from_us]
