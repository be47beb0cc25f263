"""Slots that groups decide: first, second, and the best thirds, once nothing can change them any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from appliance.cloud.scoring.knockouts.best_thirds import published
from appliance.cloud.scoring.knockouts.bracket import Placed
from appliance.cloud.scoring.knockouts.slots import Slot, assign, slot
from appliance.cloud.scoring.rules.model import BestPlaced
from appliance.cloud.scoring.tables.best import best_placed
from appliance.cloud.scoring.tables.measures import Facts
from appliance.cloud.scoring.tables.model import Row


def placed_by(
    rows: Sequence[Row],
    rule: BestPlaced | None,
    names: Iterable[str],
    facts: Facts,
    orders: Sequence[Sequence[str]] = (),
) -> Placed:
    """`names`: the teams and placeholders of the knockout matches; `orders`: of level teams, as people
    decided. A place is taken when it is certain."""
    by_group: dict[str, list[Row]] = {}
    for row in rows:
        by_group.setdefault(row.group.casefold().removeprefix("group ").removesuffix(":"), []).append(row)
    thirds = _thirds(rows, by_group, rule, names, facts, orders)

    def placed(name: str, target: Slot) -> str | None:
        if len(target.groups) > 1:
            return thirds.get(name)
        return _certain(by_group.get(target.groups[0], ()), target.place)

    return placed


def _certain(rows: Sequence[Row], place: int) -> str | None:
    """The team that surely ends in this place."""
    return next((row.team for row in rows if row.best == row.worst == place), None)


def _thirds(
    rows: Sequence[Row],
    by_group: dict[str, list[Row]],
    rule: BestPlaced | None,
    names: Iterable[str],
    facts: Facts,
    orders: Sequence[Sequence[str]],
) -> dict[str, str]:
    slots = {name: each.groups for name in names if (each := slot(name)) is not None and len(each.groups) > 1}
    if rule is None or not slots or any(_certain(own, rule.place) is None for own in by_group.values()):
        return {}
    best = best_placed(rows, rule, facts, orders)
    if best.undecided:
        return {}
    group_of = {row.team: group for group, own in by_group.items() for row in own}
    going_on = [group_of[team] for team in best.through]
    fitting = published(going_on, slots) or assign(going_on, slots)
    if fitting is None:
        return {}
    team_of = {group_of[team]: team for team in best.through}
    return {name: team_of[group] for name, group in fitting.items()}
