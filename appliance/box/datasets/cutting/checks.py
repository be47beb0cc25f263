"""Whether a clip that was made may be listed.

Owns: the verdict. Pure. Must not know: how the facts were measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from appliance.box.datasets.model import Checks, ErrorCode

MOST_BLACK: Final = 0.5
MOST_FROZEN: Final = 0.9
"""Share of frames. A still camera is not frozen: its noise is counted as motion (media/decode/probe.py)."""
_FRAMES_OFF: Final = 1.5
"""A clip may be longer or shorter than planned by so many frames: FFmpeg rounds the last one's length."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the source shows in the range: `frames`, and their length in seconds."""

    frames: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class Found:
    """What the clip holds. `problem`: why it cannot be decoded to its end, "" when it can."""

    frames: int
    duration_s: float
    black: int = 0
    frozen: int = 0
    problem: str = ""
    decoded: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """`error` None: the clip may be listed."""

    checks: Checks
    error: ErrorCode | None = None
    detail: str = ""


def judge(wanted: Wanted, found: Found) -> Verdict:
    """The first fault found, by cause."""
    checks = Checks(
        expected=wanted.frames,
        frames=found.frames,
        duration_s=round(found.duration_s, 6),
        black=found.black,
        frozen=found.frozen,
        decoded=found.decoded and not found.problem,
    )
    if found.problem:
        return Verdict(checks, "bad_media", found.problem)
    if found.frames != wanted.frames:
        return Verdict(checks, "short", f"{found.frames} frames where the source shows {wanted.frames}")
    most_off_s = _FRAMES_OFF * wanted.duration_s / wanted.frames
    if abs(found.duration_s - wanted.duration_s) > most_off_s:
        return Verdict(
            checks, "short", f"{found.duration_s:.3f} s where {wanted.duration_s:.3f} s were planned"
        )
    if found.black > MOST_BLACK * found.frames:
        return Verdict(checks, "black", f"{found.black} of {found.frames} frames are black")
    if found.frozen > MOST_FROZEN * found.frames and found.frames > 1:
        return Verdict(checks, "frozen", f"{found.frozen} of {found.frames} frames equal the one before them")
    return Verdict(checks)
