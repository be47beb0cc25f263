"""The actor that keeps the index of all recordings, and the handle through which other modules query it.

Owns: which channels are followed, folders without a channel, announcing facts. Must not know: clips,
sessions, who records. The disk decides: directory times are hints, a rescan repairs.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from typing import Final

import structlog
import trio

from appliance.box.recordings.channel.channel_index import ChannelIndex
from appliance.box.recordings.channel.shown import MediaSpan, digest, standing
from appliance.box.recordings.following import disk
from appliance.box.recordings.following.cache import ChannelCache
from appliance.box.recordings.following.channel_state import FollowedChannel, IndexState, WhyEnded
from appliance.box.recordings.following.follow_channel import follow_channel
from appliance.box.recordings.following.paths import open_recording, unlink_segments
from appliance.box.recordings.following.walks import Walks, walk_in_background
from appliance.box.recordings.model import ChannelFootage, Fact, FootageState, StoredSegment
from appliance.box.recordings.storage import bytes_per_s, stored_segments
from appliance.box.recordings.summary import footage_of
from appliance.kernel.clock import Clock
from appliance.kernel.errors import Unavailable
from appliance.kernel.retry import Backoff
from appliance.kernel.signal import Signal
from appliance.kernel.threads import in_thread
from appliance.media.index.spans import Gap, Standing, TimelineCoverage
from appliance.media.index.view import SegmentView

READS: Final = 16  # threads of media reads: API calls have others, and never wait for these
FACTS_MAX: Final = 1000  # facts not yet announced while the database is away; above it the oldest are dropped
_QUIET_S: Final = 1.5  # longer than any part
_FOLDERS_S: Final = 5.0
_FORGET_S: Final = 5.0  # the next listing comes within 0.1 s; on a disk that hangs, later
_START_S: Final = 5.0  # seconds: a disk that hangs must not prevent marks

Announce = Callable[[Fact], Awaitable[None]]
log = structlog.get_logger("recordings")


@dataclass(slots=True)
class _State:
    followed: dict[str, FollowedChannel] = field(default_factory=dict)
    wanted: dict[str, int] = field(default_factory=dict)
    strangers: tuple[str, ...] = ()
    facts: deque[Fact] = field(default_factory=lambda: deque(maxlen=FACTS_MAX))
    facts_rang: Signal = field(default_factory=Signal)
    wanted_rang: Signal = field(default_factory=Signal)
    hint_rang: Signal = field(default_factory=Signal)
    hold: trio.Event | None = None  # safe mode: no channel is followed until it is set


@dataclass(frozen=True, slots=True)
class RecordingsHandle:
    """Answers from memory except where async. Instants are wall times (latency not taken off), int us.

    A channel that is not followed is a channel without footage. Call on the trio thread, except `open_fd`.
    """

    changed: Signal  # notified when footage was indexed, lost or found
    reads: trio.CapacityLimiter  # threads for media reads: a hung disk blocks no API call
    recordings_dir: Path
    _state: _State
    _walks: Walks
    _clock: Clock

    def want(self, channels: Mapping[str, int]) -> None:
        """Follow exactly these channels (id -> latency_ms) from now on; others are not disturbed."""
        self._state.wanted = dict(channels)
        for channel_id, latency_ms in channels.items():
            if (followed := self._state.followed.get(channel_id)) is not None:
                followed.latency_us = latency_ms * 1000
        self._state.wanted_rang.notify()

    def rescan_now(self, channel_id: str | None = None) -> None:
        """A hint that a file appeared or disappeared (MediaMTX's hooks)."""
        for channel_state in self._state.followed.values():
            if channel_id is None or channel_state.channel.id == channel_id:
                channel_state.hinted = True
                channel_state.wake.notify()
        self._state.hint_rang.notify()

    def channel_ids(self) -> list[str]:
        return list(self._state.followed)

    def strangers(self) -> tuple[str, ...]:
        """Folders under recordings_dir without a channel, for /readyz."""
        return self._state.strangers

    def footage(self, channel_id: str) -> ChannelFootage:
        """The state of one channel. Raises KeyError for one that is not followed."""
        return footage_of(self._state.followed[channel_id])

    def footage_state(self, channel_id: str) -> FootageState:
        state = self._state.followed.get(channel_id)
        return state.state if state is not None else "none"

    def video_until_us(self, channel_id: str) -> int | None:
        """Every frame before this wall time is indexed; None: no footage at all."""
        state = self._state.followed.get(channel_id)
        return state.channel.video_until_us if state is not None else None

    def durable_until_us(self, channel_id: str) -> int | None:
        """Every frame before this wall time also survives a power cut; None: nothing was synced yet."""
        state = self._state.followed.get(channel_id)
        return state.durable_until_us if state is not None else None

    def last_part_mono(self, channel_id: str) -> float | None:
        """trio time at which the newest part with video arrived; None: none since the daemon started."""
        state = self._state.followed.get(channel_id)
        return state.newest_part_s if state is not None else None

    def newest_part_age_s(self, channel_id: str) -> float | None:
        """Seconds since `last_part_mono`."""
        at_s = self.last_part_mono(channel_id)
        return None if at_s is None else trio.current_time() - at_s

    def run_begun_after(self, channel_id: str, instant_us: int) -> bool:
        """True when a recorder run began after this wall time: footage missing before it will not arrive."""
        state = self._state.followed.get(channel_id)
        return state is not None and state.channel.run_begun_after(instant_us)

    def coverage(self, channel_id: str, start_us: int, end_us: int) -> TimelineCoverage:
        """Spans, gaps with reasons and runs of [start_us, end_us) of wall time."""
        state = self._state.followed.get(channel_id)
        if state is None:
            return TimelineCoverage((), (), ())
        return state.channel.coverage(
            start_us, end_us, is_live=state.state == "on", last_ended=state.last_ended()
        )

    def gaps(self, channel_id: str, start_us: int, end_us: int) -> Sequence[Gap]:
        """The gaps of [start_us, end_us) of wall time, with their reasons.

        A channel without new parts for a while counts as stopped, before "stalled" is announced.
        """
        state = self._state.followed.get(channel_id)
        if state is None:
            return ()
        age_s = self.newest_part_age_s(channel_id)
        is_live = state.state == "on" and age_s is not None and age_s < _QUIET_S
        return state.channel.coverage(start_us, end_us, is_live=is_live, last_ended=state.last_ended()).gaps

    def run_changes(self, channel_id: str) -> int:
        """How often recording restarted within the last minute, or the last one that was recorded."""
        state = self._state.followed.get(channel_id)
        return (
            0 if state is None else state.channel.run_changes(self._clock.now_us(), is_on=state.state == "on")
        )

    def covered_us(self, channel_id: str, start_us: int, end_us: int) -> int:
        """How much of [start_us, end_us) of wall time has video, us."""
        return sum(span.end_us - span.start_us for span in self.coverage(channel_id, start_us, end_us).spans)

    def known(self, channel_id: str, start_us: int, end_us: int) -> str:
        """A digest of the index's state for [start_us, end_us) of wall time: changes when there is other
        video, or the same at other times, or another reason for missing video."""
        state, known = self._state.followed.get(channel_id), self.coverage(channel_id, start_us, end_us)
        return "" if state is None else digest(state.channel, known, start_us, end_us)

    def standing(
        self, channel_id: str, cut_from: Sequence[MediaSpan], start_us: int, end_us: int
    ) -> Standing:
        """Whether a clip of [start_us, end_us) of wall time would still get the footage it was cut from."""
        state = self._state.followed.get(channel_id)
        shown = self.coverage(channel_id, start_us, end_us).spans
        return "replaced" if state is None else standing(state.channel, cut_from, shown, start_us, end_us)

    def take_moved(self) -> Mapping[str, Sequence[tuple[int, int]]]:
        """By channel, spans of wall time with files added, deleted or moved since the last call."""
        moved: dict[str, Sequence[tuple[int, int]]] = {}
        for channel_id, state in self._state.followed.items():
            longest_us = state.channel.longest_us  # the file before one that moves is stretched up to it
            if starts := state.channel.order.take_moved():
                moved[channel_id] = [(at_us - longest_us, at_us + longest_us) for at_us in starts]
        return moved

    async def views(self, channel_id: str, start_us: int, end_us: int) -> Sequence[SegmentView]:
        """The segments a plan of [start_us, end_us) of wall time needs, with the one before.

        Loads tables, and walks a segment that is not walked yet, in a thread. Raises OSError.
        """
        state = self._state.followed.get(channel_id)
        return [] if state is None else await self._walks.views(state, start_us, end_us)

    async def find_keys(self, channel_id: str, start_us: int, end_us: int) -> None:
        """Load the keys that make `coverage` of this span exact where runs overlap. Raises OSError."""
        if (state := self._state.followed.get(channel_id)) is not None:
            await self._walks.find_keys(state, start_us, end_us)

    def newest_view(self, channel_id: str) -> SegmentView | None:
        """The newest segment with video at this moment, for live video; None: none in memory."""
        state = self._state.followed.get(channel_id)
        for segment in state.channel.newest_first()[:4] if state is not None else ():
            if state is None or segment.name in state.channel.copies.ignored:
                continue
            clock = state.channel.clock_of(segment)
            if segment.index is not None and segment.index.keys and clock is not None:
                return segment.index.view(f"{channel_id}/{segment.name}", clock)
        return None

    @property
    def is_held(self) -> bool:
        """Whether no channel is followed yet (safe mode)."""
        return self._state.hold is not None and not self._state.hold.is_set()

    def open_fd(self, name: str) -> int:
        """Descriptor of a recording by its name in a plan. Blocking.

        Raises FileNotFoundError when it is gone, ENODEV while the disk it is on is away, other OSErrors.
        """
        try:
            return open_recording(self.recordings_dir, name)
        except FileNotFoundError:
            channel_id, _, segment = name.partition("/")
            state = self._state.followed.get(channel_id)
            is_away = segment in state.absent if state is not None else self._is_a_disk_away()
            if not is_away:
                raise
            raise OSError(errno.ENODEV, "the disk of this recording is not mounted", name) from None

    def _is_a_disk_away(self) -> bool:
        """For a channel that is not followed it is unknown which files there were."""
        return any(state.absent for state in self._state.followed.values())

    def stored(self, channel_id: str) -> Iterator[StoredSegment]:
        """Every file of the channel, oldest first. May be paused and resumed: files added meanwhile are not
        included."""
        state = self._state.followed.get(channel_id)
        return iter(()) if state is None else stored_segments(state.channel, self._clock.now_us())

    def bytes_per_s(self, channel_id: str) -> float:
        """The channel's write rate over the last minutes; 0.0 when it is not being recorded."""
        state = self._state.followed.get(channel_id)
        return 0.0 if state is None else bytes_per_s(state.channel, self._clock.now_us())

    async def remove(self, channel_id: str, names: Sequence[str]) -> None:
        """Delete these files of the channel (`<channel id>/<file>`), durably, and wait until the index has
        forgotten them (5 s at most, on a disk that hangs).

        No gap is announced: the recording was not interrupted. Raises OSError.
        """
        segments = [name.removeprefix(f"{channel_id}/") for name in names]
        await in_thread(unlink_segments, self.recordings_dir, channel_id, segments, limiter=self.reads)
        self.rescan_now(channel_id)
        if (state := self._state.followed.get(channel_id)) is not None:
            with trio.move_on_after(_FORGET_S):
                await _forgotten(state, segments)

    def statistics(self) -> dict[str, int]:
        """Figures for health: facts not announced, segments waiting to be walked."""
        waiting = sum(state.channel.unwalked() for state in self._state.followed.values())
        return {"facts_pending": len(self._state.facts), "segments_waiting": waiting}


async def run_recordings(
    *,
    recordings_dir: Path,
    index_dir: Path,
    channels: Mapping[str, int],
    clock: Clock,
    name_timezone: tzinfo,
    announce: Announce,
    after_cut: bool = False,
    why_ended: WhyEnded | None = None,
    dies_with_us: bool = False,
    hold: trio.Event | None = None,
    hold_old: trio.Event | None = None,
    task_status: trio.TaskStatus[RecordingsHandle] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Follow `channels` (id -> latency_ms) under `recordings_dir` until cancelled.

    Start: `started(handle)` once the past of every channel is loaded from the cache, after 5 s at the latest;
    files that the cache does not have are walked in the background. `announce` is awaited with one fact at a
    time, in order; Unavailable is retried. `after_cut`: the machine was rebooted, and the newest files may
    have lost bytes that were not synced. `why_ended`: returns why a channel's footage stopped.
    `dies_with_us`: this daemon records. Until `hold` is set (safe mode) no channel is followed, and until
    `hold_old` is set only growing files are read. Stop: cancel. Also raises what `announce` raises.
    """
    state = _State(wanted=dict(channels))
    walks = Walks(Signal(), hold_old)
    reads = trio.CapacityLimiter(READS)

    def report(fact: Fact) -> None:
        state.facts.append(fact)
        state.facts_rang.notify()

    shared = IndexState(
        recordings_dir,
        clock,
        reads,
        Signal(),
        walks.wake,
        report,
        after_cut,
        why_ended,
        dies_with_us,
        only_growing=hold_old is not None and not hold_old.is_set(),
    )
    handle = RecordingsHandle(shared.changed, reads, recordings_dir, state, walks, clock)
    async with trio.open_nursery() as nursery:
        if hold is not None and not hold.is_set():
            task_status.started(handle)
            task_status, state.hold = trio.TASK_STATUS_IGNORED, hold
            await hold.wait()
        follow_wanted = _Follow(state, shared, index_dir, name_timezone, nursery)
        begun = follow_wanted.adjust()
        nursery.start_soon(_announce_for_ever, state, announce, name="recordings: facts")
        with trio.move_on_after(_START_S):
            for channel_state in begun:
                await channel_state.loaded.wait()
        nursery.start_soon(walk_in_background, state.followed, walks, name="recordings: walks")
        nursery.start_soon(_adjust_for_ever, follow_wanted, name="recordings: channels")
        nursery.start_soon(_name_strangers, state, shared, name="recordings: folders")
        task_status.started(handle)


@dataclass(frozen=True, slots=True)
class _Follow:
    """Starts and ends the tasks of each channel."""

    state: _State
    shared: IndexState
    index_dir: Path
    zone: tzinfo
    nursery: trio.Nursery

    def adjust(self) -> list[FollowedChannel]:
        """Follow exactly the wanted channels; returns those started."""
        followed, wanted = self.state.followed, self.state.wanted
        for channel_id in [each for each in followed if each not in wanted]:
            followed.pop(channel_id).scope.cancel(reason="the channel is not wanted any more")
        begun = []
        for channel_id, latency_ms in wanted.items():
            if channel_id not in followed:
                channel = FollowedChannel(
                    ChannelIndex(channel_id, self.zone),
                    ChannelCache(self.index_dir / channel_id),
                    latency_ms * 1000,
                    self.shared,
                )
                followed[channel_id] = channel
                self.nursery.start_soon(follow_channel, channel, name=f"recordings: {channel_id}")
                begun.append(channel)
        return begun


async def _forgotten(followed: FollowedChannel, names: Iterable[str]) -> None:
    """Wait until the index has none of these files, except those on a disk that is not mounted."""
    while any(name in followed.channel.segments and name not in followed.absent for name in names):
        await followed.shared.changed.wait_past(followed.shared.changed.count)


async def _adjust_for_ever(follow: _Follow) -> None:
    seen = -1
    while True:
        seen = await follow.state.wanted_rang.wait_past(seen)
        follow.adjust()
        follow.state.hint_rang.notify()


async def _name_strangers(state: _State, shared: IndexState) -> None:
    """List regularly which folders have no channel."""
    while True:
        seen = state.hint_rang.count
        try:
            folders = await in_thread(
                disk.list_folders, shared.recordings_dir, limiter=shared.reads, abandon_on_cancel=True
            )
            state.strangers = tuple(name for name in folders if name not in state.wanted)
        except OSError as error:
            log.warning("recordings_dir_not_listed", reason=str(error))
        with trio.move_on_after(_FOLDERS_S):
            await state.hint_rang.wait_past(seen)


async def _announce_for_ever(state: _State, announce: Announce) -> None:
    backoff = Backoff()
    while True:
        seen = state.facts_rang.count
        while state.facts:
            fact = state.facts[0]
            try:
                await announce(fact)
            except Unavailable:
                await trio.sleep(backoff.next_s())
                continue
            backoff.reset()
            if state.facts and state.facts[0] is fact:  # else it was dropped meanwhile
                state.facts.popleft()
        await state.facts_rang.wait_past(seen)
