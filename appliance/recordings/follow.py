"""Following one channel: its open files every 50 ms, its directory when it changes, the disk every second.

Owns: descriptors of open segments, when they were looked at, when a segment is over, gap and footage facts.
Must not know: other channels, who is told. State changes on the trio thread; what blocks runs in threads.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeVar

import trio

from appliance.kernel.clock import Clock, wall_us
from appliance.kernel.signal import Signal
from appliance.media.spans import Gap, Piece, gap_between
from appliance.media.table import facts_line, published_line
from appliance.recordings import disk
from appliance.recordings.cache import ChannelCache, lines_of
from appliance.recordings.channel import Channel, Seen, Segment
from appliance.recordings.disk import Found
from appliance.recordings.model import Fact, FootageChanged, FootageState, RecordingGap
from appliance.recordings.paths import open_recording

POLL_S: Final = 0.05
RESCAN_S: Final = 5.0  # names; truth even where directory times lie
RESTAT_S: Final = 30.0  # sizes of every file: a damaged one may have grown
SYNC_S: Final = 1.0
STALLED_S: Final = 3.0  # three parts of one second: MediaMTX's longest usual part
NONE_S: Final = 60.0
_QUIET_S: Final = 0.3  # after this long without growth a file is asked whether it was closed
_SUPERSEDED_S: Final = 1.0
_FRESH_US: Final = 2_000_000  # a first look this soon after the last write is as good as having seen it
_OPEN_MAX: Final = 3  # files followed at once; more at a time are an import, not a recording
_SAME_TICK_NS: Final = 50_000_000  # directory times are this coarse at worst: look again
_WORTH_TELLING_US: Final = 1_000_000  # shorter gaps are on the timeline, not in the journal
_RETRY_S: Final = 1.0

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Open:
    """An open segment. `looked_us` is box time of the last look, `changed_s` monotonic of the last change."""

    segment: Segment
    fd: int
    bytes: int = -1
    mtime_ns: int = 0
    looked_us: int | None = None
    changed_s: float = 0.0
    asked_closed: bool = False
    is_closed: bool = False
    needs_sync: bool = False
    was_there: bool = False  # at start: its holes were told in an earlier life


@dataclass(slots=True)
class Shared:
    """What all channels share."""

    recordings_dir: Path
    clock: Clock
    reads: trio.CapacityLimiter
    changed: Signal
    wake_rebuild: Signal
    tell: Callable[[Fact], None]


@dataclass(slots=True)
class Followed:
    """One followed channel and what is not in its index."""

    channel: Channel
    cache: ChannelCache
    latency_us: int
    shared: Shared
    wake: Signal = field(default_factory=Signal)
    loaded: trio.Event = field(default_factory=trio.Event)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    sync_thread: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(1))
    open: dict[str, Open] = field(default_factory=dict)
    listed: dict[str, Found] = field(default_factory=dict)
    folder_mtime_ns: int = -1
    rescanned_s: float = float("-inf")
    restated_s: float = float("-inf")
    hinted: bool = False
    newest_part_s: float | None = None
    durable_until_us: int | None = None
    log_needs_sync: bool = False
    state: FootageState = "none"
    open_gap_us: int | None = None  # capture time at which a gap was told that is not over
    error: str | None = None

    def path(self, name: str) -> str:
        return f"{self.channel.id}/{name}"

    async def read(self, job: Callable[..., T], *args: Any) -> T:
        """Run a media read in a thread of the reads' own limiter; a hung disk is left behind at the end."""
        return await trio.to_thread.run_sync(job, *args, limiter=self.shared.reads, abandon_on_cancel=True)

    async def append(self, lines: bytes) -> None:
        """Add to the log before what it says is told; a state disk that refuses does not stop the index."""
        if not lines:
            return
        try:
            await self.read(self.cache.append, lines)
            self.log_needs_sync = True
        except OSError as error:
            self.fail("index", error)

    def fail(self, what: str, error: OSError) -> None:
        """Say it once per reason; health shows it as long as it lasts."""
        said = f"{what}: {error.strerror or error}"
        if said != self.error:
            log.warning("channel %s: %s", self.channel.id, said)
        self.error = said


