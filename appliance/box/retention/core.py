"""What is deleted next, and why. Pure: rows, files and free bytes in, a decision out.

Order: raw footage older than raw_days; below min_free the oldest raw footage, then unfavourited clips older
than clip_days; below the reserve the oldest raw footage whatever its age, that of sessions last. Never:
favourites and exports, files that grow, footage a clip still needs. A limit that the disk would not meet with
all recordings deleted has no effect: it is a mistake in the settings, or other files fill the disk. Wall
times throughout (latency not taken off), int us.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from appliance.box.recordings.model import StoredSegment

WRITE_FIRST_MAX: Final = 16  # clips whose files are written before the next decision
LOOK_S: Final = 10.0
LOOK_MIN_S: Final = 2.0
FOR_EVER: Final = 1 << 62
# Kept free when a limit cannot be met: a recorder of ten cameras needs space for minutes, not hours.
FLOOR_BYTES: Final = 1_000_000_000
HOURS_WARN: Final = 3.0
# /readyz is red below this, as Frigate frees space when less than an hour of recording is left
HOURS_BAD: Final = 1.0


class Reason(StrEnum):
    """Why something was deleted: the setting that required it."""

    RAW_DAYS = "raw_days"
    MIN_FREE = "min_free_gb"
    CLIP_DAYS = "clip_days"
    RESERVE = "reserve_gb"


@dataclass(frozen=True, slots=True)
class RetentionLimits:
    """The settings, in bytes and us."""

    min_free_bytes: int
    reserve_bytes: int
    raw_us: int
    clip_us: int
    guard_us: int


class ChannelStretch(NamedTuple):
    """[start_us, end_us) of one channel."""

    channel_id: str
    start_us: int
    end_us: int


class Pin(NamedTuple):
    """A plan without a file of its own. `is_needed`: its clip plays it now."""

    clip_id: str
    media_rev: int
    is_needed: bool


@dataclass(frozen=True, slots=True)
class OldClip:
    """A clip with files. `is_kept`: a favourite, or an export. `is_guarded`: its session is guarded.

    `is_forgotten`: the box closed it and it was never viewed; it may be new, and have no file.
    """

    clip_id: str
    created_us: int
    bytes: int
    is_kept: bool
    is_guarded: bool
    is_forgotten: bool = False

    @property
    def may_go_first(self) -> bool:
        return self.is_forgotten and not self.is_kept and not self.is_guarded


class Stretches:
    """Which stretches overlap another one: those of a channel, sorted and joined."""

    def __init__(self, stretches: Iterable[ChannelStretch] = ()) -> None:
        self._starts: dict[str, list[int]] = {}
        self._ends: dict[str, list[int]] = {}
        for channel_id, start_us, end_us in sorted(stretches):
            starts, ends = self._starts.setdefault(channel_id, []), self._ends.setdefault(channel_id, [])
            if ends and start_us <= ends[-1]:
                ends[-1] = max(ends[-1], end_us)
            else:
                starts.append(start_us)
                ends.append(end_us)

    def touch(self, segment: StoredSegment) -> bool:
        """Whether one of the stretches overlaps the segment. An empty file, of which only the start is known,
        counts as one microsecond long."""
        starts = self._starts.get(segment.channel_id)
        if not starts:
            return False
        before = bisect_left(starts, max(segment.end_us, segment.start_us + 1)) - 1
        return before >= 0 and self._ends[segment.channel_id][before] > segment.start_us


@dataclass(frozen=True, slots=True)
class Holds:
    """What must be kept according to the rows."""

    sessions: Stretches = field(default_factory=Stretches)  # running, or ended less than the guard ago
    unfinished: Stretches = field(default_factory=Stretches)  # clips still to be cut
    pins: Mapping[str, tuple[Pin, ...]] = field(default_factory=dict)  # by recording
    condemned: frozenset[str] = frozenset()  # journaled as deleted already
    # new channels: recordings older than this wait (first_seen.py)
    met_us: Mapping[str, int] = field(default_factory=dict)
    wanted: Stretches = field(default_factory=Stretches)  # by other domains: stays beyond its days

    def needed(self, segment: StoredSegment) -> bool:
        """Whether it must be kept in any case: it is still growing, or a clip would lose its footage."""
        return (
            segment.is_growing
            or segment.name in self.condemned
            or self.unfinished.touch(segment)
            or any(pin.is_needed for pin in self.pins.get(segment.name, ()))
        )

    def held(self, segment: StoredSegment) -> bool:
        """Whether it is kept unless the free space falls below the reserve."""
        return (
            self.needed(segment)
            or segment.name in self.pins
            or segment.written_us < self.met_us.get(segment.channel_id, 0)
            or self.sessions.touch(segment)
        )

    def allow(self, segment: StoredSegment, reason: Reason) -> bool:
        """The final check, with fresh rows, in the transaction that condemns it."""
        if reason is Reason.RAW_DAYS and self.wanted.touch(segment):
            return False
        return not (self.needed(segment) if reason is Reason.RESERVE else self.held(segment))


@dataclass(frozen=True, slots=True)
class RetentionInput:
    """The input of a decision. `clips_free_bytes` None: clips are on the recordings' disk."""

    now_us: int
    free_bytes: int
    clips_free_bytes: int | None
    footage: Sequence[StoredSegment]
    clips: Sequence[OldClip]
    holds: Holds
    # plans whose file could not be written at the last try
    unwritable: frozenset[tuple[str, int]] = frozenset()


