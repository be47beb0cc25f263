"""What a season file changes in a tournament: matches to create, to change, and those that are the same
already.

A match is found by the provider's id of it, else by (stage, group, round, home, away), and the n-th of equal
ones by date: a match that was moved stays the same match. One whose place was a slot of the bracket (W49) is
found when the file names the teams. A file never takes a result away, and never one that an office has set.

Where a file does not name its groups, teams keep those that they have here, whatever part it has of them.

Only a file that may create sets the shape of a tournament: stages, groups, rounds. Any other one updates the
match of the same two teams, whatever it calls the round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final

from appliance.cloud.scoring.imports.model import Defect, FileMatch, SeasonFile
from appliance.cloud.scoring.imports.naming import KNOCKOUT, LEAGUE, nth_group
from appliance.cloud.scoring.knockouts.slots import slot
from appliance.cloud.scoring.match import Match

Key = tuple[str, str, str, str, str]

RESULT: Final = ("status", "detail", "score", "half_time", "extra_time", "shoot_out", "official")
_SHAPE: Final = ("kind", "stage", "group", "round", "number", "leg", "is_replay", "is_neutral")
_TAKEN: Final = (*_SHAPE, "date", *RESULT)


@dataclass
class Plan:
    """`create`: matches of the file, with the teams' ids; `change`: new values by the id of a match; `pairs`:
    what the file says of each match that was found. `unmapped`: names that lead to no team, in the order of
    the file: their matches are left out."""

    create: list[tuple[FileMatch, str, str]] = field(default_factory=list)
    change: dict[str, dict[str, Any]] = field(default_factory=dict)
    pairs: dict[str, tuple[FileMatch, str, str]] = field(default_factory=dict)
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
    file: SeasonFile,
    known: Sequence[Match],
    teams: Mapping[str, str],
    decided: Set[str] = frozenset(),
    *,
    references: Mapping[str, str] | None = None,
    drawn: Mapping[str, tuple[str | None, str | None]] | None = None,
    may_create: bool = True,
) -> Plan:
    """`teams`: ids by the names of the file. `decided`: ids of matches whose result an office has set.
    `references`: ids of matches by the provider's. `drawn`: the teams of matches with slots, as far as the
    bracket has them."""
    made, places = Plan(), _Places(known, drawn or {}, references or {})
    given = []
    for match in sorted(file.matches, key=lambda each: (each.date or "9", each.line)):
        ids = [name if slot(name) is not None else teams.get(name) for name in (match.home, match.away)]
        missing = [name for name, own in zip((match.home, match.away), ids, strict=True) if own is None]
        if missing:
            made.unmapped += [name for name in missing if name not in made.unmapped]
            detail = f"{match.home} - {match.away}: {' and '.join(missing)} is mapped to no team"
            made.defects.append(Defect(match.line, "unmapped_team", detail, "add an alias of the team"))
            continue
        given.append((match, str(ids[0]), str(ids[1])))
    left = []
    given = _with_known_groups(given, known)
    for each in given:  # those that are certain first
        found = places.of_reference(each[0]) or places.of_key(*each)
        if found is None:
            left.append(each)
        else:
            _compare(made, found, each, decided, may_create=may_create)
    for each in left:
        found = places.of_slots(*each)
        if found is None and may_create:
            found = places.of_kind(*each) or places.of_other_group(*each)
        elif found is None:
            found = places.of_teams(*each)
        if found is not None:
            _compare(made, found, each, decided, may_create=may_create)
        elif may_create:
            made.create.append(each)
        else:
            detail = f"{each[0].home} - {each[0].away}, {each[0].date or 'no date'}: no such match here"
            hint = "only an import, or POST of the matches, makes matches"
            made.defects.append(Defect(each[0].line, "unknown_match", detail, hint))
    made.create.sort(key=lambda each: each[0].line)
    return made


class _Places:
    """Matches that are known, each taken once."""

    def __init__(
        self,
        known: Sequence[Match],
        drawn: Mapping[str, tuple[str | None, str | None]],
        references: Mapping[str, str],
    ) -> None:
        self.by_id = {match.id: match for match in known}
        self.drawn, self.references = drawn, references
        self.by_key = _by_key(
            (match.stage, match.group, match.round, match.home, match.away, match) for match in known
        )
        self.by_teams: dict[tuple[str, str], list[Match]] = {}
        for match in sorted(known, key=lambda each: (each.date or "9", each.id)):
            self.by_teams.setdefault((match.home, match.away), []).append(match)

    def _take(self, match_id: str) -> Match | None:
        return self.by_id.pop(match_id, None)

    def of_reference(self, given: FileMatch) -> Match | None:
        return self._take(self.references.get(given.reference, "")) if given.reference else None

    def of_key(self, given: FileMatch, home: str, away: str) -> Match | None:
        same = self.by_key.get((given.stage, given.group, given.round, home, away), [])
        return next((taken for match in same if (taken := self._take(match.id)) is not None), None)

    def of_kind(self, given: FileMatch, home: str, away: str) -> Match | None:
        """A match of Round 1 was one of a league before the file named later rounds of the cup."""
        stage = {KNOCKOUT: LEAGUE, LEAGUE: KNOCKOUT}.get(given.stage, "")
        return self.of_key(replace(given, stage=stage), home, away) if stage else None

    def of_other_group(self, given: FileMatch, home: str, away: str) -> Match | None:
        """The match before its group was known, or when it was another one."""
        same = [
            match
            for match in self.by_teams.get((home, away), [])
            if (match.stage, match.round) == (given.stage, given.round)
        ]
        return next((taken for match in same if (taken := self._take(match.id)) is not None), None)

    def of_slots(self, given: FileMatch, home: str, away: str) -> Match | None:
        """The one match of the round whose slots these teams can have; None where several could."""
        fitting = [
            match
            for match in self.by_id.values()
            if (match.stage, match.round) == (given.stage, given.round)
            and (slot(match.home) is not None or slot(match.away) is not None)
            and _fits(match.home, self.drawn.get(match.id, (None, None))[0], home)
            and _fits(match.away, self.drawn.get(match.id, (None, None))[1], away)
        ]
        if len(fitting) > 1:
            fitting = [each for each in fitting if given.number is not None and each.number == given.number]
        return self._take(fitting[0].id) if len(fitting) == 1 else None

    def of_teams(self, given: FileMatch, home: str, away: str) -> Match | None:
        """The match of these teams on that day, else their only one, or the only one without a result."""
        same = [match for match in self.by_teams.get((home, away), []) if match.id in self.by_id]
        on_day = [match for match in same if match.date == given.date]
        not_over = [match for match in same if match.status != "ended"]
        for fitting in (on_day, same, not_over):
            if len(fitting) == 1:
                return self._take(fitting[0].id)
        return None


def _with_known_groups(
    given: Sequence[tuple[FileMatch, str, str]], known: Sequence[Match]
) -> list[tuple[FileMatch, str, str]]:
    """Groups that the file does not name get the names that their teams have here, else free ones."""
    here: dict[tuple[str, str], str] = {}
    for own in known:
        if own.group:
            here |= {(own.stage, own.home): own.group, (own.stage, own.away): own.group}
    taken = {(stage, group) for (stage, _), group in here.items()}
    names: dict[tuple[str, str], str] = {}
    for match, home, away in given:
        found = here.get((match.stage, home)) or here.get((match.stage, away))
        if match.is_group_derived and found is not None:
            names.setdefault((match.stage, match.group), found)
    for match, _, _ in sorted(given, key=lambda each: each[0].line):
        if match.is_group_derived and (match.stage, match.group) not in names:
            free = (name for number in count() if (match.stage, name := nth_group(number)) not in taken)
            names[match.stage, match.group] = name = next(free)
            taken.add((match.stage, name))
    placed = []
    for match, home, away in given:
        if match.is_group_derived:
            match = replace(match, group=names[match.stage, match.group])
        elif match.kind == "group" and not match.group:
            both = {here.get((match.stage, home), ""), here.get((match.stage, away), "")}
            match = replace(match, group=both.pop() if len(both) == 1 else "")
        placed.append((match, home, away))
    return placed


def _fits(known: str, drawn: str | None, given: str) -> bool:
    """May this slot, or team, be the one that is given?"""
    return given in (known, drawn) or (slot(known) is not None and drawn is None)


def _by_key(matches: Iterable[tuple[str, str, str, str, str, Match]]) -> dict[Key, list[Match]]:
    """In the order of play."""
    found: dict[Key, list[Match]] = {}
    for *key, match in sorted(matches, key=lambda each: (each[5].date or "9", each[5].id)):
        found.setdefault((key[0], key[1], key[2], key[3], key[4]), []).append(match)
    return found


def _compare(
    made: Plan, own: Match, pair: tuple[FileMatch, str, str], decided: Set[str], *, may_create: bool
) -> None:
    given = pair[0]
    taken = _TAKEN if may_create else ("date", *RESULT)
    news = {name: value for name in taken if (value := getattr(given, name)) != getattr(own, name)}
    if own.id in decided:
        news.pop("official", None)
    if own.status == "ended" and given.status != "ended" and news.keys() & set(RESULT):
        detail = (
            f"{given.home} - {given.away} has ended, and the file has it as {given.detail or given.status}"
        )
        made.defects.append(Defect(given.line, "result_taken_away", detail, "the result is kept"))
        news = {name: value for name, value in news.items() if name not in RESULT}
    made.pairs[own.id] = pair
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
