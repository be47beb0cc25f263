"""The jobs a worker can do, as values: arguments, limits, and the check of the answer.

Imported by both sides, so it imports neither trio nor PyAV. Descriptors are not in the values: they are sent
beside them, inputs first, then the output. Every `result` method raises ProtocolError for an impossible
answer: a worker has processed hostile bytes and may be hostile itself.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self, TypeVar

from appliance.media.decode.jpeg import NotAJpeg, jpeg_size
from appliance.media.mp4.codecs import DECODER_OF_SAMPLE_ENTRY
from appliance.media.mp4.turn import AS_CODED, Turn
from appliance.workers.protocol import (
    Json,
    WorkerProtocolError,
    boolean,
    integer,
    mapping,
    number,
    sequence,
    text,
)

MAX_SAMPLE_BYTES = 16 << 20
"""An 8K intra frame at the highest quality. The recorder's own limit for one part is 50 MB."""

Result_co = TypeVar("Result_co", covariant=True)


class WorkerJob(Protocol[Result_co]):
    """One kind of work. `wall_s` is the time after which the worker is killed, `cpu_s` and `output_bytes`
    its own limits.
    """

    @property
    def kind(self) -> str: ...
    @property
    def wall_s(self) -> float: ...
    @property
    def cpu_s(self) -> int: ...
    @property
    def output_bytes(self) -> int: ...
    def args(self) -> Json: ...
    def result(self, answer: Json, descriptors: Sequence[int]) -> Result_co: ...


@dataclass(frozen=True, slots=True)
class SourceRange:
    """`length` bytes at `offset` of the job's input number `input`."""

    input: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class CheckedJpeg:
    """A JPEG whose markers were checked by us."""

    data: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ThumbnailJob:
    """Decode the one keyframe sample at `offset` of input 0 and write a JPEG into input 1, put upright by
    `turn`, at most `width_px` wide.

    codec: FFmpeg's name. extradata: payload of avcC, hvcC, av1C. 19 ms for 1080p; the deadline is for a
    stalled disk.
    """

    codec: str
    extradata: bytes
    offset: int
    length: int
    width_px: int = 320
    turn: Turn = AS_CODED

    kind: ClassVar[str] = "thumbnail"
    wall_s: ClassVar[float] = 5.0
    cpu_s: ClassVar[int] = 5
    output_bytes: ClassVar[int] = 1 << 20

    @classmethod
    def of_sample(cls, entry: str, extradata: bytes, offset: int, length: int, width_px: int = 320) -> Self:
        """From the fourcc of a sample entry. An unknown one is sent to the worker and fails with
        bad_media."""
        return cls(DECODER_OF_SAMPLE_ENTRY.get(entry, entry), extradata, offset, length, width_px)

    def args(self) -> Json:
        extradata = base64.b64encode(self.extradata).decode()
        return {
            "codec": self.codec,
            "extradata": extradata,
            "piece": [0, self.offset, self.length],
            "width_px": self.width_px,
            "turn": list(self.turn),
        }

    def result(self, answer: Json, descriptors: Sequence[int]) -> CheckedJpeg:
        return read_picture(answer, descriptors[-1], self.output_bytes)


@dataclass(frozen=True, slots=True)
class FrameJob:
    """The frame an MP4 shows at `at_s` as a JPEG in the last descriptor. `pieces` make the file.

    `patient`: no person waits for it, and a minute of pictures may have to be decoded for it.
    """

    pieces: tuple[SourceRange, ...]
    at_s: float
    width_px: int = 0
    patient: bool = False

    kind: ClassVar[str] = "frame"
    output_bytes: ClassVar[int] = 8 << 20

    @property
    def wall_s(self) -> float:
        return 60.0 if self.patient else 10.0

    @property
    def cpu_s(self) -> int:
        return int(self.wall_s)

    def args(self) -> Json:
        return {"pieces": pieces_json(self.pieces), "at_s": self.at_s, "width_px": self.width_px}

    def result(self, answer: Json, descriptors: Sequence[int]) -> CheckedJpeg:
        return read_picture(answer, descriptors[-1], self.output_bytes)


@dataclass(frozen=True, slots=True)
class StreamReport:
    """Counts of one stream: `frames` are shown, `packets` stored (hidden pre-roll too); times in seconds,
    -1 = none.
    """

    kind: str
    codec: str
    width: int
    height: int
    packets: int
    frames: int
    errors: int
    start_s: float
    end_s: float
    black: int
    frozen: int


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """`read_error` is why reading stopped early, "" when it did not."""

    duration_s: float
    read_error: str
    streams: tuple[StreamReport, ...]

    @property
    def video(self) -> StreamReport | None:
        return next((stream for stream in self.streams if stream.kind == "video"), None)


@dataclass(frozen=True, slots=True)
class ProbeJob:
    """Read an MP4 to its end and count its content. `span_s` is its expected length: it sets the deadline."""

    pieces: tuple[SourceRange, ...]
    decode: bool = True
    span_s: float = 60.0

    kind: ClassVar[str] = "probe"
    output_bytes: ClassVar[int] = 0

    @property
    def wall_s(self) -> float:
        return 15.0 + 2.0 * self.span_s

    @property
    def cpu_s(self) -> int:
        return int(self.wall_s)

    def args(self) -> Json:
        return {"pieces": pieces_json(self.pieces), "decode": self.decode}

    def result(self, answer: Json, descriptors: Sequence[int]) -> ProbeReport:
        streams = sequence(answer, "streams")
        if len(streams) > 16:
            raise WorkerProtocolError("too many streams")
        reports = tuple(_parse_stream(stream) for stream in streams)
        return ProbeReport(number(answer, "duration_s"), text(answer, "read_error")[:500], reports)


