"""What a season file changes in a tournament: matches to create, to change, and those that are the same
already.

A match is found by (stage, group, round, home, away), and the n-th of equal ones by date: a match that
was moved stays the same match. A file never takes a result away, and never one that an office has set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, Final

from appliance.cloud.scoring.imports.model import Defect, FileMatch, SeasonFile
from appliance.cloud.scoring.knockouts.slots import slot
from appliance.cloud.scoring.match import Match

Key = tuple[str, str, str, str, str]

_RESULT: Final = ("status", "detail", "score", "half_time", "extra_time", "shoot_out", "official")
_TAKEN: Final = ("kind", "stage", "group", "round", "number", "leg", "date", "is_replay", *_RESULT)


@dataclass
class Plan:
    """`create`: matches of the file, with the teams' ids; `change`: new values by the id of a match.
    `unmapped`: names that lead to no team, in the order of the file: their matches are left out."""

    create: list[tuple[FileMatch, str, str]] = field(default_factory=list)
    change: dict[str, dict[str, Any]] = field(default_factory=dict)
    unchanged: int = 0
    unmapped: list[str] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)


def team_names(file: SeasonFile) -> list[str]:
    """Every name of a team in the file, without placeholders, in order."""
    names: dict[str, None] = {}
    for match in file.matches:
        names.update(dict.fromkeys(name for name in (match.home, match.away) if slot(name) is None))
    for teams in file.groups.values():
        names.update(dict.fromkeys(name for name in teams if slot(name) is None))
    return list(names)


def plan(
    file: SeasonFile, known: Sequence[Match], teams: Mapping[str, str], decided: Set[str] = frozenset()
) -> Plan:
    """`teams`: ids by the names of the file. `decided`: ids of matches whose result an office has set."""
    made = Plan()
    found = _by_key((match.stage, match.group, match.round, match.home, match.away, match) for match in known)
    for match in sorted(file.matches, key=lambda each: (each.date or "9", each.line)):
        ids = [name if slot(name) is not None else teams.get(name) for name in (match.home, match.away)]
        missing = [name for name, own in zip((match.home, match.away), ids, strict=True) if own is None]
        if missing:
            made.unmapped += [name for name in missing if name not in made.unmapped]
            detail = f"{match.home} - {match.away}: {' and '.join(missing)} is mapped to no team"
            made.defects.append(Defect(match.line, "unmapped_team", detail, "add an alias of the team"))
            continue
        home, away = str(ids[0]), str(ids[1])
        same = found.get((match.stage, match.group, match.round, home, away), [])
        if not same:
            made.create.append((match, home, away))
            continue
        _compare(made, same.pop(0), match, decided)
    made.create.sort(key=lambda each: each[0].line)
    return made


def _by_key(matches: Iterable[tuple[str, str, str, str, str, Match]]) -> dict[Key, list[Match]]:
    """In the order of play."""
    found: dict[Key, list[Match]] = {}
    for *key, match in sorted(matches, key=lambda each: (each[5].date or "9", each[5].id)):
        found.setdefault((key[0], key[1], key[2], key[3], key[4]), []).append(match)
    return found


def _compare(made: Plan, own: Match, given: FileMatch, decided: Set[str]) -> None:
    news = {name: value for name in _TAKEN if (value := getattr(given, name)) != getattr(own, name)}
    if own.id in decided:
        news.pop("official", None)
    if own.status == "ended" and given.status != "ended" and news.keys() & set(_RESULT):
        detail = (
            f"{given.home} - {given.away} has ended, and the file has it as {given.detail or given.status}"
        )
        made.defects.append(Defect(given.line, "result_taken_away", detail, "the result is kept"))
        news = {name: value for name, value in news.items() if name not in _RESULT}
    if news:
        made.change[own.id] = news
    else:
        made.unchanged += 1


def as_matches(file: SeasonFile, ids: Sequence[str], teams: Mapping[str, str]) -> list[Match]:
    """The file's matches as the engine takes them, with these ids; teams without one keep their names."""
    return [
        replace(
            Match(match_id, teams.get(given.home, given.home), teams.get(given.away, given.away)),
            **{name: getattr(given, name) for name in _TAKEN},
        )
        for match_id, given in zip(ids, file.matches, strict=True)
    ]
