"""The value of a team in each criterion: the greater one is better.

Owns: names of criteria as functions. A value of None is unknown, and ends a comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from appliance.cloud.scoring.rules.model import FACTS, OPPONENTS, SCHEDULE
from appliance.cloud.scoring.tables.ledger import Ledger, Tally
from appliance.cloud.scoring.tables.schedule import Schedule

Value = float | None
Facts = Mapping[str, Mapping[str, float]]
"""Team -> criterion -> value, as people and providers give them."""


def _average(scored: int, against: int) -> float:
    """Exact enough: two different averages of fewer than 10,000 goals are different floats."""
    if against:
        return scored / against
    return float("inf") if scored else 0.0


OWN: Final[Mapping[str, Callable[[Tally], float]]] = {
    "points": lambda tally: tally.points + tally.adjustment,
    "points_per_game": lambda tally: (tally.points + tally.adjustment) / tally.played if tally.played else 0,
    "win_percentage": lambda tally: (2 * tally.won + tally.drawn) / tally.played if tally.played else 0,
    "wins": lambda tally: tally.won,
    "goal_difference": lambda tally: tally.goals_for - tally.goals_against,
    "goal_average": lambda tally: _average(tally.goals_for, tally.goals_against),
    "goals_for": lambda tally: tally.goals_for,
    "away_goals": lambda tally: tally.away_goals,
    "away_wins": lambda tally: tally.away_wins,
}


def measure(
    criterion: str, team: str, teams: tuple[str, ...], ledger: Ledger, facts: Facts, schedule: Schedule | None
) -> Value:
    """The value of `team` among the level `teams`. Raises KeyError for an unknown criterion."""
    if criterion in OWN:
        return OWN[criterion](ledger.tallies[team])
    if criterion in FACTS:
        value = facts.get(team, {}).get(criterion)
        return None if value is None else FACTS[criterion] * value
    if criterion in OPPONENTS:
        return _opponents(criterion.removeprefix("opponents_"), team, ledger)
    if criterion not in SCHEDULE:
        raise KeyError(criterion)
    return None if schedule is None else schedule.value(criterion, team, teams)


def _opponents(criterion: str, team: str, ledger: Ledger) -> float:
    """The sum over every match that the team has played of its opponent's value."""
    value, total = OWN[criterion], 0.0
    for (home, away), results in ledger.between.items():
        if team in (home, away):
            total += len(results) * value(ledger.tallies[away if team == home else home])
    return total
