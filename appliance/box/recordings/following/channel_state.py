"""The state of one followed channel besides its index: open files, times of checks, announced facts.

Owns: the state that the tasks of a channel share, and running its media reads in threads. Must not know: what
the tasks do with it.
"""

from __future__ import annotations

import errno
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import trio

from appliance.box.recordings.channel.channel_index import ChannelIndex
from appliance.box.recordings.clocks.arrivals import DiskClock
from appliance.box.recordings.following import disk
from appliance.box.recordings.following.cache import ChannelCache
from appliance.box.recordings.following.disk import ListedFile
from appliance.box.recordings.model import Fact, FootageState
from appliance.box.recordings.segment_state import Segment
from appliance.kernel.clock import Clock
from appliance.kernel.retry import DiskErrors, RetrySchedule
from appliance.kernel.signal import Signal
from appliance.kernel.threads import in_thread
from appliance.media.index.spans import Outage, Reason, SegmentPiece
from appliance.media.index.table import disk_line, outage_line

DECIDED_S: Final = 10.0  # within this time an open file has shown whether it grows in real time
T = TypeVar("T")
WhyEnded = Callable[[str, float], Reason | None]
"""(channel id, trio time of its newest part) -> why no part has arrived since; None: not known beyond the
files."""


@dataclass(slots=True)
class OpenFile:
    """An open segment. `changed_s` is the monotonic time of the last change, `growths` the number of changes.

    `looked_us` is box time of the last check; of a file that has just appeared, that of the last listing
    without it; None: unknown since when its bytes exist.
    """

    segment: Segment
    fd: int
    head: bytes = b""  # of its first part: a different one means another file under the same inode
    bytes: int = -1
    mtime_ns: int = 0
    looked_us: int | None = None
    changed_s: float = 0.0
    growths: int = 0
    is_first_look: bool = True
    opened_s: float = field(default_factory=trio.current_time)
    asked_closed: bool = False
    is_closed: bool = False
    needs_sync: bool = False
    was_there: bool = False  # at start: its holes were announced by an earlier process
    is_old: bool = False  # at start it had not been written to for long


@dataclass(slots=True)
class LonePart:
    """The first part that came while a gap is open, and the state before it."""

    before: SegmentPiece | None
    holes_before: int


@dataclass(slots=True)
class IndexState:
    """State shared by all channels."""

    recordings_dir: Path
    clock: Clock
    reads: trio.CapacityLimiter
    changed: Signal
    wake_rebuild: Signal
    report: Callable[[Fact], None]
    after_cut: bool = False  # the machine was rebooted: bytes that were not synced may be gone
    why_ended: WhyEnded | None = None
    dies_with_us: bool = False  # this daemon is the recorder: a run of an earlier process ended with it
    only_growing: bool = False  # safe mode: an old file may have crashed the box; a growing one is live


