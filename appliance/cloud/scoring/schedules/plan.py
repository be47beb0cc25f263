"""Which updates a day needs: when each round of a tournament is asked for, and under which id.

Owns: the times, the ids and the cron expressions of schedules. Times are microseconds UTC; the caller has the
clock. A match without a time of day has no schedule of its own: it is asked for on the day after.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from appliance.cloud.scoring.match import Kind, Status

GROUP: Final = "scores-and-standings-routine"
_MINUTE_US: Final = 60_000_000
_HOUR_US: Final = 60 * _MINUTE_US
_DAY_US: Final = 24 * _HOUR_US
LATE_US: Final = 2 * _HOUR_US
"""Kick-offs of the next day up to here belong to today: venues west of Greenwich play late."""

CATCH_UP_DAYS: Final = 14

What = Literal["scores", "standings"]


@dataclass(frozen=True, slots=True)
class Fixture:
    """A match as far as its schedule needs it. `round` is the slug."""

    tournament_id: str
    round: str
    kind: Kind
    status: Status
    date: str | None
    kickoff_us: int | None


@dataclass(frozen=True, slots=True)
class Times:
    """Minutes after the kick-off; `test_delay_min`: instead of both in the demo, after now."""

    score_after_min: int = 90
    standings_after_min: int = 120
    test_delay_min: int | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    id: str
    what: What
    tournament_id: str
    round: str
    fire_us: int
    cron: str
    target: Mapping[str, str]
    group: str = GROUP


def plan_day(
    fixtures: Iterable[Fixture],
    names: Mapping[str, str],
    now_us: int,
    times: Times,
    *,
    base_url: str,
    environment: str,
    taken: Set[str] = frozenset(),
) -> list[Schedule]:
    """The schedules of today, in the order in which they fire; one for each (what, tournament, round,
    minute).

    `names`: of tournaments by id. `taken`: ids of other schedules. What is due already fires now.
    """
    day_us = now_us - now_us % _DAY_US
    wanted: dict[tuple[int, str, str, What], bool] = {}
    for fixture in fixtures:
        for what, fire_us in _fires(fixture, day_us, now_us, times):
            minute = max(fire_us, now_us)
            minute += -minute % _MINUTE_US
            key = (minute, fixture.tournament_id, fixture.round, what)
            wanted[key] = wanted.get(key, False) or fixture.kind == "knockout"
    used, made = set(taken), list[Schedule]()
    for (fire_us, tournament_id, round_, what), is_knockout in sorted(wanted.items()):
        own = free_id(names[tournament_id], fire_us, round_, what, used)
        used.add(own)
        target = target_of(base_url, environment, tournament_id, round_, is_knockout=is_knockout)
        made.append(Schedule(own, what, tournament_id, round_, fire_us, cron(fire_us), target))
    return made


def _fires(fixture: Fixture, day_us: int, now_us: int, times: Times) -> Sequence[tuple[What, int]]:
    """When a match is asked for; nothing for one that has ended, or is still to come. One of an earlier day
    is asked for now: it had no time of day, or this service did not run then."""
    if fixture.status == "ended":
        return ()
    soon_us = now_us + (times.test_delay_min or 0) * _MINUTE_US
    if fixture.kickoff_us is None:
        first = _day(day_us - _days(fixture) * _DAY_US)
        is_past = fixture.date is not None and first <= fixture.date < _day(day_us)
        return (("standings", soon_us),) if is_past else ()
    if day_us - _days(fixture) * _DAY_US <= fixture.kickoff_us < day_us and fixture.status == "open":
        return (("standings", soon_us),)
    if not day_us <= fixture.kickoff_us < day_us + _DAY_US + LATE_US:
        return ()
    if times.test_delay_min is not None:
        return (("standings", soon_us),)
    return (
        ("scores", fixture.kickoff_us + times.score_after_min * _MINUTE_US),
        ("standings", fixture.kickoff_us + times.standings_after_min * _MINUTE_US),
    )


def _days(fixture: Fixture) -> int:
    """How many days back a match is still asked for: one that was put off has no result to come."""
    return CATCH_UP_DAYS if fixture.status == "open" else 1


def cron(fire_us: int) -> str:
    """`cron(56 21 9 8 ? 2025)`: the one minute, UTC."""
    at = _instant(fire_us)
    return f"cron({at.minute} {at.hour} {at.day} {at.month} ? {at.year})"


def schedule_id(name: str, fire_us: int) -> str:
    """`brasileiro_betano_2025_08_09_21_56` of the tournament's name and the minute, UTC."""
    return f"{_slug(name)}_{_instant(fire_us):%Y_%m_%d_%H_%M}"


def free_id(name: str, fire_us: int, round_: str, what: str, used: Set[str]) -> str:
    """The shortest that is free: with the round, then with what it does, then counted."""
    base = schedule_id(name, fire_us)
    longer = f"{base}_{_slug(round_)}"
    candidates = [base, longer, f"{longer}_{what}"]
    free = next((each for each in candidates if each not in used), None)
    count = 2
    while free is None:
        counted = f"{candidates[-1]}_{count}"
        free, count = (counted if counted not in used else None), count + 1
    return free


def target_of(
    base_url: str, environment: str, tournament_id: str, round_: str, *, is_knockout: bool
) -> dict[str, str]:
    """What is sent when it fires: scores first, then standings, then the bracket of a knockout round. No
    round: all of them."""
    own = f"{base_url}/api/v2/data-provider/tournaments/{tournament_id}"
    target = {
        "standingsUrl": f"{own}/standings",
        "roundUrl": f"{own}/matches/{round_}" if round_ else f"{own}/matches",
        "targetEnv": environment,
    }
    return {**target, "knockoutsUrl": f"{own}/knockouts"} if is_knockout else target


def repoll(fire_us: int, kickoff_us: int, *, repoll_min: int, give_up_min: int) -> int | None:
    """When to ask again for a match that had not ended; None: it is given up until the next daily run."""
    again_us = fire_us + repoll_min * _MINUTE_US
    return again_us if again_us <= kickoff_us + give_up_min * _MINUTE_US else None


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or "tournament"


def _instant(at_us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)


def _day(at_us: int) -> str:
    return f"{_instant(at_us):%Y-%m-%d}"
