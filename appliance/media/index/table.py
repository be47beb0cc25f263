"""The index's two file formats: one part/key table per closed segment, one log per channel.

Owns: the two formats, and telling valid bytes from invalid ones. Must not know: where and when the bytes are
stored. Both are caches of the recording, except for one thing: knots are observed and cannot be computed
again. So the log is append-only, each line has its own checksum, and a bad line invalidates only itself.

Table: magic, version, crc32 of all that follows, identity, counts, then int64 columns little-endian: 56 bytes
a part and 56 a key, about 300 bytes per second of video in parts of 0.2 s.
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from sys import intern
from typing import Any, Final
from zlib import crc32

from appliance.media.clock.timeline import Knot
from appliance.media.index.columns import Columns, KeyColumns, PartColumns
from appliance.media.index.index import run_of_name
from appliance.media.index.segment import SegmentFacts, Size
from appliance.media.index.spans import REASONS, Outage
from appliance.media.index.view import Key, Part

# Two versions: a table is built again from its recording, but lost knots cannot be recovered.
VERSION: Final = 2
LOG_VERSION: Final = 1
_MAGIC: Final = b"SBPT"
_HEAD: Final = struct.Struct("<4sII")
_COUNTS: Final = struct.Struct("<16sII")
_PART_COLUMNS: Final = 7
_KEY_COLUMNS: Final = 7


class BadTable(ValueError):
    """Not a table of this segment in its present state: build it again."""


def identity(facts: SegmentFacts) -> bytes:
    """16 bytes that change with the file: its size, run, place in it, and how its samples are described."""
    values = (facts.bytes, facts.run_id, facts.number, facts.base_ns, facts.ntp_us, facts.stsd_id)
    return hashlib.blake2s(repr(values).encode(), digest_size=16).digest()


def pack_table(facts: SegmentFacts, parts: Sequence[Part], keys: Sequence[Key]) -> bytes:
    """The part/key table of the segment that `facts` describe."""
    columns = [
        *_columns(
            (
                (p.offset, p.moof_size, p.end, p.video_tfdt, p.video_pts_min, p.video_pts_max, p.video_end)
                for p in parts
            ),
            _PART_COLUMNS,
        ),
        *_columns(
            ((k.pts, k.part, k.sample, k.params_id, k.format_id, k.recovery, k.resets) for k in keys),
            _KEY_COLUMNS,
        ),
    ]
    body = _COUNTS.pack(identity(facts), len(parts), len(keys)) + b"".join(map(_to_bytes, columns))
    return _HEAD.pack(_MAGIC, VERSION, crc32(body)) + body


def unpack_table(data: bytes, facts: SegmentFacts) -> tuple[PartColumns, KeyColumns]:
    """Parts and keys in `data`. Raises BadTable when they are not those of `facts`."""
    if len(data) < _HEAD.size + _COUNTS.size:
        raise BadTable("cut short")
    magic, version, checksum = _HEAD.unpack_from(data)
    if magic != _MAGIC or version != VERSION:
        raise BadTable(f"not a table of version {VERSION}")
    stored_identity, parts, keys = _COUNTS.unpack_from(data, _HEAD.size)
    at = _HEAD.size + _COUNTS.size
    if len(data) != at + 8 * (_PART_COLUMNS * parts + _KEY_COLUMNS * keys):
        raise BadTable("not as long as it says")
    if crc32(memoryview(data)[_HEAD.size :]) != checksum:
        raise BadTable("checksum does not match")
    if stored_identity != identity(facts):
        raise BadTable("made for another state of the file")
    lengths = [parts] * _PART_COLUMNS + [keys] * _KEY_COLUMNS
    columns: list[array[int]] = []
    for length in lengths:
        columns.append(_from_bytes(data[at : at + 8 * length]))
        at += 8 * length
    return Columns(Part, columns[:_PART_COLUMNS]), Columns(Key, columns[_PART_COLUMNS:])


def _columns(rows: Iterable[tuple[int, ...]], width: int) -> list[array[int]]:
    made = [array("q") for _ in range(width)]
    for row in rows:
        for column, value in zip(made, row, strict=True):
            column.append(value)
    return made


def _to_bytes(column: array[int]) -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


def _from_bytes(data: bytes) -> array[int]:
    column = array("q", data)
    if sys.byteorder == "big":
        column.byteswap()
    return column


# -- the log of a channel -----------------------------------------------------------------------------------

_PLAIN: Final = 3  # fields of a knot that has no slew
_BATCH_BYTES: Final = 1 << 16
_FACTS: Final = [field.name for field in fields(SegmentFacts)][:-2]  # sizes and holes come last
# texts that are equal in thousands of segments share one object each
_SHARED: Final = [_FACTS.index(name) for name in ("state", "run_id", "codec", "stsd_id")]


@dataclass(slots=True)
class ChannelLog:
    """The content of a channel's log: facts by name, knots by run, outages; `stale` lines could be dropped.

    `off_us`: by run, how far the recorder's own times are ahead of box time; the newest run comes last.
    `stamps`: by name, the file's mtime (ns) when it was indexed. `published` are segments whose frames have
    published times: no knot may be put into them any more. `observed` are runs of which parts were observed
    when they were written. `disks`: by name, the file system it was on; `disk`: the latest one.
    """

    facts: dict[str, SegmentFacts] = field(default_factory=dict)
    knots: dict[str, list[Knot]] = field(default_factory=dict)
    off_us: dict[str, int] = field(default_factory=dict)
    stamps: dict[str, int] = field(default_factory=dict)
    published: set[str] = field(default_factory=set)
    observed: set[str] = field(default_factory=set)
    outages: list[Outage] = field(default_factory=list)
    disks: dict[str, str] = field(default_factory=dict)
    disk: str | None = None
    lines: int = 0
    bad_lines: int = 0
    is_torn: bool = False

    @property
    def stale(self) -> int:
        """Lines that no longer have an effect."""
        lines_needed = len(self.facts) + len(self.published - self.facts.keys())
        lines_needed += len(self.off_us) + len(self.stamps) + len(self.observed) + len(self.outages)
        return self.lines - lines_needed - sum(map(len, self.knots.values()))


def facts_line(facts: SegmentFacts) -> bytes:
    """The segment's present facts; replaces any earlier line of that name."""
    return _line(["f", *astuple(facts)])


