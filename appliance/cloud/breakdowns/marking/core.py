"""Whether an event is to be logged, why, and as which break-down type. Pure.

An event qualifies when both teams are associated with its league for its season, and the league or one of
the teams has a rule. The most extensive type wins: the greatest rank; of equal ranks the league's rule, then
the home team's, then the away team's. Types of the winner's rank with other fields add their fields.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Side = Literal["league", "home", "away"]
SIDES: Final[tuple[Side, ...]] = ("league", "home", "away")
"""Whose rule it is, in the order in which they win at equal ranks."""

Reason = Literal[
    "league_rule",
    "team_rule",
    "league_and_team_rules",
    "no_rule",
    "home_not_associated",
    "away_not_associated",
    "teams_not_associated",
    "cancelled",
    "deleted",
]

WORDS: Final[dict[Reason, str]] = {
    "league_rule": "both teams play in the season, and the league has a rule",
    "team_rule": "both teams play in the season, and a team has a rule",
    "league_and_team_rules": "both teams play in the season; the league and a team have rules",
    "no_rule": "neither the league nor one of the teams has a rule",
    "home_not_associated": "the home team is not associated with the league for this season",
    "away_not_associated": "the away team is not associated with the league for this season",
    "teams_not_associated": "neither team is associated with the league for this season",
    "cancelled": "the event was cancelled",
    "deleted": "the event was deleted",
}


@dataclass(frozen=True, slots=True)
class BreakdownType:
    """`rank`: how extensive it is. `fields`: what is recorded."""

    id: str
    rank: int
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """`team_id`: whose events it is for; None: all of the league. `season_id`: None: every season."""

    id: str
    breakdown: BreakdownType
    team_id: str | None = None
    season_id: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    season_id: str
    home_team_id: str
    away_team_id: str
    is_cancelled: bool = False
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """`breakdown_type_id`, `rule_id` and `won_by` are None, and `fields` empty, when it is not marked."""

    is_marked: bool
    reason: Reason
    breakdown_type_id: str | None = None
    fields: tuple[str, ...] = ()
    rule_id: str | None = None
    won_by: Side | None = None


def decide(event: Event, associated: Collection[str], rules: Iterable[Rule]) -> Decision:
    """`associated`: the teams of the event's season. `rules`: the active ones of its league, in any order."""
    if event.is_deleted or event.is_cancelled:
        return Decision(False, "deleted" if event.is_deleted else "cancelled")
    absent = [side for side in ("home", "away") if _team(event, side) not in associated]
    if len(absent) == 2:
        return Decision(False, "teams_not_associated")
    if absent:
        return Decision(False, "home_not_associated" if absent == ["home"] else "away_not_associated")
    applying = _applying(event, rules)
    if not applying:
        return Decision(False, "no_rule")
    won_by, winner = applying[0]
    return Decision(
        True,
        _why({side for side, _ in applying}),
        winner.breakdown.id,
        _fields(winner.breakdown, [rule.breakdown for _, rule in applying]),
        winner.id,
        won_by,
    )


def _team(event: Event, side: str) -> str:
    return event.home_team_id if side == "home" else event.away_team_id


def _applying(event: Event, rules: Iterable[Rule]) -> list[tuple[Side, Rule]]:
    """The rules that hold for the event, the winner first."""
    sides: dict[str | None, Side] = {None: "league", event.home_team_id: "home", event.away_team_id: "away"}
    found = [
        (sides[rule.team_id], rule)
        for rule in rules
        if rule.team_id in sides and rule.season_id in (None, event.season_id)
    ]
    return sorted(found, key=lambda each: (-each[1].breakdown.rank, SIDES.index(each[0]), each[1].id))


def _why(sides: set[Side]) -> Reason:
    if sides == {"league"}:
        return "league_rule"
    return "league_and_team_rules" if "league" in sides else "team_rule"


def _fields(winner: BreakdownType, others: Sequence[BreakdownType]) -> tuple[str, ...]:
    """The winner's fields, then those that only others of its rank have."""
    fields = dict.fromkeys(winner.fields)
    for other in others:
        if other.rank == winner.rank:
            fields.update(dict.fromkeys(other.fields))
    return tuple(fields)
