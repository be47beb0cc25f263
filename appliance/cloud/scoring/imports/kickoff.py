"""When a match begins: dates and times as season files write them.

A time without a zone is read in the tournament's; without a time there is a date and no kick-off.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Final, NamedTuple

_TIME: Final = re.compile(
    r"(?P<hour>\d{1,2})[:.h](?P<minute>\d{2})(?::\d{2})?\s*"
    r"(?:\(?(?:UTC|GMT)\s*(?P<sign>[+−-])\s*(?P<off>\d{1,2})(?::(?P<off_m>\d{2}))?\)?|(?P<utc>Z|UTC|GMT))?",
    re.IGNORECASE,
)


YEARS: Final = range(1850, 2200)
"""Of matches: a date outside them is a mistake."""


class Kickoff(NamedTuple):
    """`at`: RFC 3339 UTC; `has_zone`: the text named one."""

    at: str
    has_zone: bool


def as_date(text: str) -> str | None:
    """The day itself, YYYY-MM-DD; None for what is no day of a match."""
    try:
        day = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None
    return day.isoformat() if day is not None and day.year in YEARS else None


def zone_of(text: str) -> tzinfo | None:
    """The offset in a text such as UTC-3; None without one."""
    match = re.search(r"\b(?:UTC|GMT)\s*([+−-])\s*(\d{1,2})(?::(\d{2}))?", text)
    return _offset(match[1], match[2], match[3]) if match is not None else None


def kickoff(day: str, time: str, zone: tzinfo) -> Kickoff | None:
    """None for a time that is none. `zone` is that of a time without one."""
    match = _TIME.fullmatch(time.strip())
    if match is None or int(match["hour"]) > 23 or int(match["minute"]) > 59:
        return None
    own: tzinfo | None = UTC if match["utc"] else None
    if match["sign"]:
        own = _offset(match["sign"], match["off"], match["off_m"])
    local = datetime.fromisoformat(day).replace(
        hour=int(match["hour"]), minute=int(match["minute"]), tzinfo=own or zone
    )
    try:
        at = local.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:  # before the year 1 or after 9999
        return None
    return Kickoff(f"{at.isoformat(timespec='seconds')}Z", own is not None)


def _offset(sign: str, hours: str, minutes: str | None) -> timezone | None:
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(offset if sign == "+" else -offset) if offset < timedelta(hours=15) else None