def knot_line(run_id: str, knot: Knot) -> bytes:
    """Adds this knot to the run."""
    return _line(["k", run_id, *(knot if knot.slew_ns else knot[:_PLAIN])])


def placed_anew_line(run_id: str, first_ns: int, end_ns: int) -> bytes:
    """The run's knots from `first_ns` to before `end_ns` are replaced by those of the lines after this
    one."""
    return _line(["u", run_id, first_ns, end_ns])


def observed_line(run_id: str) -> bytes:
    """Parts of the run were observed when they were written: its knots are observations."""
    return _line(["w", run_id])


def off_line(run_id: str, off_us: int) -> bytes:
    """The times in this run's recordings are `off_us` ahead of box time."""
    return _line(["o", run_id, off_us])


def outage_line(outage: Outage) -> bytes:
    """Footage stopped then, for this reason."""
    return _line(["g", *outage])


def disk_line(disk: str) -> bytes:
    """Facts in later lines are of files on this file system."""
    return _line(["v", disk])


def stamp_line(name: str, mtime_ns: int) -> bytes:
    """The file had this mtime when it was indexed: with another one it may have been replaced."""
    return _line(["m", name, mtime_ns])


def published_line(name: str) -> bytes:
    """Frames of a growing segment have published times. (facts_line implies it.)"""
    return _line(["p", name])


def forget_line(name: str) -> bytes:
    """The segment is gone, and with it the clock of a file that is a run of its own."""
    return _line(["d", name])


def pack_log(
    facts: Iterable[SegmentFacts],
    knots: Iterable[tuple[str, Knot]],
    published: Iterable[str] = (),
    off_us: Iterable[tuple[str, int]] = (),
    observed: Iterable[str] = (),
    outages: Iterable[Outage] = (),
    stamps: Iterable[tuple[str, int]] = (),
    disks: Mapping[str, str] | None = None,
    disk: str | None = None,
) -> bytes:
    """A complete log with exactly this content."""
    on: dict[str | None, list[bytes]] = {None: []}  # facts without a file system come before all others
    for segment in facts:
        on.setdefault((disks or {}).get(segment.name), []).append(facts_line(segment))
    grouped = [line for where, each in on.items() for line in (*([disk_line(where)] if where else ()), *each)]
    if disk is not None:
        grouped.append(disk_line(disk))
    lines = [observed_line(run_id) for run_id in observed]
    lines += [knot_line(run_id, knot) for run_id, knot in knots]
    lines += [off_line(*off) for off in off_us]
    lines += map(outage_line, outages)
    lines += [stamp_line(*stamp) for stamp in stamps]
    return b"".join([*grouped, *map(published_line, published), *lines])


def read_log(data: bytes) -> ChannelLog:
    """The content of all valid lines of `data`; never raises because of the bytes."""
    log = ChannelLog(is_torn=bool(data) and not data.endswith(b"\n"))
    good = 0
    for lines in _lines(data):
        log.lines += len(lines)
        for row in _rows([text for line in lines if (text := _checked(line)) is not None]):
            try:
                _take_row(log, row)
            except _BAD_LINE:
                continue
            good += 1
    log.bad_lines = log.lines - good
    return log


