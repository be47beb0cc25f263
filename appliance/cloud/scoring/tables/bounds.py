"""The best and the worst place that each team can still reach: a bound that is never wrong, not the tightest.

A team's worst place assumes that it loses all its matches while every other team wins all of its own, and
that it loses every tie; its best place the reverse. Results that exclude each other only make the truth
narrower."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import combinations
from typing import Final

from appliance.cloud.scoring.rules.model import Points, RuleSet
from appliance.cloud.scoring.tables.ledger import Ledger

Places = tuple[int, int]

_FEW: Final = 24  # two rounds of 20 clubs, or a group: more cost more than they tell


def places(
    ledger: Ledger, remaining: Mapping[str, int], open_pairs: Iterable[tuple[str, str]] = ()
) -> dict[str, Places]:
    """(best, worst) of every team, from the number of matches that each has left. `open_pairs`: those of them
    that are listed; near the end two teams that still meet cannot both win."""
    points = (ledger.points.win, ledger.points.draw, ledger.points.loss)
    most, least = max(points), min(points)
    low = {team: tally.total + least * remaining[team] for team, tally in ledger.tallies.items()}
    high = {team: tally.total + most * remaining[team] for team, tally in ledger.tallies.items()}
    lows, highs, count = sorted(low.values()), sorted(high.values()), len(low)
    meeting = _meeting(low.keys(), open_pairs)
    found: dict[str, Places] = {}
    for team in low:
        best = 1 + count - bisect_right(lows, high[team])  # others that surely have more
        worst = count - bisect_left(highs, low[team])  # others that may have as many, and itself
        if meeting and best != worst:
            best += _surely_above(team, high[team], low, meeting, ledger.points)
            worst -= _never_both(team, low[team], high, meeting, ledger.points)
        found[team] = best, worst
    return found


def _meeting(teams: Collection[str], open_pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs with one match left between them; none while there are many, when they exclude little."""
    counts = Counter(frozenset(pair) for pair in open_pairs if pair[0] in teams and pair[1] in teams)
    if len(counts) > _FEW:
        return []
    return [(min(pair), max(pair)) for pair, left in counts.items() if left == 1 and len(pair) == 2]


def _outcomes(points: Points) -> tuple[tuple[int, int], ...]:
    return (points.win, points.loss), (points.draw, points.draw), (points.loss, points.win)


def _never_both(
    team: str, target: int, high: Mapping[str, int], meeting: list[tuple[str, str]], points: Points
) -> int:
    """How many of the teams that may each have `target` points cannot have them together: pairs without a
    team in common, of which one fails whatever their match brings."""
    most, used = max(points.win, points.draw, points.loss), {team}
    for one, other in meeting:
        if one in used or other in used or high[one] < target or high[other] < target:
            continue
        base, base_other = high[one] - most, high[other] - most
        if not any(base + own >= target and base_other + its >= target for own, its in _outcomes(points)):
            used |= {one, other}
    return len(used) // 2


def _surely_above(
    team: str, target: int, low: Mapping[str, int], meeting: list[tuple[str, str]], points: Points
) -> int:
    """How many teams that may each stay at `target` points or below cannot do so together."""
    least, used = min(points.win, points.draw, points.loss), {team}
    for one, other in meeting:
        if one in used or other in used or low[one] > target or low[other] > target:
            continue
        base, base_other = low[one] - least, low[other] - least
        if not any(base + own <= target and base_other + its <= target for own, its in _outcomes(points)):
            used |= {one, other}
    return len(used) // 2


def remaining_matches(
    rules: RuleSet, ledger: Ledger, open_pairs: Iterable[tuple[str, str]], ended: Iterable[str]
) -> dict[str, int] | None:
    """How many matches each team has left. None: not known, because the rules do not say how many there
    are and the matches listed are not the same number for every pair of teams.

    `open_pairs`: teams of listed matches without a result; `ended`: teams whose remaining matches are void.
    """
    teams, out = list(ledger.tallies), set(ended)
    listed = dict.fromkeys(teams, 0)
    counts: dict[frozenset[str], int] = {}
    for home, away in open_pairs:
        if home in out or away in out:
            continue
        for team in (home, away):
            if team in listed:
                listed[team] += 1
        pair = frozenset((home, away))
        counts[pair] = counts.get(pair, 0) + 1
    if rules.games is not None or rules.meetings is not None:
        return {
            team: 0 if team in out else max(listed[team], _expected(rules, ledger, team, out))
            for team in teams
        }
    meetings = {
        ledger.meetings(home, away) + counts.get(frozenset((home, away)), 0)
        for home, away in combinations([team for team in teams if team not in out], 2)
    }
    return listed if len(meetings) == 1 and 0 not in meetings else None


def _expected(rules: RuleSet, ledger: Ledger, team: str, out: set[str]) -> int:
    if rules.games is not None:
        return rules.games - ledger.tallies[team].played
    assert rules.meetings is not None
    void = sum(max(0, rules.meetings - ledger.meetings(team, other)) for other in out & ledger.tallies.keys())
    return rules.meetings * (len(ledger.tallies) - 1) - ledger.tallies[team].played - void