async def follow_channel(followed: Followed) -> None:
    """Run until cancelled. `followed.loaded` is set once the channel's past is known."""
    with followed.scope:
        await _load(followed)
        followed.loaded.set()
        followed.shared.wake_rebuild.ring()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_look_for_ever, followed, name=f"recordings: {followed.channel.id}")
                nursery.start_soon(_sync_for_ever, followed, name=f"recordings: sync {followed.channel.id}")
        finally:
            for one in followed.open.values():
                os.close(one.fd)
            followed.open.clear()


async def _load(followed: Followed) -> None:
    """The cache's word on every file that is still what it was; the rest waits to be walked."""
    channel, shared = followed.channel, followed.shared

    def load() -> tuple[Any, dict[str, Found]]:
        remembered = followed.cache.load()
        return remembered, disk.list_channel(shared.recordings_dir, channel.id, {})

    while True:
        try:
            remembered, found = await followed.read(load)
            break
        except OSError as error:
            followed.fail("recordings", error)
            await trio.sleep(_RETRY_S)
    channel.restore(remembered)
    gap_us = shared.clock.now_us() - wall_us()
    for name, one in found.items():
        written_us = one.mtime_ns // 1000 + gap_us
        channel.discover(name, one.bytes, written_us, remembered.facts.get(name))
    followed.listed = found
    try:
        await followed.read(followed.cache.tidy, remembered, found)
    except OSError as error:
        followed.fail("index", error)
    newest = max(found, key=lambda name: (found[name].mtime_ns, name), default=None)
    if newest is not None and channel.segments[newest].facts is None:
        await _open(followed, channel.segments[newest], was_there=True)


# -- looking ----------------------------------------------------------------------------------------------


async def _look_for_ever(followed: Followed) -> None:
    while True:
        seen = followed.wake.count
        try:
            await _rescan_when_due(followed)
            for one in list(followed.open.values()):
                await _look(followed, one)
        except OSError as error:
            followed.fail("recordings", error)
            followed.folder_mtime_ns = -1
            with trio.move_on_after(_RETRY_S):
                await followed.wake.wait_past(seen)
        _judge_footage(followed)
        with trio.move_on_after(POLL_S):
            await followed.wake.wait_past(seen)


async def _look(followed: Followed, one: Open) -> None:
    """One fstat; reads only when there is something new."""
    now_s = trio.current_time()
    status = os.fstat(one.fd)
    if status.st_nlink == 0:
        followed.hinted = True  # deleted behind our back: the rescan takes it out
        return
    is_new = (status.st_size, status.st_mtime_ns) != (one.bytes, one.mtime_ns)
    if is_new:
        one.changed_s, one.asked_closed = now_s, False
    quiet_s = now_s - one.changed_s
    ask_closed = not one.asked_closed and (quiet_s >= _QUIET_S or one.looked_us is None)
    if is_new or ask_closed:
        await _take(followed, one, status, ask_closed)
    if one.is_closed or (quiet_s >= _SUPERSEDED_S and _is_superseded(followed, one)):
        await _finish(followed, one)


