"""Criteria of American football: shares of wins by opponents, over matches inside and outside a division.

The stage of a team is its conference, the group its division. A draw is half a win.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

from appliance.cloud.scoring.tables.ledger import Result


class Schedule:
    """All results of a season. `divisions`: (conference, division) by team."""

    def __init__(self, results: Iterable[Result], divisions: Mapping[str, tuple[str, str]]) -> None:
        self.divisions = divisions
        self._games: dict[str, list[tuple[str, int, int]]] = {team: [] for team in divisions}
        for result in results:
            sides = (result.home, result.home_goals), (result.away, result.away_goals)
            for (team, scored), (other, against) in (sides, sides[::-1]):
                self._games.setdefault(team, []).append((other, scored, against))

    def value(self, criterion: str, team: str, teams: tuple[str, ...]) -> float | None:
        """The greater is better; None where the teams have no matches of that kind."""
        if criterion == "common_percentage":
            return self._share(team, self._common(teams).__contains__)
        if criterion == "common_net_points":
            return self._net(team, self._common(teams).__contains__)
        by_criterion: Mapping[str, Callable[[str], float | None]] = {
            "division_percentage": lambda team: self._share(team, lambda other: self._same(team, other, 2)),
            "conference_percentage": lambda team: self._share(team, lambda other: self._same(team, other, 1)),
            "strength_of_victory": lambda team: self._strength(team, beaten=True),
            "strength_of_schedule": lambda team: self._strength(team, beaten=False),
            "conference_rank": lambda team: -self._rank(team, same_conference=True),
            "overall_rank": lambda team: -self._rank(team, same_conference=False),
            "conference_net_points": lambda team: self._net(team, lambda other: self._same(team, other, 1)),
            "net_points": lambda team: self._net(team, lambda other: True),
        }
        return by_criterion[criterion](team)

    def between(self, team: str, other: str) -> float | None:
        """The share of wins of `team` in the matches of two clubs; None when they have not met."""
        if not any(game[0] == other for game in self._games.get(team, ())):
            return None
        return self._share(team, lambda each: each == other)

    def common_matches(self, teams: tuple[str, ...]) -> dict[str, int]:
        """How many matches each club has played against opponents that all of these have met."""
        common = self._common(teams)
        return {team: sum(game[0] in common for game in self._games.get(team, ())) for team in teams}

    def _same(self, team: str, other: str, depth: int) -> bool:
        return self.divisions.get(team, (team,))[:depth] == self.divisions.get(other, (other,))[:depth]

    def _common(self, teams: tuple[str, ...]) -> set[str]:
        """Opponents that all of these teams have met."""
        met = [{other for other, _, _ in self._games.get(team, ())} for team in teams]
        return set.intersection(*met) if met else set()

    def _share(self, team: str, counts: Callable[[str], bool]) -> float:
        games = [game for game in self._games.get(team, ()) if counts(game[0])]
        won = sum(2 * (scored > against) + (scored == against) for _, scored, against in games)
        return won / (2 * len(games)) if games else 0.0

    def _net(self, team: str, counts: Callable[[str], bool]) -> float:
        return sum(game[1] - game[2] for game in self._games.get(team, ()) if counts(game[0]))

    def _strength(self, team: str, *, beaten: bool) -> float:
        """The combined record of the opponents, once for each match; `beaten`: only of those defeated."""
        won = played = 0
        for other, scored, against in self._games.get(team, ()):
            if scored > against or not beaten:
                won += self._record[other][0]
                played += self._record[other][1]
        return won / (2 * played) if played else 0.0

    @cached_property
    def _record(self) -> dict[str, tuple[int, int]]:
        """Half wins and matches of every team."""
        return {
            team: (sum(2 * (game[1] > game[2]) + (game[1] == game[2]) for game in games), len(games))
            for team, games in self._games.items()
        }

    def _rank(self, team: str, *, same_conference: bool) -> int:
        """The sum of the ranks in points scored and in points allowed; teams that are level share the
        better rank."""
        rivals = [other for other in self._games if not same_conference or self._same(team, other, 1)]
        scored, allowed = self._goals[team]
        better_attack = sum(self._goals[other][0] > scored for other in rivals)
        better_defence = sum(self._goals[other][1] < allowed for other in rivals)
        return 2 + better_attack + better_defence

    @cached_property
    def _goals(self) -> dict[str, tuple[int, int]]:
        return {
            team: (sum(game[1] for game in games), sum(game[2] for game in games))
            for team, games in self._games.items()
        }
