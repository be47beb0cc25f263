"""A rule-set for one season, as the engine uses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

HIGHER: Final = frozenset(
    {
        "points",
        "points_per_game",
        "win_percentage",
        "wins",
        "goal_difference",
        "goal_average",
        "goals_for",
        "away_goals",
        "away_wins",
    }
)
"""Criteria computed from a team's own matches; the greater value is better."""
OPPONENTS: Final = frozenset({"opponents_points", "opponents_goal_difference", "opponents_goals_for"})
"""Sums over the teams that a team has met."""
FACTS: Final[Mapping[str, int]] = {"discipline": -1, "red_cards": -1, "yellow_cards": -1} | {
    "coefficient": 1,
    "ranking": -1,
}
"""Criteria that people or providers supply: 1 when more is better, -1 when less is."""
SCHEDULE: Final = frozenset(
    {
        "division_percentage",
        "conference_percentage",
        "common_percentage",
        "strength_of_victory",
        "strength_of_schedule",
        "conference_rank",
        "overall_rank",
        "common_net_points",
        "net_points",
    }
)
"""Criteria of American football, over matches inside and outside the group."""
CRITERIA: Final = HIGHER | OPPONENTS | FACTS.keys() | SCHEDULE

ZoneKind = Literal["title", "promotion", "qualification", "playoff", "relegation-playoff", "relegation"]
WANTED: Final = frozenset({"title", "promotion", "qualification", "playoff"})
"""Kinds of zones that a team wants to reach; it wants to stay out of the others."""
Again = Literal["never", "block", "each"]


@dataclass(frozen=True, slots=True)
class HeadToHead:
    """Criteria over the matches between the teams that are level.

    `again`: for those still level, begin again with the matches between them alone: `block` after all of
    `criteria`, `each` after every one that separated a team.
    """

    criteria: tuple[str, ...]
    again: Again = "never"
    clubs: int | None = None
    """Only for this number of level teams."""
    complete: bool = False
    """Only when these teams have played all their matches against each other."""
    at_zones: bool = False
    """Only at the end of the season, between teams of which the order decides a zone."""


Criterion = str | HeadToHead


@dataclass(frozen=True, slots=True)
class Points:
    win: int
    draw: int
    loss: int = 0


@dataclass(frozen=True, slots=True)
class Zone:
    """Positions `first` to `last`; negative ones count from the bottom, -1 is the last place."""

    name: str
    kind: ZoneKind
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class BestPlaced:
    """The best of those in the same place of every group: `count` of them go on."""

    place: int
    count: int
    criteria: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Knockout:
    away_goals: bool = False
    """Level after two legs: more goals away from home win."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """`season`: the year in which it begins; None: the rules in force."""

    name: str
    season: int | None
    points: Points
    criteria: tuple[Criterion, ...]
    zones: tuple[Zone, ...] = ()
    meetings: int | None = None
    """How often each pair of teams meets: without it and `games` nothing is known of matches not listed."""
    games: int | None = None
    """Matches of each team."""
    playoff_at: tuple[int, ...] = ()
    """Level on points at the end between this place and the next: one further match decides."""
    share: bool = False
    """Level teams share a position for good where no zone depends on it."""
    across_groups: bool = False
    """A group's table counts matches against teams of other groups."""
    restart: bool = False
    """One team is separated at a time, then the first criterion is tried again with the others."""
    best_placed: BestPlaced | None = None
    knockout: Knockout = field(default_factory=Knockout)


def zone_at(zones: Sequence[Zone], position: int, teams: int) -> Zone | None:
    """The zone of a position in a table of so many teams."""
    for zone in zones:
        first = zone.first if zone.first > 0 else teams + 1 + zone.first
        last = zone.last if zone.last > 0 else teams + 1 + zone.last
        if first <= position <= last:
            return zone
    return None
