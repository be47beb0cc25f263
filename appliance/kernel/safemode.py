"""Safe mode: after three abnormal exits in two minutes the box starts without the parts that may have caused
them.

Owns: the marker file that a run leaves behind unless it ends cleanly, the decision made from it, and leaving
safe mode: after two minutes without trouble the parts held back are turned on, one at a time; a part that
ends the box when it is turned on is tried last and more rarely. Must not know what the parts do: they wait
for their `Hold`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import structlog
import trio

from appliance.kernel.clock import boot_id, boottime_us
from appliance.kernel.threads import in_thread

log = structlog.get_logger("safemode")

EXITS_MAX: Final = 3
WINDOW_US: Final = 120_000_000
QUIET_S: Final = 120.0  # seconds without trouble before the next part is turned on
AGAIN_S: Final = 1800.0  # seconds before a part that ended the box is tried again; doubled each time
MARKER: Final = "running.json"
REASON_MAX: Final = 300

Hold = trio.Event
"""An event. Set: the part may begin. A part that is not held back has its event set from the start."""


@dataclass(frozen=True, slots=True)
class Marker:
    """The content of the marker file: boot id, when earlier runs ended abnormally (boot time), and why the
    last did.

    `trying`: the part turned on last, until it has run for a quiet period. `ended`: by part, how often
    turning it on ended the box. `was_safe`: the run was in safe mode.
    """

    boot_id: str
    exits_us: tuple[int, ...] = ()
    reason: str = ""
    trying: str = ""
    ended: Mapping[str, int] = field(default_factory=dict)
    was_safe: bool = False
    version: str = ""


@dataclass(frozen=True, slots=True)
class SafeModeDecision:
    """`on`: start without the parts that may have ended the runs before. `reason` is for people."""

    on: bool
    exits: int = 0
    reason: str = ""


def decide(
    left: Marker | None, *, boot: str, now_us: int, version: str = ""
) -> tuple[Marker, SafeModeDecision]:
    """The marker of the run that begins now, and whether it begins in safe mode.

    `left` is the marker on disk: the run before did not end cleanly. A marker of another boot means a power
    cut or a reboot, not a crash of the program; one of another version says nothing about this one. An exit
    is dated when it is noticed, at the next start.
    """
    if left is None or left.boot_id != boot or left.version != version:
        return Marker(boot, version=version), SafeModeDecision(False)
    exits = tuple(us for us in (*left.exits_us, now_us) if now_us - WINDOW_US < us <= now_us)
    ended = dict(left.ended)
    if left.trying:
        ended[left.trying] = ended.get(left.trying, 0) + 1
    why = f"; the last: {left.reason}" if left.reason else ""
    reason = f"{len(exits)} abnormal exits in {WINDOW_US // 60_000_000} minutes{why}"
    if left.trying:
        reason = f"turning on {left.trying} ended the box{why}"
    on = len(exits) >= EXITS_MAX or bool(ended)
    marker = Marker(boot, exits, ended=ended, was_safe=on, version=version)
    return marker, SafeModeDecision(on, len(exits), reason if on else "")


class SafeMode:
    """The parts held back in this run. Level-triggered: a part gets its `hold` and waits for it."""

    def __init__(
        self,
        decision: SafeModeDecision,
        parts: Sequence[str],
        held_back: Sequence[str],
        ended: Mapping[str, int],
    ) -> None:
        self.reason = decision.reason
        self.exits = decision.exits
        self.next_s: float | None = None  # trio's clock: when the next part is turned on
        self._ended = dict(ended)
        self._holds = {name: Hold() for name in parts}
        for name, hold in self._holds.items():
            if not decision.on or name not in held_back:
                hold.set()

    @property
    def on(self) -> bool:
        return any(not hold.is_set() for hold in self._holds.values())

    def off_parts(self) -> list[str]:
        """Parts held back, in the order in which they are turned on: those that ended the box come last."""
        names = [name for name, hold in self._holds.items() if not hold.is_set()]
        return sorted(names, key=lambda name: self._ended.get(name, 0))

    def hold(self, part: str) -> Hold:
        return self._holds[part]

    def pause_s(self, part: str) -> float:
        """Seconds to wait before this part is turned on."""
        times = self._ended.get(part, 0)
        return QUIET_S if not times else AGAIN_S * 2 ** min(times - 1, 6)


async def run_leaving(
    safe: SafeMode, marker_file: MarkerFile, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Turn on the parts held back, one at a time, each after a quiet period; then return.

    Reports `started` at once. A part that ends the box is identified by the marker at the next start.
    """
    task_status.started()
    while parts := safe.off_parts():
        part = parts[0]
        pause_s = safe.pause_s(part)
        safe.next_s = trio.current_time() + pause_s
        await trio.sleep(pause_s)
        log.warning("safe_mode_turns_a_part_on", part=part)
        await in_thread(marker_file.update, {"trying": part})
        safe.hold(part).set()
        safe.next_s = None
        await trio.sleep(QUIET_S)
        ended = {name: times for name, times in marker_file.marker.ended.items() if name != part}
        await in_thread(marker_file.update, {"trying": "", "ended": ended})
    if marker_file.marker.was_safe:
        await in_thread(marker_file.update, {"was_safe": False, "exits_us": ()})
        log.warning("safe_mode_is_over")


