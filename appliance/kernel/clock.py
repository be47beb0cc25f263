"""Box time: one steady UTC clock for every time that the box stores or sends.

Owns: reading the machine's clocks. No other module may ask the operating system for the time (ruff bans
`time.time` and `datetime.now` elsewhere), so that a wall-clock step during a game changes no mark, no
deadline and no journal entry.

Box time = CLOCK_BOOTTIME + an offset taken from the wall clock at boot and stored with the boot id.
Instants are int microseconds UTC since the epoch (`*_us`). Deadlines use trio's own monotonic clock.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from appliance.kernel import json

if TYPE_CHECKING:
    from appliance.kernel.tx import Tx

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
S_US = 1_000_000
HOUR_US = 3_600_000_000
DAY_US = 86_400_000_000
MAX_US = 253_402_300_800_000_000  # the end of year 9999, the last that RFC 3339 can write
_NEAR_US = 4  # two readings at most this far apart count as simultaneous
_READINGS = 32
STEP_US = 500_000  # a wall clock further than this from box time is reported as a step

_RFC3339 = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|z|[+-]\d{2}:\d{2})")


class Clock(Protocol):
    """The clock that actors and closures use."""

    def now_us(self) -> int:
        """Box time now, microseconds UTC."""
        ...


def boottime_us() -> int:
    """Microseconds since boot, suspend included; never steps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def wall_us() -> int:
    """The machine's wall clock, which NTP or an operator may step."""
    return time.time_ns() // 1000


def apart_us(first: Callable[[], int], second: Callable[[], int]) -> int:
    """How far clock `first` is ahead of clock `second`, us.

    The process may be preempted between two readings, for longer than a frame lasts: of several attempts the
    one with the shortest time between its readings is used.
    """
    took_us, ahead_us = 1 << 62, 0
    for _ in range(_READINGS):
        before, now, after = second(), first(), second()
        if after - before < took_us:
            took_us, ahead_us = after - before, now - (before + after) // 2
        if took_us <= _NEAR_US:
            break
    return ahead_us


def ahead_of_wall_us(clock: Clock) -> int:
    """How far box time is ahead of the machine's wall clock: converts a file's modification time to box
    time."""
    return apart_us(clock.now_us, wall_us)


def boot_id() -> str:
    """Identity of this boot: an offset to CLOCK_BOOTTIME is valid only within it."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(slots=True)
class BoxClock:
    """Box time. `offset_us` changes only through `resync`, and only while no session is active."""

    boot_id: str
    offset_us: int

    @classmethod
    def start(cls, stored_boot_id: str | None, stored_offset_us: int | None) -> BoxClock:
        """Use the stored offset if the machine has not rebooted since, else take the wall clock's."""
        current = boot_id()
        if stored_boot_id == current and stored_offset_us is not None:
            return cls(current, stored_offset_us)
        return cls(current, apart_us(wall_us, boottime_us))

    def now_us(self) -> int:
        return boottime_us() + self.offset_us

    def step_us(self) -> int:
        """How far the wall clock has moved away from box time; positive: the wall clock is ahead."""
        return apart_us(wall_us, self.now_us)

    def resync(self) -> None:
        """Set box time to the wall clock. The caller makes sure that no session is active."""
        self.offset_us += self.step_us()


@lru_cache(maxsize=512)  # the events of one change show the same few times again and again
def to_rfc3339(instant_us: int) -> str:
    """RFC 3339 UTC with microseconds: 2026-11-20T19:31:04.120000Z."""
    moment = EPOCH + timedelta(microseconds=instant_us)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def optional_rfc3339(instant_us: int | None) -> str | None:
    return None if instant_us is None else to_rfc3339(instant_us)


def from_rfc3339(text: str) -> int:
    """Microseconds UTC; digits past the sixth are cut off.

    Raises ValueError naming what is wrong. A time without zone is refused: it would be a guess.
    """
    match = _RFC3339.fullmatch(text.strip())
    if match is None:
        raise ValueError("must be an RFC 3339 time with a zone, such as 2026-11-20T19:31:04.120Z")
    date, clock, fraction, zone = match.groups()
    moment = datetime.fromisoformat(f"{date}T{clock}{'+00:00' if zone in 'Zz' else zone}")
    whole = (moment - EPOCH) // timedelta(microseconds=1)
    if not 0 <= whole < MAX_US:
        raise ValueError("must lie between the years 1970 and 9999")
    return whole + int(((fraction or "") + "000000")[:6])


# -- the time by which old rows are deleted -----------------------------------------------------------------

LEAP_S: Final = 24 * 3600.0  # so much more than has passed since the last look: set, or the machine was off
CONFIRM_S: Final = 24 * 3600.0  # of running with the new time, also over restarts


@dataclass(frozen=True, slots=True)
class TrustedTime:
    """A clock that is months ahead for an hour would delete, in that hour, entries that were not sent yet. So
    a leap forward counts only after the program has run for a day with it; until then this time goes on as it
    ran before. `waited_s`: how long the program has run since the clock went ahead of `us`; 0: it is not."""

    us: int
    waited_s: float = 0.0


def advance(before: TrustedTime | None, now_us: int, elapsed_s: float) -> TrustedTime:
    """The time at a look `elapsed_s` after the one before, as a steady clock measured it (0: the first one of
    this run). None: there was no look yet, and the clock is believed. Pure."""
    if before is None:
        return TrustedTime(now_us)
    ahead_s = (now_us - before.us) / S_US
    if ahead_s <= elapsed_s + LEAP_S:  # also one that was set back: then less is deleted
        return TrustedTime(now_us)
    if (waited_s := before.waited_s + elapsed_s) >= CONFIRM_S:
        return TrustedTime(now_us)
    return TrustedTime(before.us + round(elapsed_s * S_US), waited_s)


def trusted_now(tx: Tx, purpose: str, elapsed_s: float) -> int:
    """Microseconds UTC; `elapsed_s`: since the look before of this run, for this purpose. Kept in a row of
    `meta` for each purpose; where several processes look, the hours of all count."""
    key = f"time_of_{purpose}"
    stored = tx.value("SELECT value FROM meta WHERE key = ?", (key,))
    before = None if stored is None else TrustedTime(**json.decode_stored(str(stored)))
    trusted = advance(before, tx.now_us, elapsed_s)
    tx.run(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, json.encode(asdict(trusted)).decode()),
    )
    return trusted.us
