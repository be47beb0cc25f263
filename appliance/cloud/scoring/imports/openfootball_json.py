"""openfootball's JSON: a name and matches, or rounds with matches; every match knows the line it begins
on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, tzinfo
from typing import Any, Final

from appliance.cloud.scoring.imports.checks import duplicates, settle
from appliance.cloud.scoring.imports.kickoff import as_date, kickoff
from appliance.cloud.scoring.imports.model import FileMatch, SeasonFile, named_rounds, unnamed_groups
from appliance.cloud.scoring.imports.naming import as_knockout, round_name
from appliance.cloud.scoring.imports.statuses import status_of
from appliance.cloud.scoring.match import Pair

_SPACE: Final = re.compile(r"[\s,:]*")
_DECODER: Final = json.JSONDecoder()
_GOALS_MAX: Final = 199
_NUMBER_MAX: Final = 99_999
_KNOWN: Final = frozenset(
    {
        "round",
        "date",
        "time",
        "team1",
        "team2",
        "score",
        "stage",
        "group",
        "num",
        "status",
        "ground",
        "goals1",
    }
    | {
        "goals2",
        "score1",
        "score2",
        "score1i",
        "score2i",
        "score1et",
        "score2et",
        "score1p",
        "score2p",
        "stadium",
    }
    | {"city", "timezone", "leg", "goals", "matchday", "attendance", "note", "knockout"}
)


def read_json(text: str, zone: tzinfo | None) -> SeasonFile:
    """`zone`: of the tournament; None: not known, times are then read as UTC and named as a defect."""
    file = SeasonFile()
    try:
        whole = json.loads(text)
    except ValueError as error:
        file.defect(getattr(error, "lineno", 0), "not_json", str(error), "send a file of openfootball")
        return file
    if not isinstance(whole, dict):
        file.defect(1, "not_json", "the file is not an object with matches")
        return file
    file.name = str(whole.get("name") or "")
    reader = _Reader(file, zone)
    lines = _Lines(text)
    for at, given, outer in _matches(text, 0):
        file.found += 1
        reader.match(lines.at(at), given, outer)
    if not file.found:
        file.defect(
            1, "no_matches", "the file has no matches", "the list is named matches, or rounds with matches"
        )
    file.matches = duplicates(unnamed_groups(named_rounds(reader.matches), file), file)
    if reader.unzoned and zone is None:
        detail = f"{len(reader.unzoned)} times have no zone and were read as UTC"
        file.defect(reader.unzoned[0], "no_zone", detail, "give the tournament's time zone")
    return file


class _Lines:
    """Line numbers of ascending positions."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._line = text, 0, 1

    def at(self, position: int) -> int:
        self._line += self._text.count("\n", self._at, position)
        self._at = position
        return self._line


def _members(text: str, at: int) -> Iterator[tuple[str, int]]:
    """Keys of the object at `at`, with the positions of their values."""
    at += 1
    while text[at := _skip(text, at)] != "}":
        key, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at)
        yield key, at
        _, at = _DECODER.raw_decode(text, at)


def _elements(text: str, at: int) -> Iterator[int]:
    """Positions of the elements of the array at `at`."""
    at += 1
    while text[at := _skip(text, at)] != "]":
        yield at
        _, at = _DECODER.raw_decode(text, at)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def _matches(text: str, at: int, name: str = "") -> Iterator[tuple[int, Any, str]]:
    """Position, match, and the name of the round around it, from the object at `at`."""
    for key, value_at in _members(text, _skip(text, at)):
        if key == "matches" and text[value_at] == "[":
            for each in _elements(text, value_at):
                yield each, _DECODER.raw_decode(text, each)[0], name
        elif key == "rounds" and text[value_at] == "[":
            for each in _elements(text, value_at):
                if text[each] == "{":
                    yield from _matches(text, each, _text(_DECODER.raw_decode(text, each)[0].get("name")))