class Doomed(NamedTuple):
    segment: StoredSegment
    reason: Reason


@dataclass(frozen=True, slots=True)
class RetentionDecision:
    """In this order: delete `footage` and `clips`; write the files of `write_first`, and decide again.

    `short_bytes` is what min_free still lacks after all of it; `deletable_bytes` what the rules other than
    the reserve could still free after it. `unmet`: limits without effect, because the disk would not meet
    them with all recordings deleted.
    """

    footage: tuple[Doomed, ...]
    clips: tuple[OldClip, ...]
    write_first: tuple[Pin, ...]
    short_bytes: int
    deletable_bytes: int
    unmet: tuple[Reason, ...] = ()
    again: bool = False  # clips are deleted for which recordings were kept: decide again afterwards


def decide(view: RetentionInput, limits: RetentionLimits) -> RetentionDecision:
    """See the module. Stops as soon as the target is met."""
    return _Deciding(view, limits).decide()


class _Deciding:
    """One decision while it is computed."""

    def __init__(self, view: RetentionInput, limits: RetentionLimits) -> None:
        self.view, self.limits = view, limits
        self.order = sorted(
            view.footage, key=lambda segment: (segment.end_us, segment.start_us, segment.name)
        )
        self.doomed: dict[str, Doomed] = {}
        self.clips: list[OldClip] = []
        self.write_first: dict[Pin, None] = {}
        self.free_bytes = view.free_bytes
        self.attainable_bytes = view.free_bytes + sum(segment.bytes for segment in view.footage)
        if view.clips_free_bytes is None:
            self.attainable_bytes += sum(clip.bytes for clip in view.clips)
        self.unmet: list[Reason] = []
        self.forgotten = {clip.clip_id: clip for clip in view.clips if clip.is_forgotten}
        self.again = False

    def decide(self) -> RetentionDecision:
        min_free_bytes = self._aim(Reason.MIN_FREE, self.limits.min_free_bytes)
        reserve_bytes = self._aim(Reason.RESERVE, self.limits.reserve_bytes)
        self._expired()
        self._forgotten_files(min_free_bytes)
        self._oldest(Reason.MIN_FREE, min_free_bytes, self.order)
        if not self.write_first and not self.again:
            self._old_clips()
            in_session = self.view.holds.sessions.touch
            others_first = sorted(self.order, key=in_session)  # stable: the oldest first in each half
            self._oldest(Reason.RESERVE, reserve_bytes, others_first)
        left = [
            segment
            for segment in self.order
            if segment.name not in self.doomed and not self.view.holds.held(segment)
        ]
        return RetentionDecision(
            footage=tuple(self.doomed.values()),
            clips=tuple(self.clips),
            write_first=tuple(self.write_first)[:WRITE_FIRST_MAX],
            short_bytes=max(0, min_free_bytes - self.free_bytes),
            deletable_bytes=sum(segment.bytes for segment in left),
            unmet=tuple(self.unmet),
            again=self.again,
        )

    def _aim(self, reason: Reason, limit_bytes: int) -> int:
        """The limit, or the floor if the limit could not be met by deleting everything."""
        if limit_bytes <= max(self.attainable_bytes, FLOOR_BYTES):
            return limit_bytes
        self.unmet.append(reason)
        return FLOOR_BYTES

    def _expired(self) -> None:
        """Footage copied to the box recently counts as recent: its age is that of the copy."""
        before_us = self.view.now_us - self.limits.raw_us
        for segment in self.order:
            if max(segment.end_us, segment.written_us) > before_us:
                continue
            if self.view.holds.allow(segment, Reason.RAW_DAYS):
                self._doom(segment, Reason.RAW_DAYS)
            elif not self.view.holds.wanted.touch(segment):
                self._clears(segment, Reason.RAW_DAYS)

    def _forgotten_files(self, aim_bytes: int) -> None:
        """Before any footage: files of clips that the box closed and that were never viewed."""
        if self.view.clips_free_bytes is not None:
            return
        for clip in sorted(self.forgotten.values(), key=lambda each: (each.created_us, each.clip_id)):
            if self.free_bytes < aim_bytes and clip.bytes and clip.may_go_first:
                self.clips.append(clip)
                self.free_bytes += clip.bytes

    def _oldest(self, reason: Reason, aim_bytes: int, order: Sequence[StoredSegment]) -> None:
        for segment in order:
            if self.free_bytes >= aim_bytes:
                return
            if segment.name in self.doomed:
                continue
            if self.view.holds.allow(segment, reason):
                self._doom(segment, reason)
            elif self._clears(segment, reason):
                return  # this one is next, once its clips have files of their own

    def _old_clips(self) -> None:
        same_disk = self.view.clips_free_bytes is None
        free_bytes = self.free_bytes if self.view.clips_free_bytes is None else self.view.clips_free_bytes
        order = sorted(
            self.view.clips, key=lambda each: (not each.is_forgotten, each.created_us, each.clip_id)
        )
        for clip in order:
            if free_bytes >= self.limits.min_free_bytes:
                break
            is_old = clip.created_us <= self.view.now_us - self.limits.clip_us or clip.is_forgotten
            may_go = not clip.is_kept and not clip.is_guarded and clip not in self.clips
            if is_old and clip.bytes and may_go:
                self.clips.append(clip)
                free_bytes += clip.bytes
        if same_disk:
            self.free_bytes = free_bytes

    def _doom(self, segment: StoredSegment, reason: Reason) -> None:
        self.doomed[segment.name] = Doomed(segment, reason)
        self.free_bytes += segment.bytes

    def _clears(self, segment: StoredSegment, reason: Reason) -> bool:
        """True when only clips without files prevent it, and those can be written."""
        holds = self.view.holds
        pins = [pin for pin in holds.pins.get(segment.name, ()) if pin.is_needed]
        others = segment.is_growing or segment.name in holds.condemned or holds.unfinished.touch(segment)
        if reason is not Reason.RESERVE:
            spare = len(pins) < len(holds.pins.get(segment.name, ()))
            others = others or spare or holds.sessions.touch(segment)
        if others or not pins or any(pin[:2] in self.view.unwritable for pin in pins):
            return False
        forgotten = [self.forgotten[pin.clip_id] for pin in pins if pin.clip_id in self.forgotten]
        if forgotten and reason is Reason.RAW_DAYS:
            return False  # the recording is smaller than one file for each clip
        going = [clip for clip in forgotten if clip.may_go_first]
        self.clips += [clip for clip in going if clip not in self.clips]
        self.again = self.again or bool(going)
        left = {clip.clip_id for clip in going}
        self.write_first.update({pin: None for pin in pins if pin.clip_id not in left})
        return True


def pause_s(spare_bytes: int, bytes_per_s: float) -> float:
    """Seconds until the next check: fewer when the reserve would soon be used (a fast stream on a small
    disk)."""
    if bytes_per_s <= 0:
        return LOOK_S
    return max(LOOK_MIN_S, min(LOOK_S, spare_bytes / bytes_per_s / 4))


def hours_left(free_bytes: int, deletable_bytes: int, bytes_per_s: float) -> float | None:
    """Hours that can be recorded before something guarded must be deleted; None: nothing is being
    recorded."""
    return None if bytes_per_s <= 0 else (free_bytes + deletable_bytes) / bytes_per_s / 3600
