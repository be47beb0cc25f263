"""One match as the pure part of scoring sees it, and the result of it that counts.

Owns: which of a match's scores counts. Goals of a shoot-out never do. Must not know databases or HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Pair = tuple[int, int]
"""Of the home and of the away team."""

Status = Literal["open", "ended", "not-defined"]
Kind = Literal["league", "group", "knockout"]

ABANDONED: Final = frozenset({"abandoned", "suspended", "interrupted"})
"""Details of a match that did not reach its end: its score counts once an office has confirmed one."""
LIVE: Final = frozenset({"inprogress", "live", "paused", "halftime", "extra time", "shoot-out"})
WALKOVER: Final = frozenset({"walkover", "bye"})


@dataclass(frozen=True, slots=True)
class Match:
    """`home`, `away`: ids of teams, or the text of a placeholder such as W49. Dates are YYYY-MM-DD."""

    id: str
    home: str
    away: str
    kind: Kind = "league"
    stage: str = ""
    group: str = ""
    round: str = ""
    number: int | None = None
    """Of the match in the whole tournament: what W49 refers to."""
    leg: int | None = None
    date: str | None = None
    status: Status = "open"
    detail: str = ""
    """The provider's word for the status, such as awarded or abandoned."""
    score: Pair | None = None
    """After the regular time, on the pitch."""
    half_time: Pair | None = None
    extra_time: Pair | None = None
    """After extra time: the running total, not the goals of extra time alone."""
    shoot_out: Pair | None = None
    official: Pair | None = None
    """Set by an office; it counts instead of what was played, which is kept."""
    official_on: str | None = None
    is_provisional: bool = False
    is_neutral: bool = False
    tie: str = ""
    """Names the tie of a knockout match where its teams are known later than the tie: its slots. "": its
    teams name it."""
    is_replay: bool = False
    """Played because an earlier match of the same tie was level."""


def pitch_result(match: Match) -> Pair | None:
    """What was played, with extra time and without a shoot-out."""
    return match.extra_time if match.extra_time is not None else match.score


def result_on(match: Match, as_of: str | None = None, *, live: bool = False) -> Pair | None:
    """The result that counts on a day (None: now). None: it has none, or nothing counts yet.

    `live`: a match that is being played counts with its present score.
    """
    if as_of is not None and (match.date is None or match.date > as_of):
        return None
    if match.official is not None and not _is_later(match.official_on, as_of):
        return match.official
    if match.detail in ABANDONED:
        return None
    if match.status == "ended" or (live and match.status == "open" and match.detail in LIVE):
        return pitch_result(match)
    return None


def winner(match: Match, as_of: str | None = None) -> str | None:
    """Who won this match by itself: with extra time, then the shoot-out. None: level, equal kicks, no
    result."""
    result = result_on(match, as_of)
    if result is None:
        return None
    if result[0] != result[1]:
        return match.home if result[0] > result[1] else match.away
    kicks = match.shoot_out
    if kicks is None or kicks[0] == kicks[1]:
        return None
    return match.home if kicks[0] > kicks[1] else match.away


def _is_later(day: str | None, as_of: str | None) -> bool:
    return day is not None and as_of is not None and day > as_of
