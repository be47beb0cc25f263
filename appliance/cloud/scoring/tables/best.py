"""Which of the teams in one place of every group go on, such as the eight best thirds of twelve groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from appliance.cloud.scoring.rules.model import FACTS, BestPlaced
from appliance.cloud.scoring.tables.measures import Facts
from appliance.cloud.scoring.tables.model import Row

_COLUMNS = {"points": "points", "goal_difference": "goal_difference", "goals_for": "goals_for", "wins": "won"}


class Best(NamedTuple):
    """`through`: teams that surely go on, the best first. `undecided`: level teams for the places left,
    of which criteria tell no order; empty when all is decided."""

    through: tuple[str, ...]
    undecided: tuple[str, ...]


def best_placed(
    rows: Sequence[Row], rule: BestPlaced, facts: Facts, orders: Sequence[Sequence[str]] = ()
) -> Best:
    """Among the rows in the rule's place. `orders`: of level teams, as people decided; the last one that
    names them all holds. Raises KeyError for a criterion that rows do not have."""
    candidates = [row for row in rows if row.position == rule.place and not row.shared]
    through: list[str] = []
    for level in _levels(candidates, rule.criteria, facts):
        if len(through) + len(level) > rule.count:
            missing = rule.count - len(through)
            level_teams = {row.team for row in level}
            order = next((each for each in reversed(orders) if level_teams <= set(each)), None)
            if missing and order is not None:
                decided = sorted(level_teams, key=list(order).index)[:missing]
                return Best((*through, *decided), ())
            return Best(tuple(through), tuple(row.team for row in level) if missing else ())
        through += [row.team for row in level]
    return Best(tuple(through), ())


def are_level(rows: Sequence[Row], rule: BestPlaced | None, facts: Facts) -> bool:
    """Are these in the same place of their groups, and separated by no criterion of the rule?"""
    if len({row.position for row in rows}) != 1:
        return False
    return rule is None or len(_levels(list(rows), rule.criteria, facts)) == 1


def _levels(rows: list[Row], criteria: Sequence[str], facts: Facts) -> list[list[Row]]:
    if len(rows) < 2 or not criteria:
        return [rows] if rows else []
    values = [(_value(row, criteria[0], facts), row) for row in rows]
    if any(value is None for value, _ in values):
        return [rows]
    by_value: dict[float, list[Row]] = {}
    for value, row in values:
        assert value is not None
        by_value.setdefault(value, []).append(row)
    return [
        level
        for value in sorted(by_value, reverse=True)
        for level in _levels(by_value[value], criteria[1:], facts)
    ]


def _value(row: Row, criterion: str, facts: Facts) -> float | None:
    if criterion in FACTS:
        value = facts.get(row.team, {}).get(criterion)
        return None if value is None else FACTS[criterion] * value
    return float(getattr(row, _COLUMNS[criterion]))
