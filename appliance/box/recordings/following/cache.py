"""The index on disk: `index_dir/<channel>/log` and one table per closed segment beside it.

Owns: writing and reading those files. All of it blocks: run it in a thread. Must not know: the recordings,
the meaning of the bytes (media/index/table.py). Damaged content is left out and built again; only a disk that
cannot be written raises, and then only OSError.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Container, Iterable
from pathlib import Path

from appliance.box.recordings.clocks.placement import Correction
from appliance.media.clock.timeline import Knot
from appliance.media.index import table
from appliance.media.index.columns import KeyColumns, PartColumns
from appliance.media.index.segment import SegmentFacts
from appliance.media.index.table import ChannelLog
from appliance.media.index.view import Key, Part

_COMPACT_LINES = 1000  # a log with this many obsolete lines, and more obsolete than valid ones, is rewritten
_OUTAGES_KEPT = 10_000
_MAX_LOG_BYTES = 1 << 30
_MAX_TABLE_BYTES = 1 << 28


class ChannelCache:
    """One channel's folder. Calls for one channel must not overlap."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "log"
        self._is_torn = False  # the last append was incomplete: the next one starts on a new line

    def load(self) -> ChannelLog:
        """The content of the log; an empty log when there is none or it cannot be read."""
        try:
            if self._log.stat().st_size > _MAX_LOG_BYTES:
                return ChannelLog(bad_lines=1)  # no valid log is that large: start a new one
            return table.read_log(self._log.read_bytes())
        except OSError:  # not there yet, or a disk with bad sectors, which is no reason to overwrite it
            return ChannelLog()

    def tidy(self, log: ChannelLog, names: Container[str]) -> None:
        """Rewrite the log with only what concerns `names`, when that saves much or it is damaged."""
        if not log.is_torn and not log.bad_lines and log.stale < max(_COMPACT_LINES, log.lines // 2):
            return
        facts = [each for name, each in log.facts.items() if name in names]
        published = [name for name in log.published if name in names and name not in log.facts]
        # a segment that was growing has no facts yet: its run is unknown here, so no run can be dropped
        runs = set(log.knots) if published else {each.run_id for each in facts}
        knots = ((run, knot) for run in runs for knot in log.knots.get(run, ()))
        newest = next(reversed(log.off_us), None)  # the recorder's clock error at last
        offs = ((run, off) for run, off in log.off_us.items() if run in runs or run == newest)
        observed = sorted(log.observed.intersection(runs))
        outages = sorted(log.outages)[-_OUTAGES_KEPT:]
        stamps = ((name, mtime_ns) for name, mtime_ns in log.stamps.items() if name in names)
        packed = table.pack_log(facts, knots, published, offs, observed, outages, stamps, log.disks, log.disk)
        self._replace(self._log, packed)

    def append(self, lines: bytes) -> None:
        """Append lines to the log: they survive a kill when this returns, a power cut after `sync`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            data = b"\n" + lines if self._is_torn else lines
            self._is_torn = True
            if os.write(fd, data) < len(data):
                raise OSError(errno.ENOSPC, "the index log could not be written whole", str(self._log))
            self._is_torn = False
        finally:
            os.close(fd)

    def sync(self) -> None:
        """Make what was appended survive a power cut."""
        try:
            fd = os.open(self._log, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)

    def save_table(self, facts: SegmentFacts, parts: list[Part], keys: list[Key]) -> None:
        """Store a closed segment's parts and keys. Not synced: it can be built again."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._replace(self._table(facts.name), table.pack_table(facts, parts, keys))

    def load_table(self, facts: SegmentFacts) -> tuple[PartColumns, KeyColumns] | None:
        """The table of the segment with these `facts`; None: there is no valid one."""
        try:
            path = self._table(facts.name)
            if path.stat().st_size > _MAX_TABLE_BYTES:
                return None
            return table.unpack_table(path.read_bytes(), facts)
        except (OSError, table.BadTable):
            return None

    def forget(self, names: Iterable[str]) -> None:
        """These segments were deleted from the disk."""
        lines = []
        for name in names:
            lines.append(table.forget_line(name))
            self._table(name).unlink(missing_ok=True)
        if lines:
            self.append(b"".join(lines))

    def _table(self, name: str) -> Path:
        return self._folder / f"{name}.idx"

    def _replace(self, path: Path, data: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".new")
        temporary.write_bytes(data)
        temporary.replace(path)


def lines_of(run_id: str, knots: Iterable[Knot]) -> bytes:
    """Log lines of new knots."""
    return b"".join(table.knot_line(run_id, knot) for knot in knots)


def corrected_lines(corrections: Iterable[Correction]) -> bytes:
    """Log lines of files that were moved."""
    return b"".join(
        table.placed_anew_line(correction.run_id, correction.first_ns, correction.end_ns)
        + lines_of(correction.run_id, correction.knots)
        for correction in corrections
    )
