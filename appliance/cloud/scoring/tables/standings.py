"""Every table of a season, on any day: the one function that the doors, the import and the bench call.

Nothing later than `as_of` is used: results, official results, adjustments, decisions, the early end of a
season."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace

from appliance.cloud.scoring.match import Match, result_on, winner
from appliance.cloud.scoring.rules.model import RuleSet
from appliance.cloud.scoring.tables.best import are_level
from appliance.cloud.scoring.tables.ledger import Ledger, Result
from appliance.cloud.scoring.tables.measures import Facts
from appliance.cloud.scoring.tables.model import Adjustment, Curtailed, Phase, Row, Season, Table, View
from appliance.cloud.scoring.tables.schedule import Schedule
from appliance.cloud.scoring.tables.table import PhaseTable

Counted = tuple[Result, bool, bool]
"""A result, and whether it counts for the home and for the away team."""


def standings(season: Season, view: View | None = None) -> Table:
    """All tables that the view asks for, one after the other: stages by their first match, groups by name."""
    view = view or View()
    matches = _matches(season, view)
    results = _results(season, matches, view)
    unsure = {match.id for match in matches if match.is_provisional or match.status == "open"}
    rows = [row for table in _tables(season, view, matches, results) for row in table.rows()]
    return Table(tuple(rows), bool(unsure) and any(result.id in unsure for result in results))


def if_not_level(season: Season, phase: Phase, teams: Collection[str], view: View) -> list[Row]:
    """The rows of these teams, the best first, where criteria tell their order, so that a recorded one would
    mean nothing; empty where they are level. Recorded orders of this phase are not looked at."""
    stage, group = phase
    others = [each for each in season.decisions if (each.stage, each.group) != phase]
    table = standings(replace(season, decisions=others), replace(view, stage=stage))
    rows = [row for row in table.rows if row.team in teams and (not group or row.group == group)]
    if not group and any(row.group for row in rows):
        return [] if are_level(rows, season.rules.best_placed, _facts(season, view)) else rows
    same = {row.points if season.rules.playoff_at else row.position for row in rows}
    return [] if len(same) == 1 and len(rows) == len(teams) else rows


def phase_tables(season: Season, view: View | None = None) -> list[PhaseTable]:
    """The tables that the view asks for, ready for their rows and for further results."""
    view = view or View()
    matches = _matches(season, view)
    return _tables(season, view, matches, _results(season, matches, view))


def _tables(season: Season, view: View, matches: list[Match], counted: list[Result]) -> list[PhaseTable]:
    results = {result.id: result for result in counted}
    by_phase: dict[Phase, list[Match]] = {}
    for match in matches:
        by_phase.setdefault((match.stage, match.group), []).append(match)
    phases = _phases(season, by_phase)
    schedule = _schedule(phases, counted) if season.rules.across_groups else None
    return [
        _phase_table(
            season, view, phase, teams, _own(by_phase, phase, matches, teams, schedule), results, schedule
        )
        for phase, teams in phases.items()
        if is_shown(phase, view)
    ]


def _own(
    by_phase: dict[Phase, list[Match]], phase: Phase, matches: list[Match], teams: list[str], across: object
) -> list[Match]:
    """The matches that a table counts: those of its phase, or all of its teams."""
    if across is None:
        return by_phase.get(phase, [])
    inside = set(teams)
    return [match for match in matches if match.home in inside or match.away in inside]


def phases_of(season: Season) -> list[Phase]:
    """Every stage and group that has a table, on whatever day."""
    if season.rules.across_groups:
        return sorted(season.groups)
    own = {(match.stage, match.group) for match in season.matches if match.kind != "knockout"}
    return sorted(own | {*season.groups})


def is_shown(phase: Phase, view: View) -> bool:
    """Does the view ask for this table? "A" is Group A."""
    stage, group = phase
    wanted = view.group and view.group.casefold().removeprefix("group ")
    return (view.stage is None or stage.casefold() == view.stage.casefold()) and (
        wanted is None or group.casefold().removeprefix("group ") == wanted
    )


def _matches(season: Season, view: View) -> list[Match]:
    """Matches of tables, without those of expunged teams."""
    out = {each.team for each in season.excluded if each.mode == "expunge" and _in_force(each.on, view)}
    return [
        match
        for match in season.matches
        if match.kind != "knockout" and match.home not in out and match.away not in out
    ]


def _in_force(day: str, view: View) -> bool:
    return view.as_of is None or day <= view.as_of


def _curtailed(season: Season, view: View) -> Curtailed | None:
    curtailed = season.curtailed
    return curtailed if curtailed is not None and _in_force(curtailed.on, view) else None


def _results(season: Season, matches: Iterable[Match], view: View) -> list[Result]:
    curtailed = _curtailed(season, view)
    whole = "9" if curtailed is None else curtailed.on
    ends = {
        each.team: each.on
        for each in season.excluded
        if each.mode == "void_rest" and each.on and _in_force(each.on, view)
    }
    results: list[Result] = []
    for match in matches:
        goals = result_on(match, view.as_of, live=view.live)
        end = min(whole, ends.get(match.home, "9"), ends.get(match.away, "9"))
        if goals is not None and (match.date or "") <= end:
            results.append(Result(match.id, match.date or "", match.home, match.away, *goals))
    return results


def _phases(season: Season, by_phase: dict[Phase, list[Match]]) -> dict[Phase, list[str]]:
    """Teams by phase, in the order in which tables are shown."""
    out = {each.team for each in season.excluded if each.mode == "expunge"}
    known: dict[Phase, set[str]] = {
        phase: {team for team in teams if team not in out} for phase, teams in season.groups.items()
    }
    begins: dict[str, str] = {}
    for phase, matches in by_phase.items():
        first = min(match.date or "9" for match in matches)
        begins[phase[0]] = min(begins.get(phase[0], "9"), first)
        if not season.rules.across_groups:
            teams = known.setdefault(phase, set())
            teams.update(match.home for match in matches)
            teams.update(match.away for match in matches)
    order = sorted(known, key=lambda phase: (begins.get(phase[0], "9"), phase))
    return {phase: sorted(known[phase]) for phase in order}


def _schedule(phases: dict[Phase, list[str]], results: Iterable[Result]) -> Schedule:
    divisions = {team: phase for phase, teams in phases.items() for team in teams}
    return Schedule(results, divisions)


def _phase_table(
    season: Season,
    view: View,
    phase: Phase,
    teams: list[str],
    own: list[Match],
    results: dict[str, Result],
    schedule: Schedule | None,
) -> PhaseTable:
    rules, inside, curtailed = season.rules, set(teams), _curtailed(season, view)
    counted = [results[match.id] for match in own if match.id in results]
    ledger = Ledger(teams, rules.points)
    for result, home, away in _chosen(counted, view, inside, across=rules.across_groups):
        ledger.add(result, home=home, away=away)
    if view.is_whole:
        _adjust(ledger, season, phase, view)
    return PhaseTable(
        phase,
        rules if curtailed is None or curtailed.method != "void" else _without_zones(season),
        ledger,
        open_pairs=[(match.home, match.away) for match in own if match.id not in results],
        ended=[
            each.team for each in season.excluded if each.mode == "void_rest" and _in_force(each.on, view)
        ],
        facts=_facts(season, view),
        schedule=schedule,
        decisions=[
            each.order
            for each in season.decisions
            if (each.stage, each.group) == phase and _in_force(each.on, view)
        ],
        play_off=lambda one, other: _play_off(season, view, one, other),
        is_whole=view.is_whole,
        is_over=curtailed is not None,
        by_average=curtailed is not None and curtailed.method == "points_per_game",
    )


def _without_zones(season: Season) -> RuleSet:
    return replace(season.rules, zones=(), playoff_at=())


def _chosen(results: list[Result], view: View, teams: set[str], *, across: bool) -> Iterable[Counted]:
    """The sides of results that the view counts. `last` takes each team's latest ones."""
    if view.is_whole and not across:
        return [(result, True, True) for result in results]
    last = len(results) if view.last is None else view.last
    left: Counter[str] = Counter()
    chosen: list[Counted] = []
    for result in sorted(results, key=lambda each: (each.on, each.id), reverse=True):
        home = view.venue != "away" and result.home in teams and left[result.home] < last
        away = view.venue != "home" and result.away in teams and left[result.away] < last
        left[result.home] += home
        left[result.away] += away
        chosen.append((result, home, away))
    return chosen


