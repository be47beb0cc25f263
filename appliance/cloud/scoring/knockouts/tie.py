"""One tie of a knockout round: the matches that belong to it, its aggregate, and who goes through, and why.

No guess is made: a tie that its matches do not decide has no winner until more is played or a person records
one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from appliance.cloud.scoring.match import WALKOVER, Match, Pair, result_on, winner

DecidedBy = Literal[
    "score",
    "extra_time",
    "penalties",
    "aggregate",
    "away_goals",
    "replay",
    "walkover",
    "bye",
    "awarded",
    "decision",
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`aggregate`: goals of the tie's home and away team so far, without shoot-outs and replays.
    `defect`: why the matches contradict each other, "" when they do not."""

    winner: str | None = None
    decided_by: DecidedBy | None = None
    aggregate: Pair | None = None
    defect: str = ""


def decide(
    home: str, away: str, matches: Sequence[Match], *, legs: int, away_goals: bool, as_of: str | None = None
) -> Outcome:
    """`matches` in the order of play; `home` is at home in the first. `legs`: how many a tie of this
    round has."""
    if not away or not home:
        return Outcome(home or away or None, "bye")
    regular = [match for match in matches if not match.is_replay][:legs]
    further = [match for match in matches if match not in regular]
    results = [result_on(match, as_of) for match in regular]
    played = [(match, goals) for match, goals in zip(regular, results, strict=True) if goals is not None]
    if not played:
        return Outcome()
    aggregate = _aggregate(home, played)
    if len(played) < legs:
        return Outcome(aggregate=aggregate)
    last = played[-1][0]
    if aggregate[0] != aggregate[1]:
        ahead = home if aggregate[0] > aggregate[1] else away
        return Outcome(ahead, _reason(last, legs), aggregate)
    return _level(home, away, played, further, aggregate, away_goals=away_goals, as_of=as_of)


def _aggregate(home: str, played: Sequence[tuple[Match, Pair]]) -> Pair:
    goals = [result if match.home == home else result[::-1] for match, result in played]
    return sum(own for own, _ in goals), sum(other for _, other in goals)


def _reason(last: Match, legs: int) -> DecidedBy:
    if last.detail in WALKOVER:
        return "walkover"
    if legs == 1 and last.official is not None:
        return "awarded"
    if last.extra_time is not None and last.official is None:
        return "extra_time"
    return "aggregate" if legs > 1 else "score"


def _level(
    home: str,
    away: str,
    played: Sequence[tuple[Match, Pair]],
    further: Sequence[Match],
    aggregate: Pair,
    *,
    away_goals: bool,
    as_of: str | None,
) -> Outcome:
    """Level after all legs: the shoot-out that was held, else goals away from home, else a replay."""
    last = played[-1][0]
    kicks = last.shoot_out
    if kicks is not None and kicks[0] == kicks[1]:
        return Outcome(
            None, None, aggregate, f"the shoot-out of match {last.id} ended level, {kicks[0]}-{kicks[1]}"
        )
    if kicks is not None:
        return Outcome(last.home if kicks[0] > kicks[1] else last.away, "penalties", aggregate)
    if away_goals and len(played) == 2 and not any(match.is_neutral for match, _ in played):
        own = sum(goals[1] for match, goals in played if match.away == home)
        other = sum(goals[1] for match, goals in played if match.away == away)
        if own != other:
            return Outcome(home if own > other else away, "away_goals", aggregate)
    for replay in reversed(further):
        if (through := winner(replay, as_of)) is not None:
            return Outcome(through, "replay", aggregate)
    return Outcome(aggregate=aggregate)
