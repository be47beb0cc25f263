"""The order of a table's teams by the criteria of a rule-set, and which criterion separated each.

Owns: how criteria are applied to level teams, to matches between them, and again to those still level. Teams
that remain level after the last criterion stay together in one set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

from appliance.cloud.scoring.rules.model import HeadToHead, RuleSet, zone_at
from appliance.cloud.scoring.tables.ledger import Ledger
from appliance.cloud.scoring.tables.measures import OWN, Facts, measure
from appliance.cloud.scoring.tables.schedule import Schedule

Level = tuple[str, ...]
"""Teams that share a place."""


@dataclass
class Ordering:
    """One table being put in order. `breaks`: the last criterion that separated a team from another one that
    was level with it in the first criterion."""

    rules: RuleSet
    ledger: Ledger
    facts: Facts = field(default_factory=dict)
    schedule: Schedule | None = None
    between_teams: bool = True
    """False where not all matches count, as in a table of home matches: matches between teams mean
    nothing."""
    is_complete: bool = False
    by_average: bool = False
    """Points per game instead of points: a curtailed season."""
    breaks: dict[str, str] = field(default_factory=dict)

    def levels(self) -> list[Level]:
        """Sets of level teams, the best first. Within a set teams are in the order of their ids."""
        teams = tuple(sorted(self.ledger.tallies))
        if self.rules.restart:
            return self._one_at_a_time(teams)
        return self._split(teams, 0, 1)

    def _split(self, teams: Level, at: int, position: int) -> list[Level]:
        """`at`: the index of the next criterion; `position`: the best place of these teams."""
        if len(teams) == 1 or at == len(self.rules.criteria):
            return [teams]
        criterion = self.rules.criteria[at]
        if isinstance(criterion, HeadToHead):
            parts = (
                self._head_to_head(criterion, teams) if self._applies(criterion, teams, position) else [teams]
            )
        else:
            name = "points_per_game" if self.by_average and criterion == "points" else criterion
            known = self._separated(name, teams, self.ledger, name if at else "")
            if known is None:
                return [teams]
            parts = known
        levels: list[Level] = []
        for part in parts:
            levels += self._split(part, at + 1, position + sum(map(len, levels)))
        return levels

    def _separated(self, name: str, teams: Level, ledger: Ledger, label: str) -> list[Level] | None:
        """Sets of equal values, the best first. None: unknown for one of the teams."""
        own = OWN.get(name)
        values: dict[str, float] = {}
        for team in teams:
            value = (
                own(ledger.tallies[team])
                if own is not None
                else measure(name, team, teams, ledger, self.facts, self.schedule)
            )
            if value is None:
                return None
            values[team] = value
        by_value: dict[float, list[str]] = {}
        for team, value in values.items():
            by_value.setdefault(value, []).append(team)
        if len(by_value) > 1 and label:
            self.breaks.update(dict.fromkeys(teams, label))
        return [tuple(by_value[value]) for value in sorted(by_value, reverse=True)]

    # -- matches between the level teams -------------------------------------------------------------------

    def _applies(self, criterion: HeadToHead, teams: Level, position: int) -> bool:
        if not self.between_teams or (criterion.clubs is not None and len(teams) != criterion.clubs):
            return False
        if criterion.complete and not self._have_met(teams):
            return False
        return not criterion.at_zones or (self.is_complete and self._decides_a_zone(position, len(teams)))

    def _have_met(self, teams: Level) -> bool:
        """All their matches against each other have been played: as many as the rules say, and none is
        open."""
        wanted = self.rules.meetings or 1
        return self.is_complete or all(
            self.ledger.meetings(team, other) >= wanted for team, other in combinations(teams, 2)
        )

    def _decides_a_zone(self, position: int, count: int) -> bool:
        size = len(self.ledger.tallies)
        zones = {zone_at(self.rules.zones, position + at, size) for at in range(count)}
        return len(zones) > 1

    def _head_to_head(self, block: HeadToHead, teams: Level) -> list[Level]:
        mini, parts = self.ledger.among(teams), [teams]
        for name in block.criteria:
            parts = [each for part in parts for each in self._mini_split(name, part, mini)]
            if block.again == "each" and len(parts) > 1:
                break
        if block.again == "never" or len(parts) == 1:
            return parts
        return [
            each for part in parts for each in (self._head_to_head(block, part) if len(part) > 1 else [part])
        ]

    def _mini_split(self, name: str, teams: Level, mini: Ledger) -> list[Level]:
        if len(teams) == 1:
            return [teams]
        return self._separated(name, teams, mini, f"head_to_head.{name}") or [teams]

    # -- one team at a time --------------------------------------------------------------------------------

    def _one_at_a_time(self, teams: Level) -> list[Level]:
        """Level in the first criterion: the best is found, then the others begin again at the second."""
        first, *rest = self.rules.criteria
        assert isinstance(first, str)
        levels: list[Level] = []
        for part in self._separated(first, teams, self.ledger, "") or [teams]:
            left = part
            while left:
                best = self._best(left, rest)
                levels.append(best)
                left = tuple(team for team in left if team not in best)
        return levels

    def _best(self, teams: Level, criteria: Sequence[str | HeadToHead]) -> Level:
        """The best team; several when no criterion separates them. After each one that reduces the tie
        the first is tried again with those left."""
        at, left = 0, teams
        while len(left) > 1 and at < len(criteria):
            parts = self._parts(criteria[at], left)
            if parts is None:
                return left
            at = at + 1 if len(parts) == 1 else 0
            left = parts[0]
        return left

    def _parts(self, criterion: str | HeadToHead, teams: Level) -> list[Level] | None:
        if not isinstance(criterion, HeadToHead):
            return self._separated(criterion, teams, self.ledger, criterion)
        mini = self.ledger.among(teams)
        if any(not mini.tallies[team].played for team in teams):
            return [teams]
        return self._mini_split(criterion.criteria[0], teams, mini)


def decided(levels: list[Level], decisions: Sequence[Sequence[str]], breaks: dict[str, str]) -> list[Level]:
    """Level teams in the order that a person recorded, or a draw: the last decision that names them all."""
    done: list[Level] = []
    for teams in levels:
        order = next((each for each in reversed(decisions) if set(teams) <= set(each)), None)
        if len(teams) == 1 or order is None:
            done.append(teams)
            continue
        done += [(team,) for team in sorted(teams, key=list(order).index)]
        breaks.update(dict.fromkeys(teams, "decision"))
    return done
