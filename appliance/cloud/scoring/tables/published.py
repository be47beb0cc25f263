"""A published table beside ours, row by row; and what a published table says that cannot be.

Rows are compared by figures, because names of clubs differ between sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from appliance.cloud.scoring.rules.model import Points
from appliance.cloud.scoring.tables.model import Row


class Published(NamedTuple):
    """`adjustment`: points that were given or taken, as the source writes it."""

    team: str
    played: int
    won: int
    drawn: int
    lost: int
    goals_for: int
    goals_against: int
    points: int
    adjustment: int = 0


def contradictions(table: Sequence[Published], points: Points) -> list[str]:
    """What no season can have, a line for each: a deduction written without its sign, sums that do not
    fit."""
    found: list[str] = []
    for row in table:
        won = points.win * row.won + points.draw * row.drawn + points.loss * row.lost
        if row.played != row.won + row.drawn + row.lost:
            found.append(f"{row.team}: {row.played} played are not {row.won} + {row.drawn} + {row.lost}")
        if row.points == won + row.adjustment:
            continue
        hint = "; the sign of the adjustment is the other one" if row.points == won - row.adjustment else ""
        given = f" {row.adjustment:+d}" if row.adjustment else ""
        found.append(f"{row.team}: {row.points} points are not {won}{given}{hint}")
    scored, against = sum(row.goals_for for row in table), sum(row.goals_against for row in table)
    if scored != against:
        found.append(f"all teams: {scored} goals for, {against} against")
    return found


def differences(ours: Sequence[Row], table: Sequence[Published]) -> list[str]:
    """Where the tables differ, a line for each place. Level teams that share a place may be in any order."""
    found: list[str] = []
    if len(ours) != len(table):
        found.append(f"{len(ours)} teams here, {len(table)} there")
    for place, (row, other) in enumerate(zip(ours, table, strict=False), start=1):
        if _figures(row) == other[1:8] or (row.shared and any(_is_level(row, each, other) for each in ours)):
            continue
        found.append(f"{place}: {row.team} {_figures(row)} here, {other.team} {other[1:8]} there")
    return found


def _figures(row: Row) -> tuple[int, ...]:
    return (row.played, row.won, row.drawn, row.lost, row.goals_for, row.goals_against, row.points)


def _is_level(row: Row, other: Row, published: Published) -> bool:
    return other.position == row.position and other.stage == row.stage and _figures(other) == published[1:8]
