"""The seeds of an American football conference: division winners first, then wild cards.

Level clubs of different divisions are separated by other steps than those of one division; of each
division only the highest club still in the running is compared. When a step separates clubs, those left
begin again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from appliance.cloud.scoring.tables.model import Row
from appliance.cloud.scoring.tables.schedule import Schedule

COMMON_MIN: Final = 4
"""Common opponents count only from this number of matches each."""
_STEPS: Final = (
    "conference_percentage",
    "common_percentage",
    "strength_of_victory",
    "strength_of_schedule",
    "conference_rank",
    "overall_rank",
    "conference_net_points",
    "net_points",
)


class Seed(NamedTuple):
    """`tie_break`: the step that separated the club; None when its record was the best alone. `is_level`:
    no step separates it from the next: a coin decides."""

    team: str
    tie_break: str | None
    is_level: bool = False


def seeds(rows: Sequence[Row], conference: str, schedule: Schedule, wild_cards: int) -> list[Seed]:
    """`rows`: the tables of the divisions, each in its order, without clubs that share a place."""
    divisions: dict[str, list[Row]] = {}
    for row in rows:
        if row.stage == conference:
            divisions.setdefault(row.group, []).append(row)
    winners = [own[:1] for own in divisions.values()]
    others = [own[1:] for own in divisions.values()]
    return _ranked(winners, schedule, len(winners)) + _ranked(others, schedule, wild_cards)


def _ranked(divisions: list[list[Row]], schedule: Schedule, count: int) -> list[Seed]:
    """The best `count` clubs; `divisions` are the clubs in the running, in the order of their division."""
    left = [list(own) for own in divisions]
    done: list[Seed] = []
    while len(done) < count and any(left):
        best = max(_record(row) for own in left for row in own)
        highest = [own[0].team for own in left if own and _record(own[0]) == best]
        seed = _first(highest, schedule)
        done.append(seed)
        left = [[row for row in own if row.team != seed.team] for own in left]
    return done


def _record(row: Row) -> float:
    return (2 * row.won + row.drawn) / row.played if row.played else 0.0


def _first(teams: list[str], schedule: Schedule) -> Seed:
    """The best of level clubs, one of each division."""
    label: str | None = None
    while len(teams) > 1:
        reduced = _reduced(teams, schedule)
        if reduced is None:
            return Seed(min(teams), label, is_level=True)
        teams, label = reduced
    return Seed(teams[0], label)


def _reduced(teams: list[str], schedule: Schedule) -> tuple[list[str], str] | None:
    """Fewer clubs, by the first step that separates any; None when none does."""
    swept = _sweep(teams, schedule)
    if len(swept) < len(teams):
        return swept, "head_to_head"
    for step in _STEPS:
        if step == "common_percentage" and min(schedule.common_matches(tuple(teams)).values()) < COMMON_MIN:
            continue
        values = {team: schedule.value(step, team, tuple(teams)) or 0.0 for team in teams}
        best = max(values.values())
        kept = [team for team in teams if values[team] == best]
        if len(kept) < len(teams):
            return kept, step
    return None


def _sweep(teams: list[str], schedule: Schedule) -> list[str]:
    """Two clubs: the better in their matches. More: one that has beaten each other one, or without one
    that has lost to each."""
    met = {team: [schedule.between(team, other) for other in teams if other != team] for team in teams}
    won = [team for team in teams if all(share is not None and share > 0.5 for share in met[team])]
    if won:
        return won
    return [team for team in teams if not all(share is not None and share < 0.5 for share in met[team])]
