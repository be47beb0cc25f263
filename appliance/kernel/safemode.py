"""Safe mode: after three abnormal exits in two minutes the box starts with less, instead of again and again.

Owns: the marker file that a run leaves behind unless it ends cleanly, the decision made from it, and the way
out: after quiet minutes what was held back is turned on, one part at a time; a part that ends the box when it
is turned on is tried last and more rarely. Must not know what the parts do: they wait for their `Hold`.
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
QUIET_S: Final = 120.0  # without trouble, before the next part is turned on
AGAIN_S: Final = 1800.0  # before a part that ended the box is tried again; twice as long each time
MARKER: Final = "running.json"
REASON_MAX: Final = 300

Hold = trio.Event
"""Set: the part may begin. A part that is not held back has its event set from the start."""


@dataclass(frozen=True, slots=True)
class Record:
    """The marker: which boot, when earlier runs ended abnormally (boot time), and why the last did.

    `trying`: the part turned on last, while it is not known whether that holds. `ended`: by part, how often
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
class Decision:
    """`on`: start without what may have ended the runs before. `reason` is for people."""

    on: bool
    exits: int = 0
    reason: str = ""


def decide(left: Record | None, *, boot: str, now_us: int, version: str = "") -> tuple[Record, Decision]:
    """The marker of the run that begins now, and whether it begins in safe mode.

    `left` is the marker found: the run before it did not end cleanly. A marker of another boot is a power
    cut or a reboot, not a crash of ours; one of another version tells nothing of this one. An exit is dated
    when it is noticed, at the next start.
    """
    if left is None or left.boot_id != boot or left.version != version:
        return Record(boot, version=version), Decision(False)
    exits = tuple(us for us in (*left.exits_us, now_us) if now_us - WINDOW_US < us <= now_us)
    ended = dict(left.ended)
    if left.trying:
        ended[left.trying] = ended.get(left.trying, 0) + 1
    why = f"; the last: {left.reason}" if left.reason else ""
    reason = f"{len(exits)} abnormal exits in {WINDOW_US // 60_000_000} minutes{why}"
    if left.trying:
        reason = f"turning on {left.trying} ended the box{why}"
    on = len(exits) >= EXITS_MAX or bool(ended)
    record = Record(boot, exits, ended=ended, was_safe=on, version=version)
    return record, Decision(on, len(exits), reason if on else "")


class SafeMode:
    """What is held back in this run. Level-triggered: a part asks for its `hold` and waits for that."""

    def __init__(
        self, decision: Decision, parts: Sequence[str], held: Sequence[str], ended: Mapping[str, int]
    ) -> None:
        self.reason = decision.reason
        self.exits = decision.exits
        self.next_s: float | None = None  # trio's clock: when the next part is turned on
        self._ended = dict(ended)
        self._holds = {name: Hold() for name in parts}
        for name, hold in self._holds.items():
            if not decision.on or name not in held:
                hold.set()

    @property
    def on(self) -> bool:
        return any(not hold.is_set() for hold in self._holds.values())

    def off_parts(self) -> list[str]:
        """What is held back, in the order in which it comes back: what ended the box last."""
        held = [name for name, hold in self._holds.items() if not hold.is_set()]
        return sorted(held, key=lambda name: self._ended.get(name, 0))

    def hold(self, part: str) -> Hold:
        return self._holds[part]

    def pause_s(self, part: str) -> float:
        """How long to wait before this part is turned on."""
        times = self._ended.get(part, 0)
        return QUIET_S if not times else AGAIN_S * 2 ** min(times - 1, 6)


async def run_leaving(
    safe: SafeMode, memory: Memory, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Turn on what is held back, one part at a time, each after a quiet while; then return.

    Start: at once. What ends the box is found in the marker by the next start.
    """
    task_status.started()
    while parts := safe.off_parts():
        part = parts[0]
        pause_s = safe.pause_s(part)
        safe.next_s = trio.current_time() + pause_s
        await trio.sleep(pause_s)
        log.warning("safe_mode_turns_a_part_on", part=part)
        await in_thread(memory.note, {"trying": part})
        safe.hold(part).set()
        safe.next_s = None
        await trio.sleep(QUIET_S)
        ended = {name: times for name, times in memory.record.ended.items() if name != part}
        await in_thread(memory.note, {"trying": "", "ended": ended})
    if memory.record.was_safe:
        await in_thread(memory.note, {"was_safe": False, "exits_us": ()})
        log.warning("safe_mode_is_over")


class Memory:
    """The marker file of this run. Blocking. A state folder that cannot be written never stops a start."""

    def __init__(self, path: Path, record: Record) -> None:
        self._path = path
        self.record = record

    def note(self, changes: Mapping[str, Any]) -> None:
        self.record = replace(self.record, **changes)
        _save(self._path, self.record)

    def forget(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("marker_not_removed", error=str(error))


@contextmanager
def open_safe_mode(
    state_dir: Path, parts: Sequence[str], *, last_resort: str = "", version: str = ""
) -> Iterator[tuple[SafeMode, Memory]]:
    """For the length of the daemon's run. Leaving without an exception is a clean end and forgets the past.

    `parts` are held back in safe mode, in the order in which they come back; `last_resort` is held back too
    when the box ended in safe mode as well.
    """
    path = state_dir / MARKER
    left = _load(path)
    record, decision = decide(left, boot=boot_id(), now_us=boottime_us(), version=version)
    ended_in_safe_mode = left is not None and left.was_safe and not left.trying
    everything = [last_resort, *parts] if last_resort else list(parts)
    held = everything if ended_in_safe_mode or last_resort in record.ended else parts
    safe = SafeMode(decision, everything, held, record.ended)
    memory = Memory(path, record)
    _save(path, record)
    try:
        yield safe, memory
    except BaseException as error:
        memory.note({"reason": _told(error)[:REASON_MAX]})
        raise
    memory.forget()


def _told(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_told(each) for each in error.exceptions)
    return f"{type(error).__name__}: {error}"


def _load(path: Path) -> Record | None:
    try:
        found = json.loads(path.read_text())
        return Record(
            str(found["boot_id"]),
            tuple(int(us) for us in found["exits_us"]),
            str(found["reason"]),
            str(found.get("trying", "")),
            {str(name): int(times) for name, times in found.get("ended", {}).items()},
            bool(found.get("was_safe", False)),
            str(found.get("version", "")),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("marker_unreadable", error=str(error))
        return None


def _save(path: Path, record: Record) -> None:
    found = {
        "boot_id": record.boot_id,
        "exits_us": list(record.exits_us),
        "reason": record.reason,
        "trying": record.trying,
        "ended": dict(record.ended),
        "was_safe": record.was_safe,
        "version": record.version,
    }
    draft = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(found))
        os.replace(draft, path)  # no fsync: after a power cut the boot id differs anyway
    except OSError as error:
        log.warning("marker_not_written", error=str(error))
