"""Cutting several clips out of one stretch of video as a worker's job: a value, its limits, the check of the
answer.

Imported by both sides, like jobs.py. Descriptors: the inputs of `pieces`, then one empty read-write file per
window.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, cast

from appliance.workers.jobs import SourceRange, pieces_json
from appliance.workers.protocol import Json, WorkerProtocolError, integer, number, sequence, text

_START_S = 30.0
"""Time for opening, and for decoding from the key picture to the first clip."""
_BYTES_PER_S = 25_000_000  # 200 Mbit/s
_ROOM_BYTES = 16 << 20
_HEADER_BYTES, _BYTES_PER_SAMPLE, _PACKETS_PER_S = 16_384, 40, 94

ClipError = Literal["", "bad_media", "timeout"]
_CLIP_ERRORS = ("", "bad_media", "timeout")


class ClipWindow(NamedTuple):
    """As media/decode/clips.Window; `frames` and `span_s` are the plan's, they size header and file."""

    first: int
    end: int
    sound: bool
    frames: int
    span_s: float

    @property
    def moov_bytes(self) -> int:
        """At most 40 bytes for a frame or for one of up to 94 AAC packets a second."""
        packets = int(_PACKETS_PER_S * (self.span_s + 1)) if self.sound else 0
        return _HEADER_BYTES + _BYTES_PER_SAMPLE * (self.frames + packets)

    @property
    def largest_bytes(self) -> int:
        return int(self.span_s * _BYTES_PER_S) + _ROOM_BYTES


@dataclass(frozen=True, slots=True)
class CutClipReport:
    """One clip as the worker reports it: check the file before it is used."""

    frames: int
    end_s: float
    damaged: int
    encoder_s: float
    error: ClipError
    detail: str


@dataclass(frozen=True, slots=True)
class CutClipsReport:
    clips: tuple[CutClipReport, ...]
    decoded: int


@dataclass(frozen=True, slots=True)
class CutClipsJob:
    """Encode each window of the MP4 that `pieces` make, the times as media/decode/clips.Stretch says.

    It is background work: the worker lowers its own CPU priority for good, so it must be used for nothing
    else.
    """

    pieces: tuple[SourceRange, ...]
    stretch: tuple[int, int, int]
    windows: tuple[ClipWindow, ...]
    threads: int
    clip_s: float

    kind: ClassVar[str] = "cut_clips"

    @property
    def wall_s(self) -> float:
        """The clips of a stretch share their time; each also has its own limit in the worker."""
        return _START_S + self.clip_s * len(self.windows)

    @property
    def cpu_s(self) -> int:
        return int(self.wall_s) * (self.threads * (1 + len(self.windows)))

    @property
    def output_bytes(self) -> int:
        return max(window.largest_bytes for window in self.windows)

    def args(self) -> Json:
        return {
            "pieces": pieces_json(self.pieces),
            "stretch": list(self.stretch),
            "windows": [[each.first, each.end, each.sound, each.moov_bytes] for each in self.windows],
            "threads": self.threads,
            "clip_s": self.clip_s,
        }

    def result(self, answer: Json, descriptors: Sequence[int]) -> CutClipsReport:
        clips = sequence(answer, "clips")
        if len(clips) != len(self.windows):
            raise WorkerProtocolError("another number of clips")
        outputs = descriptors[-len(self.windows) :]
        reports = [_clip(*each) for each in zip(clips, self.windows, outputs, strict=True)]
        return CutClipsReport(tuple(reports), integer(answer, "decoded"))


def _clip(value: object, window: ClipWindow, output: int) -> CutClipReport:
    if not isinstance(value, dict):
        raise WorkerProtocolError("a clip is not an object")
    clip = cast(Json, value)
    error = text(clip, "error")
    if error not in _CLIP_ERRORS:
        raise WorkerProtocolError(f"an unknown error of a clip: {error[:40]!r}")
    frames = integer(clip, "frames")
    if not error and (frames < 1 or os.fstat(output).st_size < window.moov_bytes):
        raise WorkerProtocolError("an empty clip")
    return CutClipReport(
        frames=frames,
        end_s=number(clip, "end_s"),
        damaged=integer(clip, "damaged"),
        encoder_s=number(clip, "encoder_s"),
        error=cast(ClipError, error),
        detail=text(clip, "detail")[:500],
    )
