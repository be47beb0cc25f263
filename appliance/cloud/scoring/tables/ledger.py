"""What each team of one table has won, drawn, lost and scored, kept up to date result by result.

Adding or removing one result changes two tallies, so a table after one result costs its ordering alone. The
order in which results are added makes no difference.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from appliance.cloud.scoring.rules.model import Points

FORM_LENGTH: Final = 5


class Result(NamedTuple):
    """A result that counts. `on` orders the form: a date, then the id."""

    id: str
    on: str
    home: str
    away: str
    home_goals: int
    away_goals: int


@dataclass(slots=True)
class Tally:
    """One team. `points` are those won on the pitch, without adjustments."""

    played: int = 0
    won: int = 0
    drawn: int = 0
    lost: int = 0
    goals_for: int = 0
    goals_against: int = 0
    away_goals: int = 0
    away_wins: int = 0
    points: int = 0
    adjustment: int = 0

    @property
    def total(self) -> int:
        """Points with adjustments."""
        return self.points + self.adjustment

    @property
    def goal_difference(self) -> int:
        return self.goals_for - self.goals_against


class Ledger:
    """`teams` get a row without having played. Teams are added as their results come."""

    def __init__(self, teams: Iterable[str], points: Points) -> None:
        self.points = points
        self.tallies: dict[str, Tally] = {team: Tally() for team in teams}
        self.results: dict[str, Result] = {}
        self.between: dict[tuple[str, str], list[Result]] = {}
        """Results by (home, away)."""
        self._games: dict[str, list[tuple[str, str, str]]] = {team: [] for team in self.tallies}
        self._win, self._draw, self._loss = points.win, points.draw, points.loss

    def add(self, result: Result, *, home: bool = True, away: bool = True) -> None:
        """Count a result for both teams, or for one of them. Raises ValueError for one that is there."""
        if result.id in self.results:
            raise ValueError(f"result {result.id} is counted already")
        self.results[result.id] = result
        self.between.setdefault((result.home, result.away), []).append(result)
        if home:
            self._count(result.home, result, result.home_goals, result.away_goals, 0, 1)
        if away:
            self._count(result.away, result, result.away_goals, result.home_goals, 1, 1)

    def remove(self, result_id: str) -> None:
        """Take back a result that was added for both teams. Raises KeyError."""
        result = self.results.pop(result_id)
        self.between[result.home, result.away].remove(result)
        self._count(result.home, result, result.home_goals, result.away_goals, 0, -1)
        self._count(result.away, result, result.away_goals, result.home_goals, 1, -1)

    def _count(self, team: str, result: Result, scored: int, against: int, is_away: int, sign: int) -> None:
        tally = self.tallies.get(team)
        if tally is None:
            tally = self.tallies[team] = Tally()
            self._games[team] = []
        tally.played += sign
        tally.goals_for += sign * scored
        tally.goals_against += sign * against
        if is_away:
            tally.away_goals += sign * scored
        if scored > against:
            letter = "W"
            tally.won += sign
            tally.away_wins += sign * is_away
            tally.points += sign * self._win
        elif scored == against:
            letter = "D"
            tally.drawn += sign
            tally.points += sign * self._draw
        else:
            letter = "L"
            tally.lost += sign
            tally.points += sign * self._loss
        games, game = self._games[team], (result.on, result.id, letter)
        if sign < 0:
            games.remove(game)
        elif games and game < games[-1]:
            insort(games, game)
        else:
            games.append(game)

    def form(self, team: str, length: int = FORM_LENGTH) -> str:
        """The last results, the latest at the end: WDLWW."""
        return "".join(game[2] for game in self._games[team][-length:])

    def among(self, teams: Iterable[str]) -> Ledger:
        """The matches between these teams alone, without adjustments."""
        own = list(teams)
        mini = Ledger(own, self.points)
        for home in own:
            for away in own:
                for result in self.between.get((home, away), ()):
                    mini.add(result)
        return mini

    def meetings(self, team: str, other: str) -> int:
        """How many results there are between two teams."""
        return len(self.between.get((team, other), ())) + len(self.between.get((other, team), ()))
