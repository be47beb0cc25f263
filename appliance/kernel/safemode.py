"""Safe mode: after three abnormal exits in two minutes the box starts with less, instead of again and again.

Owns: the marker file that a run leaves behind unless it ends cleanly, and the decision made from it. Must
not know what is left out in safe mode: the composition root decides that.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from appliance.kernel.clock import boot_id, boottime_us

log = structlog.get_logger("safemode")

EXITS_MAX = 3
WINDOW_US = 120_000_000
MARKER = "running.json"
REASON_MAX = 300


@dataclass(frozen=True, slots=True)
class Record:
    """The marker: which boot, when earlier runs ended abnormally (boot time), and why the last did."""

    boot_id: str
    exits_us: tuple[int, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SafeMode:
    """`on`: start without what may have ended the runs before. `reason` is for people."""

    on: bool
    exits: int = 0
    reason: str = ""


def decide(left: Record | None, *, boot: str, now_us: int) -> tuple[Record, SafeMode]:
    """The marker of the run that begins now, and whether it begins in safe mode.

    `left` is the marker found: the run before it did not end cleanly. A marker of another boot is a power
    cut or a reboot, not a crash of ours. An exit is dated when it is noticed, at the next start.
    """
    if left is None or left.boot_id != boot:
        return Record(boot), SafeMode(False)
    exits = tuple(us for us in (*left.exits_us, now_us) if now_us - WINDOW_US < us <= now_us)
    why = f"; the last: {left.reason}" if left.reason else ""
    reason = f"{len(exits)} abnormal exits in {WINDOW_US // 60_000_000} minutes{why}"
    on = len(exits) >= EXITS_MAX
    return Record(boot, exits), SafeMode(on, len(exits), reason if on else "")


@contextmanager
def open_safe_mode(state_dir: Path) -> Iterator[SafeMode]:
    """For the length of the daemon's run. Leaving without an exception is a clean end and forgets the past.

    A state folder that cannot be written never stops a start: the box runs without this memory.
    """
    path = state_dir / MARKER
    record, mode = decide(_load(path), boot=boot_id(), now_us=boottime_us())
    _save(path, record)
    try:
        yield mode
    except BaseException as error:
        _save(path, Record(record.boot_id, record.exits_us, _told(error)[:REASON_MAX]))
        raise
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("marker_not_removed", error=str(error))


def _told(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_told(each) for each in error.exceptions)
    return f"{type(error).__name__}: {error}"


def _load(path: Path) -> Record | None:
    try:
        found = json.loads(path.read_text())
        return Record(str(found["boot_id"]), tuple(int(us) for us in found["exits_us"]), str(found["reason"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("marker_unreadable", error=str(error))
        return None


def _save(path: Path, record: Record) -> None:
    found = {"boot_id": record.boot_id, "exits_us": list(record.exits_us), "reason": record.reason}
    draft = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(found))
        os.replace(draft, path)  # no fsync: after a power cut the boot id differs anyway
    except OSError as error:
        log.warning("marker_not_written", error=str(error))
