"""What a dataset run is made of: plays, the clips to cut from one camera's video, and what came of each.

Owns: the records that the cutting core and the rest of the domain exchange, and which cameras see a play.
Pure; every record is JSON (`model_dump(mode="json")`, `model_validate`), so that it can go to another process
or machine and into a manifest. Must not know: where files come from, databases, FFmpeg.

All times of a play are seconds (float) on the clock of its camera's video, which begins at 0 with its
first frame or sound, as `ffmpeg -ss` counts. Paths are of the machine that cuts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Camera = Literal["FAR_LEFT", "NEAR_LEFT", "FAR_RIGHT", "NEAR_RIGHT"]
CAMERAS: Final[tuple[Camera, ...]] = ("FAR_LEFT", "NEAR_LEFT", "FAR_RIGHT", "NEAR_RIGHT")

CAMERAS_OF_ANGLE: Final[Mapping[str, tuple[Camera, Camera]]] = {
    "LEFT": ("FAR_LEFT", "NEAR_RIGHT"),
    "RIGHT": ("FAR_RIGHT", "NEAR_LEFT"),
}
"""Which two cameras of a game show a play at this end of the court."""

CameraName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
"""One of CAMERAS, or the id of a channel where the box itself is the source."""

Mode = Literal["transcode", "copy"]

ErrorCode = Literal[
    "bad_range",
    "beyond_end",
    "source_missing",
    "source_unreadable",
    "source_cut_off",
    "no_footage",
    "bad_media",
    "timeout",
    "worker_lost",
    "disk_full",
    "io",
    "short",
    "black",
    "frozen",
    "busy",
]
"""Why there is no clip. bad_range: end <= start, or negative. beyond_end: not in the video. source_*: the
camera's file is not there, is no usable MP4, or ends before its own index says. no_footage: the box recorded
nothing then. bad_media: cannot be decoded. timeout: longer than `clip_s`. worker_lost: two processes died on
it. short, black, frozen: the clip was made and its check failed. busy: no worker could be started."""


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Play(Record):
    """One row of `plays`. `fields` are its other columns, as they were read (play_type, score, tags ...)."""

    id: str
    game_id: str
    angle: str
    start_s: float
    end_s: float
    fields: dict[str, Any] = Field(default_factory=dict)


class Piece(Record):
    """`length` bytes at `offset` of the file `path`."""

    path: str
    offset: Annotated[int, Field(ge=0)]
    length: Annotated[int, Field(ge=0)]


class PlannedSpan(Record):
    """A stretch already laid out by the box's own plan: `header` (base64), then `pieces`, are an MP4 that
    shows `frames` frames in `duration_s`. `begin`: media time of its first frame, in ticks of its video."""

    header: str
    pieces: tuple[Piece, ...]
    begin: int
    frames: int
    duration_s: float


class ClipJob(Record):
    """Cut [start_s, end_s) of one camera into the file `path`, whose folder exists.

    Where the box is the source, `span` is the number of the unit's planned span that is the clip.
    """

    play_id: str
    camera: CameraName
    start_s: float
    end_s: float
    path: str
    span: int | None = None


class Limits(Record):
    """`clip_s`: wall time for one clip. `threads`: of a decoder, and of each encoder (1: the same bytes on
    every machine). `encoders`: how many clips are encoded side by side where plays overlap; it bounds
    memory."""

    clip_s: Annotated[float, Field(gt=0)] = 60.0
    threads: Annotated[int, Field(ge=1, le=16)] = 1
    encoders: Annotated[int, Field(ge=1, le=16)] = 4


class Unit(Record):
    """The unit of work: all clips of one (game, camera). `source` is the camera's MP4, which is opened once;
    "" where every job has its planned span. `check`: probe each clip before it counts. `retries`: more tries
    of a clip that failed for a reason that may pass."""

    game_id: str
    camera: CameraName
    source: str
    jobs: tuple[ClipJob, ...]
    spans: tuple[PlannedSpan, ...] = ()
    mode: Mode = "transcode"
    limits: Limits = Limits()
    check: bool = True
    retries: Annotated[int, Field(ge=0, le=3)] = 1


class Checks(Record):
    """What a clip was found to hold. `expected`: frames that the source shows in the range. `black` and
    `frozen` count frames; `decoded` is false where the check was switched off or could not decode every
    packet."""

    expected: int
    frames: int
    duration_s: float
    black: int = 0
    frozen: int = 0
    decoded: bool = False


class ClipResult(Record):
    """`error` is None for a clip that may be listed; the file at `path` exists then, and only then.

    `bytes`, `frames` (shown), `duration_s`, `sha256` are of the file. `attempts` counts from 1; 0: never
    begun.
    """

    play_id: str
    camera: CameraName
    path: str
    sha256: str = ""
    bytes: int = 0
    frames: int = 0
    duration_s: float = 0.0
    checks: Checks | None = None
    attempts: int = 0
    error: ErrorCode | None = None
    detail: str = ""


class UnitResult(Record):
    """`results` has one entry per job, in their order. `source_opens` is how often `source` was opened (1),
    `bytes_read` what was read from it, `cpu_s` user and system time of the unit's processes. `error` is set
    where the whole camera was skipped; each clip then has it too."""

    game_id: str
    camera: CameraName
    results: tuple[ClipResult, ...]
    source_opens: int = 0
    source_bytes: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    encoder_s: float = 0.0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    error: ErrorCode | None = None
    detail: str = ""


def cameras_of(angle: str) -> tuple[Camera, Camera]:
    """The cameras that show a play of this angle. Raises ValueError for any other angle."""
    try:
        return CAMERAS_OF_ANGLE[angle]
    except KeyError:
        raise ValueError(f"angle {angle!r} is neither LEFT nor RIGHT") from None


def clip_name(play_id: str, camera: str) -> str:
    """The file name of a clip, also below `clips/` of a game's outputs."""
    return f"{play_id}_{camera}.mp4"
