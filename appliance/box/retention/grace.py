"""Limits that were changed since the last start take effect only after a waiting period.

Owns: which limits are in effect, from the stored ones and the settings. Pure. A wrong figure in the settings
file would otherwise delete recordings within seconds of the start; so figures that delete more than the last
ones wait, and /readyz says what they would delete and when.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from appliance.box.retention.core import FLOOR_BYTES, RetentionLimits
from appliance.kernel.clock import DAY_US, HOUR_US

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
class LimitsRecord:
    """Stored between runs: the limits in effect, and stricter ones that wait until `until_us`."""

    now: RetentionLimits
    later: RetentionLimits | None = None
    until_us: int = 0

    def to_json(self) -> dict[str, Any]:
        later = None if self.later is None else asdict(self.later)
        return {"now": asdict(self.now), "later": later, "until_us": self.until_us}

    @classmethod
    def from_json(cls, data: Any) -> LimitsRecord:
        """Raises KeyError, TypeError or ValueError for malformed data."""
        later = None if data["later"] is None else RetentionLimits(**data["later"])
        return cls(RetentionLimits(**data["now"]), later, int(data["until_us"]))

    def changes(self) -> list[str]:
        """The waiting changes, one text per setting: `reserve_gb 10 -> 500`."""
        if self.later is None:
            return []
        pairs = [
            (name, getattr(self.now, field) / by, getattr(self.later, field) / by)
            for field, (name, by) in _UNITS.items()
        ]
        return [f"{name} {old:g} -> {new:g}" for name, old, new in pairs if old != new]


def settle(
    stored: LimitsRecord | None,
    wanted: RetentionLimits,
    now_us: int,
    grace_us: int,
    free_bytes: int = FLOOR_BYTES,
) -> LimitsRecord:
    """The record of a run that begins at `now_us` (box time) with the settings `wanted`.

    Every figure that deletes less is in effect at once, and one that deletes more after `grace_us`; a restart
    in between does not start the wait again. The first run, of a new box or of one whose state was lost,
    keeps the present free space `free_bytes` free, or 1 GB where that is more: recordings may exist already.
    """
    if grace_us <= 0:
        return LimitsRecord(wanted)
    before = due(stored, now_us).now if stored is not None else _as_it_is(wanted, free_bytes)
    mild = _milder(before, wanted)
    if mild == wanted:
        return LimitsRecord(wanted)
    if stored is not None and stored.later == wanted and stored.until_us > now_us:
        return LimitsRecord(mild, wanted, stored.until_us)
    return LimitsRecord(mild, wanted, now_us + grace_us)


def due(record: LimitsRecord, now_us: int) -> LimitsRecord:
    """The record once the wait is over; unchanged before."""
    if record.later is not None and now_us >= record.until_us:
        return LimitsRecord(record.later)
    return record


def _as_it_is(wanted: RetentionLimits, free_bytes: int) -> RetentionLimits:
    most = max(free_bytes, FLOOR_BYTES)
    return replace(
        wanted,
        min_free_bytes=min(wanted.min_free_bytes, most),
        reserve_bytes=min(wanted.reserve_bytes, most),
    )


def _milder(first: RetentionLimits, second: RetentionLimits) -> RetentionLimits:
    """For each figure the one that deletes less."""
    pick = {
        field: (min if field in _LARGER_DELETES_MORE else max)(getattr(first, field), getattr(second, field))
        for field in _UNITS
    }
    return RetentionLimits(**pick)
