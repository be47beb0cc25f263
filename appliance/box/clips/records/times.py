"""When a mark begins: the start a client wrote, resolved to an instant (V08).

Pure functions. A client may write an RFC 3339 time, or the time on the scoreboard: "14:23:15", which has
neither date nor zone. The server never guesses beyond the rule here, and names what it refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from appliance.kernel.clock import EPOCH, from_rfc3339, to_rfc3339
from appliance.kernel.errors import Refused, invalid

AHEAD_US = (
    5_000_000  # a client whose offset estimate is fresh is within milliseconds; 5 s means a wrong clock
)
HOUR_US = 3_600_000_000
_CLOCK = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d{1,6}))?")


@dataclass(frozen=True, slots=True)
class SessionSpan:
    """When the session ran, as far as known; box time."""

    actual_start_us: int | None
    actual_end_us: int | None


def resolve_start(text: str, *, now_us: int, zone: str, span: SessionSpan) -> int:
    """The instant of `text`. Raises Refused 422: unreadable, over 5 s ahead, or not within the session."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        try:
            instant = from_rfc3339(text)
        except ValueError:
            raise invalid("start_time", "must be an RFC 3339 time or HH:MM:SS, such as 14:23:15") from None
        return refuse_ahead("start_time", instant, now_us)
    hour, minute, second = (int(part) for part in match.groups()[:3])
    if hour > 23 or minute > 59 or second > 59:
        raise invalid("start_time", f"{text} is no time of day")
    fraction_us = int(((match[4] or "") + "000000")[:6])
    return _latest(time(hour, minute, second, fraction_us), now_us, ZoneInfo(zone), span, text)


def refuse_ahead(loc: str, instant_us: int, now_us: int) -> int:
    """The instant itself, unless it lies more than 5 s in the future."""
    if instant_us > now_us + AHEAD_US:
        raise Refused(
            422,
            "clock_ahead",
            f"{loc}: {to_rfc3339(instant_us)} is {(instant_us - now_us) / 1e6:.1f} s ahead of the box",
            "measure the offset to GET /time and send box time",
            extra={"server_time": to_rfc3339(now_us)},
        )
    return instant_us


def _latest(clock: time, now_us: int, zone: ZoneInfo, span: SessionSpan, text: str) -> int:
    last_us = min(span.actual_end_us or now_us, now_us) + AHEAD_US
    first_us = now_us - 24 * HOUR_US
    if span.actual_start_us is not None:
        first_us = span.actual_start_us - HOUR_US
    instants = [at for at in _instants(clock, zone, first_us, last_us) if first_us <= at <= last_us]
    if not instants:
        raise Refused(
            422,
            "not_in_session",
            f"start_time: {text} in {zone.key} lies nowhere between {to_rfc3339(first_us)}"
            f" and {to_rfc3339(last_us - AHEAD_US)}",
            "send an RFC 3339 time with its date",
            extra={"span": {"start": to_rfc3339(first_us), "end": to_rfc3339(last_us - AHEAD_US)}},
        )
    return max(instants)


def _instants(clock: time, zone: ZoneInfo, first_us: int, last_us: int) -> list[int]:
    """Every instant with this local time around the span: two for a repeated hour, none for a skipped one."""
    day = (EPOCH + timedelta(microseconds=first_us)).astimezone(zone).date() - timedelta(days=1)
    end = (EPOCH + timedelta(microseconds=last_us)).astimezone(zone).date() + timedelta(days=1)
    instants: set[int] = set()
    while day <= end:
        for fold in (0, 1):
            local = datetime.combine(day, clock, tzinfo=zone).replace(fold=fold)
            instant = local.astimezone(UTC)
            if instant.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
                instants.add((instant - EPOCH) // timedelta(microseconds=1))
        day += timedelta(days=1)
    return sorted(instants)
