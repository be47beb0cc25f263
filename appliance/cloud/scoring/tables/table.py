"""One table: its ledger and what is still to be played, as rows.

`rows()` is cheap enough to be called after every result: a change of one result touches two tallies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from appliance.cloud.scoring.rules.model import RuleSet
from appliance.cloud.scoring.tables.bounds import Places, places, remaining_matches
from appliance.cloud.scoring.tables.ledger import Ledger
from appliance.cloud.scoring.tables.measures import Facts
from appliance.cloud.scoring.tables.model import Phase, Row
from appliance.cloud.scoring.tables.order import Level, Ordering, decided
from appliance.cloud.scoring.tables.schedule import Schedule
from appliance.cloud.scoring.tables.zones import ZoneMap


@dataclass
class PhaseTable:
    """`open_pairs`: listed matches without a result; `ended`: teams whose remaining matches are void."""

    phase: Phase
    rules: RuleSet
    ledger: Ledger
    open_pairs: Sequence[tuple[str, str]] = ()
    ended: Iterable[str] = ()
    facts: Facts = field(default_factory=dict)
    schedule: Schedule | None = None
    decisions: Sequence[Sequence[str]] = ()
    play_off: Callable[[str, str], str | None] = lambda one, other: None
    """The winner of a further match between two teams, if it has been played."""
    is_whole: bool = True
    """False: not all matches count, as in a table of home matches."""
    is_over: bool = False
    """The season ended early: what is open is void."""
    by_average: bool = False

    def rows(self) -> tuple[Row, ...]:
        """The best first; level teams in the order of their ids."""
        remaining = self._remaining()
        is_complete = remaining is not None and not any(remaining.values())
        ordering = Ordering(
            self.rules,
            self.ledger,
            self.facts,
            self.schedule,
            between_teams=self.is_whole,
            is_complete=is_complete,
            by_average=self.by_average,
        )
        levels = decided(ordering.levels(), self.decisions, ordering.breaks)
        undecided = self._play_offs(levels, ordering.breaks)
        zones = ZoneMap(self.rules.zones if self.is_whole else (), len(self.ledger.tallies))
        reach = (
            places(self.ledger, remaining, self._pairs()) if remaining is not None and not is_complete else {}
        )
        position, rows = 1, []
        for level in levels:
            is_open = len(level) > 1 and not (self.rules.share and zones.is_one(position, len(level)))
            for team in level:
                is_tied = is_open or (is_complete and team in undecided)
                if is_complete and self.is_whole:
                    reach[team] = self._final_places(team, position) if is_tied else (position, position)
                rows.append(
                    self._row(
                        team,
                        position,
                        len(level) > 1,
                        is_tied,
                        ordering.breaks.get(team),
                        zones,
                        reach.get(team),
                    )
                )
            position += len(level)
        return tuple(rows)

    def _pairs(self) -> list[tuple[str, str]]:
        out = set(self.ended)
        return [pair for pair in self.open_pairs if not out.intersection(pair)]

    def _remaining(self) -> dict[str, int] | None:
        if self.is_over:
            return dict.fromkeys(self.ledger.tallies, 0)
        if not self.is_whole:
            return None
        return remaining_matches(self.rules, self.ledger, self.open_pairs, self.ended)

    def _play_offs(self, levels: list[Level], breaks: dict[str, str]) -> set[str]:
        """Put the winner of a further match first, or the one that a person recorded; returns teams between
        which it has not been played."""
        undecided: set[str] = set()
        for place in self.rules.playoff_at:
            at = _pair_at(levels, place)
            if at is None:
                continue
            first, last = at
            one, other = (team for level in levels[first : last + 1] for team in level)
            if self.ledger.tallies[one].total != self.ledger.tallies[other].total:
                continue
            winner, word = self.play_off(one, other), "playoff"
            if winner is None:
                winner, word = self._recorded_first(one, other), "decision"
            if winner is None:
                undecided |= {one, other}
                continue
            levels[first : last + 1] = [(winner,), (other if winner == one else one,)]
            breaks.update({one: word, other: word})
        return undecided

    def _recorded_first(self, one: str, other: str) -> str | None:
        """The better one by the last order that a person recorded of both, where no match is listed."""
        order = next((each for each in reversed(self.decisions) if {one, other} <= set(each)), None)
        return None if order is None else min(one, other, key=list(order).index)

    def _row(
        self,
        team: str,
        position: int,
        shared: bool,
        is_tied: bool,
        tie_break: str | None,
        zones: ZoneMap,
        reach: Places | None,
    ) -> Row:
        tally = self.ledger.tallies[team]
        points = tally.points + tally.adjustment
        return Row(
            position=position,
            shared=shared,
            stage=self.phase[0],
            group=self.phase[1],
            team=team,
            played=tally.played,
            won=tally.won,
            drawn=tally.drawn,
            lost=tally.lost,
            goals_for=tally.goals_for,
            goals_against=tally.goals_against,
            goal_difference=tally.goals_for - tally.goals_against,
            points=points,
            adjustment=tally.adjustment,
            points_per_game=round(points / tally.played, 4) if tally.played else None,
            zone=zones.name(position),
            clinched=reach is not None and zones.is_certain(position, reach),
            eliminated=reach is not None and zones.is_out(reach),
            tie_break=tie_break,
            tie_unresolved=is_tied,
            form=self.ledger.form(team),
            best=reach and reach[0],
            worst=reach and reach[1],
        )

    def _final_places(self, team: str, position: int) -> Places:
        """Of a team that is level with others: every place between theirs."""
        tallies = self.ledger.tallies
        level = sum(tally.total == tallies[team].total for tally in tallies.values())
        return max(1, position - level + 1), min(len(tallies), position + level - 1)


def _pair_at(levels: list[Level], place: int) -> tuple[int, int] | None:
    """The indices of the two teams in this place and the next: of one level, or of two with a team each."""
    position = 1
    for at, level in enumerate(levels):
        if position == place and len(level) == 2:
            return at, at
        if position == place and len(level) == 1 and at + 1 < len(levels) and len(levels[at + 1]) == 1:
            return at, at + 1
        position += len(level)
    return None