def _lines(data: bytes) -> Iterator[list[bytes]]:
    """The lines, some hundred at a time: as objects, all of them would take many times their bytes."""
    at = 0
    while at < len(data):
        end = data.find(b"\n", at + _BATCH_BYTES)
        end = len(data) if end < 0 else end
        yield [line for line in data[at:end].split(b"\n") if line]
        at = end


# errors of json and of our own checks
_BAD_LINE: Final = (ValueError, TypeError, KeyError, IndexError, RecursionError)


def _checked(line: bytes) -> bytes | None:
    """The line's JSON, when its checksum is right."""
    text = line[9:]
    try:
        return text if int(line[:8], 16) == crc32(text) else None
    except ValueError:
        return None


def _rows(texts: list[bytes]) -> list[Any]:
    """The value of each text; many in one call, because a start with 100 h of recordings reads 40,000
    lines."""
    try:
        rows = json.loads(b"[" + b",".join(texts) + b"]")
    except (ValueError, RecursionError):
        rows = []
    return rows if len(rows) == len(texts) else [row for text in texts for row in _row(text)]


def _row(text: bytes) -> list[Any]:
    try:
        return [json.loads(text)]
    except (ValueError, RecursionError):
        return []


def _take_row(log: ChannelLog, row: list[Any]) -> None:
    version, kind = row[0], row[1]
    if version != LOG_VERSION:
        raise ValueError(f"a line of version {version}")
    if kind == "k":
        _take_knot(log, row)
        return
    values = row[2:]
    # an older layout: the file is indexed again, its times stay
    if kind == "f" and len(values) != len(_FACTS) + 2:
        log.published.add(str(values[0]))
        for known in (log.facts, log.stamps):
            known.pop(values[0], None)
    elif kind == "f":
        facts = _facts(values)
        log.facts[facts.name] = facts
        log.published.add(facts.name)
        if log.disk is not None:
            log.disks[facts.name] = log.disk
    elif kind == "m":
        log.stamps[str(values[0])] = int(values[1])
    elif kind == "o":
        run_id, off_us = values
        log.off_us.pop(run_id, None)
        log.off_us[str(run_id)] = int(off_us)
    elif kind == "u":
        run_id, first_ns, end_ns = values
        log.knots[run_id] = [x for x in log.knots.get(run_id, ()) if not first_ns <= x.media_ns < end_ns]
    elif kind == "w":
        log.observed.add(str(values[0]))
    elif kind == "p":
        log.published.add(str(values[0]))
    elif kind == "g":
        start_us, reason = values
        if reason not in REASONS:
            raise ValueError(f"a reason {reason!r}")
        log.outages.append(Outage(int(start_us), reason))
    elif kind == "v":
        log.disk = str(values[0])
    elif kind == "d":
        name = str(values[0])
        gone, own = log.facts.pop(name, None), run_of_name(name)
        log.published.discard(name)
        for by_run in (log.knots, log.off_us):
            by_run.pop(own, None)
            if gone is not None and gone.run_id.startswith(own):
                by_run.pop(gone.run_id, None)
    else:
        raise ValueError(f"a line of kind {kind!r}")


def _take_knot(log: ChannelLog, row: list[Any]) -> None:
    if len(row) == 3 + _PLAIN:  # nearly all lines of a log are this one
        _, _, run_id, media_ns, wall_us, rate_ppb = row
        knot = Knot(int(media_ns), int(wall_us), int(rate_ppb))
    else:
        run_id, *values = row[2:]
        knot = Knot(*map(int, values))
    if knot[2] <= 0 or (knot[3] and (knot.slew_ns < 0 or knot.slew_ppb <= 0)):
        raise ValueError("time would stand still or go back")
    knots = log.knots.get(run_id)
    if knots is None:
        knots = log.knots.setdefault(str(run_id), [])
    knots.append(knot)


def _facts(row: list[Any]) -> SegmentFacts:
    *plain, sizes, holes = row
    if not isinstance(plain[0], str):
        raise TypeError("facts without a name")
    for at in _SHARED:
        plain[at] = intern(plain[at])
    plain.append(tuple([Size(*size) for size in sizes]))
    plain.append(tuple([(int(before), int(after)) for before, after in holes]))
    return SegmentFacts(*plain)


def _line(row: list[Any]) -> bytes:
    text = json.dumps([LOG_VERSION, *row], separators=(",", ":")).encode()
    return b"%08x %s\n" % (crc32(text), text)