@dataclass(slots=True)
class FollowedChannel:
    """One followed channel and its state besides the index."""

    channel: ChannelIndex
    cache: ChannelCache
    latency_us: int
    shared: IndexState
    wake: Signal = field(default_factory=Signal)
    loaded: trio.Event = field(default_factory=trio.Event)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    sync_thread: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(1))
    open: dict[str, OpenFile] = field(default_factory=dict)
    listed: dict[str, ListedFile] = field(default_factory=dict)
    device: int | None = None  # the device with the files of `listed` that are not away
    disk_id: str | None = None  # the file system that the log names last
    # of each disk not mounted now: its files and device
    away: tuple[tuple[frozenset[str], int | None], ...] = ()
    folder_mtime_ns: int = -1
    folder_changed_s: float = float("-inf")  # since when the folder has that mtime
    listed_us: int | None = None  # box time of the last listing
    disk_clock: DiskClock = field(default_factory=DiskClock)
    rescanned_s: float = float("-inf")
    restated_s: float = float("-inf")
    hinted: bool = False
    newest_part_s: float | None = None
    durable_until_us: int | None = None
    durable_is_final: bool = False  # a sync of footage has failed in this run
    log_needs_sync: bool = False
    state: FootageState = "none"
    open_gap_us: int | None = None  # capture time of the start of an announced gap that has not ended
    lone: LonePart | None = None
    unwritten: bytes = b""  # log lines of a task that must not write; the checking task writes them
    retries: RetrySchedule = field(default_factory=RetrySchedule)  # segments that the disk failed to read
    disk_errors: DiskErrors = field(init=False)
    folder: str = field(init=False)  # used 20 times a second: not built each time

    def __post_init__(self) -> None:
        self.folder = str(self.shared.recordings_dir / self.channel.id)
        self.disk_errors = DiskErrors(f"recordings of {self.channel.id}")

    def report_outage(self, start_us: int, reason: Reason) -> None:
        """Footage stopped at this wall time. The reason announced first is kept permanently."""
        outage = Outage(start_us, reason)
        insort(self.channel.outages, outage)
        self.unwritten += outage_line(outage)

    def why_ended(self) -> Reason | None:
        """The present reason from other modules why no footage comes."""
        why, at_s = self.shared.why_ended, self.newest_part_s
        return why(self.channel.id, at_s) if why is not None and at_s is not None else None

    def last_ended(self) -> Reason:
        """Why the newest run ended, if no reason was announced yet."""
        run = self.channel.newest_run()
        if self.shared.dies_with_us and run is not None and run.run_id not in self.channel.arrived_us:
            return "recorder_restart"
        return self.why_ended() or "source_lost"

    def take_unwritten(self) -> bytes:
        lines, self.unwritten = self.unwritten, b""
        return lines

    def is_undecided(self) -> bool:
        """Whether a file is open of which it will soon be known whether it is being recorded.

        Its recorder's clock error applies to older files too: they wait for it.
        """
        soon_s = trio.current_time() - DECIDED_S
        is_held = self.channel.clocks.is_held
        return any(
            open_file.opened_s > soon_s and (open_file.is_first_look or is_held(open_file.segment))
            for open_file in self.open.values()
        )

    def mtime_ns(self, name: str) -> int | None:
        """The file's mtime at the last listing of the folder."""
        listed = self.listed.get(name)
        return listed.mtime_ns if listed is not None else None

    def path(self, name: str) -> str:
        return f"{self.channel.id}/{name}"

    def there(self, listing: disk.Listing) -> dict[str, ListedFile]:
        """The files on the disk; while a disk is away, the files that were on it and those found in its
        place.

        Each disk is judged separately: one may be removed while another is away.
        """
        self.note_disk(listing)
        here = frozenset(self.listed.keys() - self.absent)
        away = [*self.away, (here, self.device)]
        away = [each for each in away if disk.is_other_disk(*each, listing)]
        if listing.device is not None:  # a disk mounted later may get the device number of one that is away
            away = [(names, None) for names, _ in away]
        self.away, self.device = tuple(away), listing.device
        if not self.away:
            self.disk_errors.clear("mount")
            self.disk_errors.clear("recordings")
            return listing.files
        self._record_absent_disk()
        absent = self.absent
        return {**{name: file for name, file in self.listed.items() if name in absent}, **listing.files}

    @property
    def absent(self) -> frozenset[str]:
        """Recordings on disks that are not mounted now."""
        return frozenset[str]().union(*(names for names, _ in self.away))

    def miss(self, names: frozenset[str]) -> None:
        """At a start the disk with these recordings is not there; they are neither forgotten nor searched
        elsewhere."""
        self.away = ((names, None),) if names else ()
        self._record_absent_disk()

    def _record_absent_disk(self) -> None:
        if names := self.absent:
            reason = (
                f"the disk with {len(names)} recordings is not mounted; if it was replaced for good, move the"
                f" folder index/{self.channel.id} out of the state folder and restart"
            )
            self.disk_errors.record("mount", OSError(errno.ENODEV, reason))

    def note_disk(self, listing: disk.Listing) -> None:
        """Have the log store on which file system the files of later lines are."""
        if listing.files and listing.disk is not None and listing.disk != self.disk_id:
            self.disk_id = listing.disk
            self.unwritten += disk_line(listing.disk)

    async def read(self, job: Callable[..., T], *args: Any) -> T:
        """Run a media read in a thread of the reads' limiter; a hung disk is abandoned when the task ends."""
        return await in_thread(job, *args, limiter=self.shared.reads, abandon_on_cancel=True)

    async def append(self, lines: bytes) -> None:
        """Append to the log before its content is announced; a failing state disk does not stop the index."""
        if not lines:
            return
        try:
            await self.read(self.cache.append, lines)
            self.log_needs_sync = True
            self.disk_errors.clear("index")
        except OSError as error:
            self.disk_errors.record("index", error)