class _Reader:
    def __init__(self, file: SeasonFile, zone: tzinfo | None) -> None:
        self.file, self.zone = file, zone
        self.matches: list[FileMatch] = []
        self.unzoned: list[int] = []

    def match(self, line: int, given: Any, around: str) -> None:
        """`around`: the name of the round that the match is listed in."""
        if not isinstance(given, dict):
            self.file.defect(line, "not_a_match", f"{json.dumps(given)[:80]} is not a match")
            return
        home, away = _team(given.get("team1")), _team(given.get("team2"))
        if not home or not away:
            names = f"{home or '?'} - {away or '?'}"
            self.file.defect(
                line, "no_team", f"{names}: a team is missing", "give team1 and team2; it is left out"
            )
            return
        unknown = sorted(given.keys() - _KNOWN)
        if unknown:
            self.file.defect(line, "unknown_field", f"{home} - {away}: {', '.join(unknown)} was not read")
        named = round_name(
            _text(given.get("round")) or around,
            stage=_text(given.get("stage")),
            group=_text(given.get("group")),
        )
        if (is_knockout := given.get("knockout")) is True:
            named = as_knockout(named)
        elif is_knockout not in (None, False):
            detail = f"{home} - {away}: knockout {json.dumps(is_knockout)[:80]} is not understood"
            self.file.defect(line, "bad_knockout", detail, "true or false")
        scores = {
            key: self._pair(line, home, away, key, _score(given, key)) for key in ("ft", "ht", "et", "p")
        }
        day = self._day(line, home, away, given.get("date"))
        detail = status_of(word)[1] if (word := _text(given.get("status"))) else ""
        match = FileMatch(
            line,
            home,
            away,
            kind=named.kind,
            stage=named.stage,
            group=named.group,
            round=named.round,
            slug=named.slug,
            number=self._number(line, home, away, given.get("num")),
            leg=named.leg,
            is_replay=named.is_replay,
            date=day,
            kickoff=self._kickoff(line, day, _text(given.get("time"))),
            status=status_of(word)[0] if word else "open",
            detail=detail,
            score=scores["ft"],
            half_time=scores["ht"],
            extra_time=scores["et"],
            shoot_out=scores["p"],
        )
        self.matches.append(settle(match, self.file))

    def _pair(self, line: int, home: str, away: str, key: str, given: Any) -> Pair | None:
        if given is None or given == [None, None] or (given == [] and key != "ft"):
            return None
        if (
            isinstance(given, list)
            and len(given) == 2
            and all(type(goals) is int and 0 <= goals <= _GOALS_MAX for goals in given)
        ):
            return given[0], given[1]
        detail = f"{home} - {away}: score.{key} {json.dumps(given)} is not understood"
        self.file.defect(line, "bad_score", detail, "two numbers, home first: [2, 1]")
        return None

    def _number(self, line: int, home: str, away: str, given: Any) -> int | None:
        if given is None or (type(given) is int and 0 <= given <= _NUMBER_MAX):
            return given
        detail = f"{home} - {away}: num {json.dumps(given)[:80]} is not understood"
        self.file.defect(line, "bad_number", detail, f"a number up to {_NUMBER_MAX}")
        return None

    def _day(self, line: int, home: str, away: str, given: Any) -> str | None:
        day = as_date(given) if isinstance(given, str) else None
        if day is None:
            detail = f"{home} - {away}: date {given!r} is not a day" if given else f"{home} - {away}: no date"
            self.file.defect(line, "no_date", detail, "write 2014-08-16")
        return day

    def _kickoff(self, line: int, day: str | None, time: str) -> str | None:
        if not time or day is None:
            return None
        at = kickoff(day, time, self.zone or UTC)
        if at is None:
            self.file.defect(
                line, "bad_time", f"time {time!r} is not understood", "write 20:45 or 20:45 UTC+2"
            )
            return None
        if not at.has_zone:
            self.unzoned.append(line)
        return at.at


def _text(given: Any) -> str:
    return " ".join(str(given).split()) if isinstance(given, str | int) else ""


def _team(given: Any) -> str:
    return _text(given.get("name") if isinstance(given, dict) else given)


def _score(given: Mapping[str, Any], key: str) -> Any:
    """`score` as an object, as a list, or in the older form score1 and score2 with an ending."""
    score = given.get("score")
    if isinstance(score, dict):
        return score.get(key)
    if isinstance(score, list) and key == "ft":
        return score
    ending = {"ft": "", "ht": "i", "et": "et", "p": "p"}[key]
    old = [given.get(f"score{side}{ending}") for side in (1, 2)]
    return None if old == [None, None] else old
