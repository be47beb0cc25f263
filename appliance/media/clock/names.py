"""When a segment began, read from its file name (MediaMTX recordPath variables).

Owns: the accepted forms of names. Must not know: the mtxi box, which is preferred where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# %f has six digits, a zone of a name four: that distinguishes -525358 from -0500.
_DATED = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})[_T](?P<hour>\d{2})-(?P<minute>\d{2})-(?P<second>\d{2})"
    r"(?:-(?P<micro>\d{6}))?"
    r"(?:(?P<zone>Z|[+-]\d{2}:?\d{2})|[-_](?P<unix>\d{10}))?"
)
_UNIX = re.compile(r"(?P<unix>\d{10})(?:-(?P<micro>\d{6}))?")
SUFFIX = ".mp4"


def is_segment_name(name: str) -> bool:
    """A file that the index reads: not hidden, ends in .mp4, no path in it (other files are ignored)."""
    return name.endswith(SUFFIX) and not name.startswith(".") and "/" not in name and "\0" not in name


def name_time_us(name: str, default_zone: tzinfo) -> int | None:
    """Start of the segment called `name` (microseconds UTC), None when the name holds no time.

    For a local time that occurs twice the first one: see `name_times_us`.
    """
    return next(iter(name_times_us(name, default_zone)), None)


def name_times_us(name: str, default_zone: tzinfo) -> tuple[int, ...]:
    """When the segment called `name` may have begun (microseconds UTC), rising; empty: it holds no time.

    A name without zone is local time in `default_zone`. A local time that occurs twice (at the end of summer
    time) gives two results, one that never occurs (at its start) is read with the offset before the change.
    %s is preferred to the calendar fields beside it.
    """
    stem = name.removesuffix(SUFFIX)
    if (match := _UNIX.fullmatch(stem)) is not None:
        return (int(match["unix"]) * 1_000_000 + int(match["micro"] or 0),)
    match = _DATED.fullmatch(stem)
    if match is None:
        return ()
    if match["unix"]:
        return (int(match["unix"]) * 1_000_000 + int(match["micro"] or 0),)
    try:
        clock = f"{match['hour']}:{match['minute']}:{match['second']}"
        moment = datetime.fromisoformat(f"{match['date']}T{clock}")
        zone = _zone(match["zone"]) if match["zone"] else default_zone
        first = moment.replace(tzinfo=zone) - _EPOCH
        second = moment.replace(tzinfo=zone, fold=1) - _EPOCH
    except (ValueError, OverflowError):  # month 13, hour 25, zone +99:99, the year 1 east of Greenwich
        return ()
    micro = int(match["micro"] or 0)
    # in the gap of spring the second reading is before the first: that local time does not exist
    if second <= first:
        return (first // _MICROSECOND + micro,)
    return first // _MICROSECOND + micro, second // _MICROSECOND + micro


def nearest(times_us: Sequence[int], wanted_us: int) -> int:
    """The possible time of a name that is nearest to another estimate."""
    return min(times_us, key=lambda each: abs(each - wanted_us))


def _zone(text: str) -> tzinfo:
    if text == "Z":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
