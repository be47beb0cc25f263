"""From a unit's jobs to plans: what of the camera's file each clip is, or why there can be none.

Owns: opening the source (once), the checks of a job's times, a plan per clip. Blocking: run it in a thread.
Must not know: workers, outputs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from appliance.box.datasets.cutting.checks import Wanted
from appliance.box.datasets.model import ClipJob, ErrorCode
from appliance.media.camera.camera_file import CameraFile, open_camera_file
from appliance.media.camera.progressive import CutOff
from appliance.media.cut.plan import NoFootage, Plan, make_plan
from appliance.media.index.chain import NS
from appliance.media.mp4.raw_times import RawTimes, raw_times
from appliance.media.mp4.walk import Malformed

_END_SLACK_US: Final = 50_000
"""A play may end this long after the video: annotators round, and a frame lasts up to 42 ms."""


class Refusal(Exception):
    """There can be no clip, or none of the whole camera."""

    def __init__(self, error: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.error, self.detail = error, detail


@dataclass(frozen=True, slots=True)
class Source:
    """A source: descriptor by the names that plans use, in the order in which a worker gets them."""

    names: tuple[str, ...]
    descriptors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Laid:
    """A stretch as bytes: `header`, then `ranges` (number of the descriptor, offset, length). `begin`: the
    tick that its first frame has in the video. `raw`: how its raw times are read."""

    header: bytes
    ranges: tuple[tuple[int, int, int], ...]
    begin: int
    raw: RawTimes
    frames: int
    duration_s: float

    @property
    def size(self) -> int:
        return len(self.header) + sum(length for _, _, length in self.ranges)

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.frames, self.duration_s)

    @property
    def ticks(self) -> int:
        """Length of what is shown."""
        return round(self.duration_s * self.raw.timescale)


@dataclass(slots=True)
class Camera:
    """The open source of a unit."""

    file: CameraFile
    bytes_read: int = 0

    @classmethod
    def open(cls, path: str) -> Camera:
        """Raises Refusal: the camera is skipped."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise Refusal("source_missing", f"{os.path.basename(path)} is not there") from None
        except OSError as exc:
            raise Refusal("source_unreadable", f"{os.path.basename(path)}: {exc.strerror}") from exc
        try:
            return cls(open_camera_file(fd))
        except (Malformed, OSError) as exc:
            os.close(fd)
            raise Refusal("source_unreadable", f"{os.path.basename(path)}: {exc}") from exc
        except BaseException:
            os.close(fd)
            raise

    def close(self) -> None:
        os.close(self.file.fd)

    def lay(self, start_us: int, end_us: int) -> Laid:
        """The stretch [start_us, end_us). Raises Refusal."""
        try:
            view = self.file.view(start_us, end_us)
            fd = self.file.fd
            plan = make_plan([view], lambda name: fd, start_us=start_us, end_us=end_us, latency_us=0)
        except CutOff as exc:
            raise Refusal("source_cut_off", str(exc)) from exc
        except NoFootage as exc:
            raise Refusal("no_footage", str(exc)) from exc
        except Malformed as exc:
            raise Refusal("source_unreadable", str(exc)) from exc
        except OSError as exc:
            raise Refusal("io", f"reading the source: {exc.strerror}") from exc
        raw = raw_times(plan.header)
        return _laid(plan, raw, -(-(plan.media_spans[0][1] - view.base_ns) * raw.timescale // NS))

    def clip(self, job: ClipJob) -> Laid:
        """The clip of a job. Raises Refusal."""
        start_us, end_us = times_of(job)
        if end_us > self.file.end_us + _END_SLACK_US:
            raise self._beyond(job)
        return self.lay(start_us, end_us)

    def _beyond(self, job: ClipJob) -> Refusal:
        end_s = self.file.end_us / 1e6
        damage = getattr(self.file, "damage", "")
        if damage:
            return Refusal("source_cut_off", f"only {end_s:.3f} s can be read: {damage}")
        return Refusal("beyond_end", f"the play ends at {job.end_s:g} s, the video at {end_s:.3f} s")


def times_of(job: ClipJob) -> tuple[int, int]:
    """Start and end in us. Raises Refusal where no clip has such times."""
    start_us, end_us = round(job.start_s * 1e6), round(job.end_s * 1e6)
    if start_us < 0:
        raise Refusal("bad_range", f"the play starts at {job.start_s:g} s, before the video")
    if end_us <= start_us:
        raise Refusal(
            "bad_range", f"the play ends at {job.end_s:g} s, not after its start at {job.start_s:g} s"
        )
    return start_us, end_us


def _laid(plan: Plan, raw: RawTimes, begin: int) -> Laid:
    ranges = tuple((0, each.offset, each.length) for each in plan.ranges)
    return Laid(plan.header, ranges, begin, raw, plan.frames, plan.duration_s)


def duplicates(jobs: Sequence[ClipJob]) -> set[int]:
    """Numbers of jobs that write a file another one before them writes."""
    seen: set[str] = set()
    again: set[int] = set()
    for number, job in enumerate(jobs):
        if job.path in seen:
            again.add(number)
        seen.add(job.path)
    return again