def _adjust(ledger: Ledger, season: Season, phase: Phase, view: View) -> None:
    for each in season.adjustments:
        if each.team in ledger.tallies and _in_force(each.on, view) and _stage_of(season, each) == phase[0]:
            ledger.tallies[each.team].adjustment += each.points


def _stage_of(season: Season, adjustment: Adjustment) -> str:
    """The stage that it names, else the last one of the team that had begun on that day, else its first."""
    if adjustment.stage is not None:
        return adjustment.stage
    begun: dict[str, str] = {}
    for match in season.matches:
        if match.kind != "knockout" and adjustment.team in (match.home, match.away):
            begun[match.stage] = min(begun.get(match.stage, "9"), match.date or "9")
    if not begun:
        return next((stage for (stage, _), teams in season.groups.items() if adjustment.team in teams), "")
    order = sorted(begun, key=lambda stage: begun[stage])
    return next((stage for stage in reversed(order) if begun[stage] <= adjustment.on), order[0])


def _facts(season: Season, view: View) -> Facts:
    """The latest value of each."""
    known: dict[str, dict[str, float]] = {}
    for fact in sorted(season.facts, key=lambda each: each.on):
        if _in_force(fact.on, view):
            known.setdefault(fact.team, {})[fact.criterion] = fact.value
    return known


def _play_off(season: Season, view: View, one: str, other: str) -> str | None:
    """The winner of the last knockout match between two teams of a league."""
    played = [
        match
        for match in season.matches
        if match.kind == "knockout"
        and {match.home, match.away} == {one, other}
        and result_on(match, view.as_of) is not None
    ]
    return winner(max(played, key=lambda match: match.date or ""), view.as_of) if played else None