async def _take(followed: Followed, one: Open, status: os.stat_result, ask_closed: bool) -> None:
    segment, channel = one.segment, followed.channel
    assert segment.index is not None
    gap_us = followed.shared.clock.now_us() - wall_us()
    written_us = _written_us(one, status.st_mtime_ns // 1000 + gap_us, followed.shared.clock.now_us())
    one.bytes, one.mtime_ns = status.st_size, status.st_mtime_ns
    one.looked_us = followed.shared.clock.now_us()
    one.asked_closed = one.asked_closed or ask_closed
    segment.bytes, segment.written_us = status.st_size, status.st_mtime_ns // 1000 + gap_us
    before = channel.last_piece_before(segment) if segment.index.end is None else None
    while True:
        cursor = segment.index.cursor
        seen = await followed.read(
            lambda: disk.look(one.fd, cursor, status.st_size, ask_closed=ask_closed)  # noqa: B023  # awaited here
        )
        growth = seen.growth
        holes = len(segment.index.holes) + (len(growth.holes) if one.was_there else 0)
        made = channel.grow(segment, growth, Seen(None if growth.more else written_us, gap_us))
        lines = lines_of(segment.index.run_id, made)
        if growth.parts and not segment.is_published:
            segment.is_published = True
            lines += published_line(segment.name)
        await followed.append(lines)
        if growth.parts:
            one.needs_sync = True
            _came(followed, one, before, holes)
            followed.shared.changed.ring()
        if not growth.more:
            break
    one.is_closed, one.was_there = seen.is_closed, False
    followed.error = None


def _written_us(one: Open, mtime_us: int, now_us: int) -> int | None:
    """Box time at which the newest bytes were written: the file's own time, held against our looks."""
    if one.looked_us is None:
        return mtime_us if now_us - mtime_us <= _FRESH_US else None
    return max(one.looked_us, min(mtime_us, now_us))


def _is_superseded(followed: Followed, one: Open) -> bool:
    """A later file has parts: the recorder is done with this one."""
    mine = one.segment
    return any(
        other.segment.index is not None
        and bool(other.segment.index.parts)
        and (other.segment.written_us, other.segment.name) > (mine.written_us, mine.name)
        for other in followed.open.values()
        if other is not one
    )


async def _finish(followed: Followed, one: Open) -> None:
    channel, segment = followed.channel, one.segment
    channel.close(segment)
    facts, index = segment.facts, segment.index
    del followed.open[segment.name]
    try:
        if facts is not None and index is not None:
            line = facts_line(facts)
            await followed.read(disk.finish, one.fd, followed.cache, facts, index, line)
            followed.log_needs_sync = True
    except OSError as error:
        followed.fail("index", error)
    finally:
        os.close(one.fd)
    for idle in list(channel.idle_indexes()):
        idle.index = None
    followed.shared.changed.ring()


# -- the directory ----------------------------------------------------------------------------------------


async def _rescan_when_due(followed: Followed) -> None:
    now_s = trio.current_time()
    mtime_ns = _folder_mtime_ns(followed)
    changed = mtime_ns != followed.folder_mtime_ns
    if not (changed or followed.hinted or now_s - followed.rescanned_s >= RESCAN_S):
        return
    followed.hinted = False
    followed.rescanned_s = now_s
    restat = now_s - followed.restated_s >= RESTAT_S
    if restat:
        followed.restated_s = now_s
    known = {} if restat else followed.listed
    found = await followed.read(disk.list_channel, followed.shared.recordings_dir, followed.channel.id, known)
    # what was written in the same tick as our listing would not show in the directory's time again
    followed.folder_mtime_ns = mtime_ns if wall_us() * 1000 - mtime_ns > _SAME_TICK_NS else -1
    await _compare(followed, found)


def _folder_mtime_ns(followed: Followed) -> int:
    try:
        return os.stat(followed.shared.recordings_dir / followed.channel.id).st_mtime_ns
    except FileNotFoundError:
        return 0


async def _compare(followed: Followed, found: dict[str, Found]) -> None:
    channel = followed.channel
    if found == followed.listed:
        return
    gone = [name for name in channel.segments if name not in found]
    for name in gone:
        channel.forget(name)
        if (one := followed.open.pop(name, None)) is not None:
            os.close(one.fd)
    if gone:
        await followed.read(followed.cache.forget, gone)
    gap_us = followed.shared.clock.now_us() - wall_us()
    now_ns = wall_us() * 1000
    fresh: list[Segment] = []
    changed = [
        (file.mtime_ns, name, file) for name, file in found.items() if followed.listed.get(name) != file
    ]
    for _, name, file in sorted(changed):
        segment = channel.segments.get(name)
        if segment is not None and (name in followed.open or segment.bytes == file.bytes):
            continue
        segment = channel.discover(name, file.bytes, file.mtime_ns // 1000 + gap_us, None)
        if now_ns - file.mtime_ns < NONE_S * 1e9:
            fresh.append(segment)
    followed.listed = found
    for segment in fresh[-_OPEN_MAX:]:
        await _open(followed, segment)
    if gone or len(fresh) > _OPEN_MAX or channel.waiting():
        followed.shared.changed.ring()
        followed.shared.wake_rebuild.ring()


async def _open(followed: Followed, segment: Segment, *, was_there: bool = False) -> None:
    try:
        fd = await followed.read(open_recording, followed.shared.recordings_dir, followed.path(segment.name))
    except OSError as error:
        followed.fail(segment.name, error)
        return
    followed.open[segment.name] = Open(segment, fd, was_there=was_there)
    followed.channel.opened(segment)


# -- facts ------------------------------------------------------------------------------------------------


def _came(followed: Followed, one: Open, before: Piece | None, holes_before: int) -> None:
    """Parts arrived: footage is on, and what was missing before them is told."""
    channel, segment = followed.channel, one.segment
    pieces = channel.pieces(segment)
    if not pieces or not channel.is_live(segment) or segment.facts is None:
        return
    followed.newest_part_s = trio.current_time()
    chain = pieces[-1 - max(0, len(segment.facts.holes) - holes_before) :]
    if before is not None:
        chain = [before, *chain]
    for left, right in pairwise(chain):
        gap = gap_between(left, right)
        if gap is not None and (gap.end_us or 0) - gap.start_us >= _WORTH_TELLING_US:
            _tell_gap(followed, gap)
    if followed.open_gap_us is not None:  # the parts were only late: nothing is missing after all
        start_us = followed.open_gap_us + followed.latency_us
        _tell_gap(followed, Gap(start_us, start_us, "discontinuity"))


def _tell_gap(followed: Followed, gap: Gap) -> None:
    """The end of a gap; one that was told when it began keeps the start it was told with."""
    late_us = followed.latency_us
    start_us = gap.start_us - late_us if followed.open_gap_us is None else followed.open_gap_us
    end_us = max(start_us, (gap.end_us or gap.start_us) - late_us)
    followed.open_gap_us = None
    followed.shared.tell(RecordingGap(followed.channel.id, start_us, end_us, gap.reason))


def _judge_footage(followed: Followed) -> None:
    age_s = None if followed.newest_part_s is None else trio.current_time() - followed.newest_part_s
    state: FootageState = "none"
    if age_s is not None and age_s < NONE_S:
        state = "on" if age_s < STALLED_S else "stalled"
    if state == followed.state:
        return
    was, followed.state = followed.state, state
    followed.shared.tell(FootageChanged(followed.channel.id, state))
    end_us = followed.channel.newest_end_us()
    if was == "on" and end_us is not None and followed.open_gap_us is None:
        followed.open_gap_us = end_us - followed.latency_us
        followed.shared.tell(RecordingGap(followed.channel.id, followed.open_gap_us, None, "source_lost"))
    followed.shared.changed.ring()


# -- durability -------------------------------------------------------------------------------------------


async def _sync_for_ever(followed: Followed) -> None:
    """MediaMTX never calls fsync (facts/reliability.md 2.5): we do, once a second while a file grows."""
    while True:
        await trio.sleep(SYNC_S)
        grown = [one for one in followed.open.values() if one.needs_sync]
        until_us = followed.channel.video_until_us
        if not grown and not followed.log_needs_sync:
            continue
        # duplicated: the look may close its own while a slow disk still writes
        fds = [os.dup(one.fd) for one in grown]
        for one in grown:
            one.needs_sync = False
        needs_log, followed.log_needs_sync = followed.log_needs_sync, False
        try:
            await trio.to_thread.run_sync(
                _sync,
                fds,
                followed.cache if needs_log else None,
                limiter=followed.sync_thread,
                abandon_on_cancel=True,
            )
            if grown:
                followed.durable_until_us = until_us
                followed.shared.changed.ring()
        except OSError as error:
            followed.fail("sync", error)


def _sync(fds: list[int], cache: ChannelCache | None) -> None:
    try:
        for fd in fds:
            os.fdatasync(fd)
        if cache is not None:
            cache.sync()
    finally:
        for fd in fds:
            os.close(fd)