@dataclass(frozen=True, slots=True)
class TranscodeReport:
    """The worker's report of what it wrote: probe the output before publishing it."""

    frames: int
    end_s: float
    width: int
    height: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class TranscodeJob:
    """Encode what an MP4 shows into a new one with H.264 and AAC, in the last descriptor (empty, read-write).

    `frames` and `span_s` are the plan's: they size the header, the deadline and the largest output.
    """

    pieces: tuple[SourceRange, ...]
    frames: int
    span_s: float
    preset: str = "veryfast"
    crf: int = 20
    threads: int = 2
    limit_s: float = 0.0  # 0: the longest time a slow box may need

    kind: ClassVar[str] = "transcode"

    @property
    def wall_s(self) -> float:
        """Twenty times real time; a slower box is overloaded (measured: 1080p ultrafast is 4 times faster
        than real time)."""
        return self.limit_s or 60.0 + 20.0 * self.span_s

    @property
    def cpu_s(self) -> int:
        return int(self.wall_s) * self.threads

    @property
    def output_bytes(self) -> int:
        return int(self.span_s * 25_000_000) + (16 << 20)  # 200 Mbit/s

    @property
    def moov_bytes(self) -> int:
        """Size of the header: at most 40 bytes for a frame or for one of up to 94 AAC packets a second."""
        return 16_384 + 40 * self.frames + int(40 * 94 * (self.span_s + 1))

    def args(self) -> Json:
        return {
            "pieces": pieces_json(self.pieces),
            "preset": self.preset,
            "crf": self.crf,
            "threads": self.threads,
            "moov_bytes": self.moov_bytes,
        }

    def result(self, answer: Json, descriptors: Sequence[int]) -> TranscodeReport:
        report = TranscodeReport(
            frames=integer(answer, "frames"),
            end_s=number(answer, "end_s"),
            width=integer(answer, "width"),
            height=integer(answer, "height"),
            size_bytes=os.fstat(descriptors[-1]).st_size,
        )
        if report.frames < 1 or report.size_bytes < self.moov_bytes:
            raise WorkerProtocolError("an empty clip")
        return report


@dataclass(frozen=True, slots=True)
class EscapeReport:
    """What a worker could do when it tried. True = it succeeded."""

    connected: bool
    opened: bool


@dataclass(frozen=True, slots=True)
class SelfcheckJob:
    """Try to escape: connect to `port` on loopback, open `path`. For `appliance doctor` and the tests."""

    port: int
    path: str

    kind: ClassVar[str] = "selfcheck"
    wall_s: ClassVar[float] = 5.0
    cpu_s: ClassVar[int] = 5
    output_bytes: ClassVar[int] = 0

    def args(self) -> Json:
        return {"port": self.port, "path": self.path}

    def result(self, answer: Json, descriptors: Sequence[int]) -> EscapeReport:
        return EscapeReport(boolean(answer, "connected"), boolean(answer, "opened"))


def pieces_json(pieces: Sequence[SourceRange]) -> list[list[int]]:
    return [[piece.input, piece.offset, piece.length] for piece in pieces]


def parse_piece(value: object, inputs: int) -> SourceRange:
    """A piece in a request. The daemon is trusted, but a wrong number here reads the wrong camera."""
    if not isinstance(value, list) or len(value) != 3 or not all(type(part) is int for part in value):
        raise WorkerProtocolError("a piece is [input, offset, length]")
    piece = SourceRange(*value)
    if not 0 <= piece.input < inputs or piece.offset < 0 or piece.length < 0:
        raise WorkerProtocolError(f"no such piece: {value}")
    return piece


def read_picture(answer: Json, output: int, limit_bytes: int) -> CheckedJpeg:
    """The worker's picture, after checks. Read once, then checked: the worker can still write to `output`,
    but not to these bytes.
    """
    size_bytes = integer(answer, "size_bytes")
    if not 0 < size_bytes <= limit_bytes:
        raise WorkerProtocolError(f"a picture of {size_bytes} bytes")
    data = os.pread(output, size_bytes, 0)
    try:
        width, height = jpeg_size(data)
    except NotAJpeg as exc:
        raise WorkerProtocolError(f"no picture: {exc}") from exc
    if (width, height) != (integer(answer, "width"), integer(answer, "height")):
        raise WorkerProtocolError(f"a picture of {width}x{height}, which is not the size in the answer")
    return CheckedJpeg(data, width, height)


def _parse_stream(value: object) -> StreamReport:
    facts = mapping({"stream": value}, "stream")
    counts = {name: integer(facts, name) for name in _COUNTS}
    if min(counts.values()) < 0:
        raise WorkerProtocolError("a negative count")
    return StreamReport(
        kind=text(facts, "kind")[:16],
        codec=text(facts, "codec")[:32],
        start_s=number(facts, "start_s"),
        end_s=number(facts, "end_s"),
        **counts,
    )


_COUNTS = ("width", "height", "packets", "frames", "errors", "black", "frozen")
