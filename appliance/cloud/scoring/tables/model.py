"""What a table is computed from, and its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from appliance.cloud.scoring.match import Match
from appliance.cloud.scoring.rules.model import RuleSet

Phase = tuple[str, str]
"""A stage and a group in it ("" for a league): each has a table of its own."""
Venue = Literal["all", "home", "away"]


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Points given or taken by an office. `on` is a day; `stage` only where a team has several tables."""

    team: str
    points: int
    on: str
    stage: str | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """The value of a criterion that results do not tell: discipline, cards, coefficient, ranking."""

    team: str
    criterion: str
    value: float
    on: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The order of level teams as a person recorded it, or a draw."""

    stage: str
    group: str
    order: tuple[str, ...]
    on: str = ""


@dataclass(frozen=True, slots=True)
class Curtailed:
    """The season ended early: later results do not count."""

    method: Literal["points_per_game", "as_it_stands", "void"]
    on: str


@dataclass(frozen=True, slots=True)
class Excluded:
    """`expunge`: as if the team had never taken part. `void_rest`: what it has played up to
    that day counts, no result after it does. `on` "": what has been played counts."""

    team: str
    mode: Literal["expunge", "void_rest"]
    on: str = ""


@dataclass(frozen=True, slots=True)
class Season:
    """`groups`: teams of each phase where they are known before they have played."""

    rules: RuleSet
    matches: Sequence[Match]
    groups: Mapping[Phase, Sequence[str]] = field(default_factory=dict)
    adjustments: Sequence[Adjustment] = ()
    facts: Sequence[Fact] = ()
    decisions: Sequence[Decision] = ()
    curtailed: Curtailed | None = None
    excluded: Sequence[Excluded] = ()


@dataclass(frozen=True, slots=True)
class View:
    """Which of the season a table shows. `as_of`: the end of that day; `last`: each team's last matches."""

    as_of: str | None = None
    venue: Venue = "all"
    last: int | None = None
    stage: str | None = None
    group: str | None = None
    live: bool = False
    """With the present scores of matches that are being played."""

    @property
    def is_whole(self) -> bool:
        """All matches count: places, zones and bounds mean something."""
        return self.venue == "all" and self.last is None


class Row(NamedTuple):
    """One team. `best`, `worst`: places it can still reach; None where the rest of the season is not known.

    `clinched`: its zone, or a better one, is certain; of a zone to be avoided: it cannot leave it.
    `eliminated`: it can reach no zone that a team wants any more.
    """

    position: int
    shared: bool
    stage: str
    group: str
    team: str
    played: int
    won: int
    drawn: int
    lost: int
    goals_for: int
    goals_against: int
    goal_difference: int
    points: int
    adjustment: int
    points_per_game: float | None
    zone: str | None
    clinched: bool
    eliminated: bool
    tie_break: str | None
    tie_unresolved: bool
    form: str
    best: int | None
    worst: int | None


@dataclass(frozen=True, slots=True)
class Table:
    rows: tuple[Row, ...]
    is_provisional: bool