class MarkerFile:
    """The marker file of this run. Blocking. An unwritable state folder never prevents a start."""

    def __init__(self, path: Path, marker: Marker) -> None:
        self._path = path
        self.marker = marker

    def update(self, changes: Mapping[str, Any]) -> None:
        self.marker = replace(self.marker, **changes)
        _save(self._path, self.marker)

    def remove(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("marker_not_removed", error=str(error))


@contextmanager
def open_safe_mode(
    state_dir: Path, parts: Sequence[str], *, last_resort: str = "", version: str = ""
) -> Iterator[tuple[SafeMode, MarkerFile]]:
    """For the length of the daemon's run. Leaving without an exception is a clean end and deletes the marker.

    `parts` are held back in safe mode, in the order in which they are turned on; `last_resort` is held back
    too when a run in safe mode ended abnormally.
    """
    path = state_dir / MARKER
    left = _load(path)
    marker, decision = decide(left, boot=boot_id(), now_us=boottime_us(), version=version)
    ended_in_safe_mode = left is not None and left.was_safe and not left.trying
    everything = [last_resort, *parts] if last_resort else list(parts)
    held_back = everything if ended_in_safe_mode or last_resort in marker.ended else parts
    safe = SafeMode(decision, everything, held_back, marker.ended)
    marker_file = MarkerFile(path, marker)
    _save(path, marker)
    try:
        yield safe, marker_file
    except BaseException as error:
        marker_file.update({"reason": _describe(error)[:REASON_MAX]})
        raise
    marker_file.remove()


def _describe(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_describe(each) for each in error.exceptions)
    return f"{type(error).__name__}: {error}"


def _load(path: Path) -> Marker | None:
    try:
        fields = json.loads(path.read_text())
        return Marker(
            str(fields["boot_id"]),
            tuple(int(us) for us in fields["exits_us"]),
            str(fields["reason"]),
            str(fields.get("trying", "")),
            {str(name): int(times) for name, times in fields.get("ended", {}).items()},
            bool(fields.get("was_safe", False)),
            str(fields.get("version", "")),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("marker_unreadable", error=str(error))
        return None


def _save(path: Path, marker: Marker) -> None:
    fields = {
        "boot_id": marker.boot_id,
        "exits_us": list(marker.exits_us),
        "reason": marker.reason,
        "trying": marker.trying,
        "ended": dict(marker.ended),
        "was_safe": marker.was_safe,
        "version": marker.version,
    }
    draft = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(fields))
        os.replace(draft, path)  # no fsync: after a power cut the boot id differs anyway
    except OSError as error:
        log.warning("marker_not_written", error=str(error))
