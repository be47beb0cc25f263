"""Health: one part per thing that can be wrong, in text for people, with what to do now.

Owns: the parts' model, the pure judgement of figures, and the board that /readyz shows. Nothing here
measures: measurements.py does, and the composition root adds the state of other actors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["ok", "warn", "bad"]
GB = 10**9

QUEUE_WARN = 500  # waiting closures: half of the store's limit
PROBE_WARN_S = 1.0
PROBE_BAD_S = 10.0
WAL_WARN_BYTES = 64 * 2**20  # a log this large means that a reader prevents the checkpoint
FULL_BYTES = 16 * 2**20  # bad below this, whatever the settings: seconds of recording, or some hundred marks
STEP_WARN_US = 100_000
STEP_BAD_US = 500_000


@dataclass(frozen=True, slots=True)
class HealthPart:
    """One line of /readyz and of doctor. `hint`: what to do now; None when there is nothing to do.

    `figures`: the values in `detail`, for programs (hours, bytes, seconds, counts by name); shown when given.
    """

    status: Status
    detail: str
    hint: str | None = None
    figures: Mapping[str, float | None] | None = None

    def shown(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"status": self.status, "detail": self.detail, "hint": self.hint}
        return shown if self.figures is None else {**shown, "figures": dict(self.figures)}


Look = Callable[[], HealthPart]


@dataclass(slots=True)
class Board:
    """All parts. `add` at start; `parts` calls each one's function (no I/O)."""

    _looks: dict[str, Look] = field(default_factory=dict)

    def add(self, name: str, look: Look) -> None:
        if name in self._looks:
            raise ValueError(f"two health parts named {name}")
        self._looks[name] = look

    def parts(self) -> dict[str, dict[str, Any]]:
        return {name: look().shown() for name, look in self._looks.items()}


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """Bytes of the file system that a folder is on; -1: could not be measured."""

    path: str
    free_bytes: int
    total_bytes: int
    error: str = ""


def disk_part(space: DiskSpace, *, reserve_bytes: float, min_free_bytes: float) -> HealthPart:
    """Below `reserve_bytes` old footage is deleted whatever its age; `min_free_bytes` is retention's
    target."""
    if space.free_bytes < 0:
        return HealthPart("bad", f"{space.path}: {space.error}", "mount the disk, or correct [storage]")
    free = f"{space.free_bytes / GB:.1f} GB of {space.total_bytes / GB:.1f} GB free at {space.path}"
    figures = {"free_bytes": float(space.free_bytes), "total_bytes": float(space.total_bytes)}
    if space.free_bytes < FULL_BYTES:
        return HealthPart(
            "bad", f"{free}: full", "free space or add a disk now: nothing more can be written", figures
        )
    if space.free_bytes < reserve_bytes:
        detail = f"{free}; the reserve is {reserve_bytes / GB:g} GB"
        return HealthPart("bad", detail, "free space or add a disk now", figures)
    if space.free_bytes < min_free_bytes:
        hint = "old footage is being deleted; a larger disk keeps more"
        return HealthPart("warn", f"{free}; the aim is {min_free_bytes / GB:g} GB", hint, figures)
    return HealthPart("ok", free, figures=figures)


def clock_part(step_us: int) -> HealthPart:
    """`step_us`: how far the wall clock is ahead of box time."""
    detail = f"wall clock {step_us / 1e6:+.3f} s against box time"
    if abs(step_us) > STEP_BAD_US:
        return HealthPart(
            "bad", detail, "the wall clock was stepped; box time follows when no session runs. Check NTP"
        )
    return HealthPart("warn" if abs(step_us) > STEP_WARN_US else "ok", detail)


def store_part(*, queue: int, probe_s: float | None, silent_s: float, error: str) -> HealthPart:
    """`probe_s`: duration of the last answered probe; `silent_s`: time since then; `error`: its error."""
    if probe_s is None or silent_s > PROBE_BAD_S:
        return HealthPart(
            "bad", f"no answer for {silent_s:.0f} s, {queue} writes waiting", "is the state disk dead?"
        )
    if error:
        return HealthPart("bad", error, "marks are refused until this is mended: see `appliance doctor`")
    detail = f"answers in {probe_s * 1000:.1f} ms, {queue} writes waiting"
    if queue > QUEUE_WARN or probe_s > PROBE_WARN_S:
        return HealthPart("warn", detail, "the state disk is slow; what else writes to it?")
    return HealthPart("ok", detail)


def journal_part(*, head: int, oldest: int, wal_bytes: int, lost: Sequence[str] = ()) -> HealthPart:
    """`lost`: durable cursors whose next entries were pruned."""
    if lost:
        detail = f"entries were deleted before {', '.join(lost)} had them: away for over 90 days, or 2 GB"
        return HealthPart("bad", detail, "nothing: it starts again from a snapshot as soon as it is online")
    detail = f"{head - oldest + 1} entries up to {head}, write-ahead log {wal_bytes / 2**20:.1f} MiB"
    if wal_bytes > WAL_WARN_BYTES:
        return HealthPart("warn", detail, "a reader holds the log open; restart the box after the game")
    return HealthPart("ok", detail)


def loop_part(lag_s: float) -> HealthPart:
    detail = f"longest turn of the event loop {lag_s * 1000:.0f} ms"
    if lag_s > 2.0:
        return HealthPart("bad", detail, "the machine is overloaded: see slow_step in the log")
    return HealthPart("warn" if lag_s > 0.25 else "ok", detail)


def safe_mode_part(off: Sequence[str], reason: str, next_in_s: float | None = None) -> HealthPart:
    """`off`: the parts held back, as text, in the order in which they are turned on again."""
    if not off:
        return HealthPart("ok", "off")
    tried = "" if next_in_s is None else f"; {off[0]}: tried again in {max(0, next_in_s) / 60:.0f} min"
    return HealthPart(
        "bad",
        f"{reason}. Held back: {', '.join(off)}{tried}. All else works, marks too",
        "nothing to do now: parts come back by themselves. Send the log (journalctl -u appliance)",
    )


def worst(parts: Mapping[str, Mapping[str, Any]]) -> str:
    order = ("ok", "warn", "bad")
    return max((part["status"] or "ok" for part in parts.values()), key=order.index, default="ok")
