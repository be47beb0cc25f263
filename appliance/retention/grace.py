"""Limits that were changed since the last start take effect only after a while.

Owns: which figures hold now, from what was stored and what the settings say. Pure. A wrong figure in the
settings file would otherwise delete recordings within seconds of the start; so figures that delete more than
the last ones wait, and /readyz says what they would delete and when.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from appliance.kernel.clock import DAY_US, HOUR_US
from appliance.retention.core import FLOOR_BYTES, Limits

_GB: Final = 10**9
_UNITS: Final = {
    "min_free_bytes": ("min_free_gb", _GB),
    "reserve_bytes": ("reserve_gb", _GB),
    "raw_us": ("raw_days", DAY_US),
    "clip_us": ("clip_days", DAY_US),
    "guard_us": ("session_guard_h", HOUR_US),
}
_LARGER_DELETES_MORE: Final = ("min_free_bytes", "reserve_bytes")


@dataclass(frozen=True, slots=True)
class Record:
    """What is stored between runs: the figures in force, and stricter ones that wait until `until_us`."""

    now: Limits
    later: Limits | None = None
    until_us: int = 0

    def to_json(self) -> dict[str, Any]:
        later = None if self.later is None else asdict(self.later)
        return {"now": asdict(self.now), "later": later, "until_us": self.until_us}

    @classmethod
    def from_json(cls, data: Any) -> Record:
        """Raises KeyError, TypeError or ValueError for what is not a record."""
        later = None if data["later"] is None else Limits(**data["later"])
        return cls(Limits(**data["now"]), later, int(data["until_us"]))

    def changes(self) -> list[str]:
        """What waits, one word per setting: `reserve_gb 10 -> 500`."""
        if self.later is None:
            return []
        pairs = [
            (name, getattr(self.now, field) / by, getattr(self.later, field) / by)
            for field, (name, by) in _UNITS.items()
        ]
        return [f"{name} {old:g} -> {new:g}" for name, old, new in pairs if old != new]


def settle(
    stored: Record | None, wanted: Limits, now_us: int, grace_us: int, free_bytes: int = FLOOR_BYTES
) -> Record:
    """The record of a run that begins at `now_us` (box time) with the settings `wanted`.

    Every figure that deletes less holds at once, and one that deletes more after `grace_us`; a restart in
    between does not begin the wait again. The first run, of a new box or of one whose state was lost, keeps
    as much free as there is, `free_bytes`, or 1 GB where that is more: recordings may be there already.
    """
    if grace_us <= 0:
        return Record(wanted)
    before = due(stored, now_us).now if stored is not None else _as_it_is(wanted, free_bytes)
    mild = _milder(before, wanted)
    if mild == wanted:
        return Record(wanted)
    if stored is not None and stored.later == wanted and stored.until_us > now_us:
        return Record(mild, wanted, stored.until_us)
    return Record(mild, wanted, now_us + grace_us)


def due(record: Record, now_us: int) -> Record:
    """The record once the wait is over; itself before that."""
    if record.later is not None and now_us >= record.until_us:
        return Record(record.later)
    return record


def _as_it_is(wanted: Limits, free_bytes: int) -> Limits:
    most = max(free_bytes, FLOOR_BYTES)
    return replace(
        wanted,
        min_free_bytes=min(wanted.min_free_bytes, most),
        reserve_bytes=min(wanted.reserve_bytes, most),
    )


def _milder(one: Limits, other: Limits) -> Limits:
    """Of each figure the one that deletes less."""
    pick = {
        field: (min if field in _LARGER_DELETES_MORE else max)(getattr(one, field), getattr(other, field))
        for field in _UNITS
    }
    return Limits(**pick)
