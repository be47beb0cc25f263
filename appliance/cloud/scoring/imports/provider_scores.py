"""Scores as providers give them, as ours: after 90 minutes, after 120, and the kicks of a shoot-out apart.

Both providers have a field that looks like the result and contains the shoot-out: SofaScore's `current`, and
football-data.org's `fullTime`, a running total. Neither is used where more is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from appliance.cloud.scoring.match import Pair


class ProviderScore(NamedTuple):
    score: Pair | None = None
    half_time: Pair | None = None
    extra_time: Pair | None = None
    shoot_out: Pair | None = None


def sofascore(home: Mapping[str, Any], away: Mapping[str, Any]) -> ProviderScore:
    """`homeScore` and `awayScore` of an event: `normaltime` is the score after 90 minutes, `display` the one
    without kicks; `overtime` are the goals of extra time alone."""
    normal = _pair(home, away, "normaltime")
    display = _pair(home, away, "display")
    overtime = _pair(home, away, "overtime")
    regular = normal if normal is not None else (None if overtime is not None else display)
    extra = None
    if overtime is not None:
        extra = (normal[0] + overtime[0], normal[1] + overtime[1]) if normal is not None else display
    return ProviderScore(regular, _pair(home, away, "period1"), extra, _pair(home, away, "penalties"))


def football_data(score: Mapping[str, Any]) -> ProviderScore:
    """`score` of a match: `regularTime` is the score after 90 minutes where there was more, `extraTime`
    the goals of extra time alone, `fullTime` the running total with the kicks."""
    full, half = _sides(score.get("fullTime")), _sides(score.get("halfTime"))
    duration = score.get("duration") or "REGULAR"
    if duration == "REGULAR":
        return ProviderScore(full, half)
    regular, overtime = _sides(score.get("regularTime")), _sides(score.get("extraTime"))
    kicks = _sides(score.get("penalties")) if duration == "PENALTY_SHOOTOUT" else None
    extra = full if kicks is None else None
    if regular is not None and overtime is not None:
        extra = regular[0] + overtime[0], regular[1] + overtime[1]
    elif full is not None and kicks is not None:
        extra = full[0] - kicks[0], full[1] - kicks[1]
    return ProviderScore(regular, half, extra, kicks)


def _pair(home: Mapping[str, Any], away: Mapping[str, Any], key: str) -> Pair | None:
    return _goals(home.get(key), away.get(key))


def _sides(given: Any) -> Pair | None:
    return _goals(given.get("home"), given.get("away")) if isinstance(given, Mapping) else None


def _goals(home: Any, away: Any) -> Pair | None:
    return (home, away) if type(home) is int and type(away) is int and home >= 0 <= away else None
