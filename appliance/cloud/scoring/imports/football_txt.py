"""Football.TXT, openfootball's form for people: headings, rounds, dates and matches, a line each.

Lines of goals, line-ups and referees are read over. A line that is nothing of this is a defect with its
number."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Final

from appliance.cloud.scoring.imports.checks import duplicates, settle
from appliance.cloud.scoring.imports.kickoff import kickoff, zone_of
from appliance.cloud.scoring.imports.model import FileMatch, SeasonFile, named_rounds, unnamed_groups
from appliance.cloud.scoring.imports.naming import LEAGUE, RoundName, group_name, is_round, round_name
from appliance.cloud.scoring.imports.statuses import status_of
from appliance.cloud.scoring.imports.txt_dates import Calendar, Written, leading_date, season_years
from appliance.cloud.scoring.imports.txt_score import SCORE, Score, plain, read_score

_COMMENT: Final = re.compile(r"(?:^|\s)#.*$")
_HEADING: Final = re.compile(r"(=+)\s*([^=].*?)\s*=*")
_MARK: Final = re.compile(r"(?:[»▪▸►•]+|::|:::)\s*")
_NUMBER: Final = re.compile(r"\((\d{1,3})\)\s*")
_TIME: Final = re.compile(
    r"(\d{1,2}[.:h]\d{2})(?!\d)\s*(\(?(?:UTC|GMT)\s*[+−-]\s*\d{1,2}(?::\d{2})?\)?)?\s*(\([A-Z][a-z]{1,2}\))?\s+"
)
_TAG: Final = re.compile(r"\[([^\]]*)\]|\(att:?[^)]*\)", re.IGNORECASE)
_WORD: Final = re.compile(
    r"\s(w/o|n/p)\s|\s{2,}(awarded|abandoned|postponed|cancelled|canceled|suspended|annulled|bye|abd\.?)(?:\s{2,}|$)",
    re.IGNORECASE,
)
_VERSUS: Final = re.compile(r"\s+vs?\.?\s+")
_DASH: Final = re.compile(r"\s+-\s+")
_NOTE: Final = re.compile(r"\[.*|\((?!\d+\)).*|[^\d|]{2,40}:\s+\S.*")
_MINUTE: Final = re.compile(r"\d'")
_TABLE_ROW: Final = re.compile(r"\d{1,2}\.?\s*\S.*(?:\s+\d{1,2}){4}\s+\d+\s*-\s*\d+\s+\d+.*|[-=+]{5,}")
_KICKS: Final = re.compile(r"(\d{1,2}-\d{1,2}) on penalties", re.IGNORECASE)
_STATUSES: Final = frozenset(
    {"awarded", "abandoned", "postponed", "cancelled", "suspended", "walkover", "bye", "n/p", "interrupted"}
)


def read_txt(text: str, zone: tzinfo | None, *, season: str = "") -> SeasonFile:
    """`season` gives the years where the file does not. `zone`: as in `read_json`."""
    reader = _Reader(SeasonFile(), zone, season)
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        reader.line(number, line)
    return reader.finish()


@dataclass(slots=True)
class _Place:
    """Where in the file a line is."""

    stage: str = ""
    group: str = ""
    round: str = ""
    date: str | None = None
    time: str = ""


class _Reader:
    def __init__(self, file: SeasonFile, zone: tzinfo | None, season: str) -> None:
        self.file, self.zone = file, zone
        self.calendar = Calendar(season_years(season))
        self.has_season = bool(season_years(season))
        self.at = _Place()
        self.matches: list[FileMatch] = []
        self.unzoned: list[int] = []
        self.in_note = False

    def finish(self) -> SeasonFile:
        file = self.file
        if not file.found:
            file.defect(1, "no_matches", "the file has no matches")
        named = named_rounds([self._grouped(match) for match in self.matches])
        file.matches = duplicates(unnamed_groups(named, file), file)
        if self.unzoned and self.zone is None:
            detail = f"{len(self.unzoned)} times have no zone and were read as UTC"
            file.defect(self.unzoned[0], "no_zone", detail, "give the tournament's time zone")
        return file

    def line(self, number: int, raw: str) -> None:
        text = plain(_COMMENT.sub("", raw)).rstrip()
        if not text.strip():
            self.in_note = False
            return
        line = text.strip()
        readers = (self._heading, self._definition, self._date_line, self._note, self._header, self._match)
        if any(read(number, line) for read in readers):
            return
        self.file.defect(number, "not_understood", f"{line[:80]!r} is not understood", "it was left out")

    # -- headings ------------------------------------------------------------------------------------------

    def _heading(self, number: int, line: str) -> bool:
        match = _HEADING.fullmatch(line)
        if match is None:
            return False
        level, title = len(match[1]), match[2]
        if level == 1 and not self.file.name:
            self.file.name = title
            if not self.has_season:
                self.calendar.years = season_years(title)
            return True
        self.at = _Place(stage=title if level > 1 else re.sub(r"\s*\d{4}(?:[/-]\d{2,4})?$", "", title))
        return True

    def _definition(self, number: int, line: str) -> bool:
        """`Group A | Brazil  Croatia`, `Matchday 1 | Thu Jun 12`."""
        name, bar, rest = line.partition("|")
        if not bar:
            return False
        if (group := group_name(_NUMBER.sub("", _MARK.sub("", name)))) is not None:
            teams = [team for team in re.split(r"\s{2,}|\t|\s*\|\s*", rest.strip()) if team]
            self.file.groups.setdefault(group, []).extend(teams)
            return True
        if _MARK.match(line) is not None:
            self._header(number, name.strip())  # marked, it may be the heading itself
        return True

    def _header(self, number: int, line: str) -> bool:
        """A round or a group: marked, or known by its words."""
        marked = _MARK.match(line)
        text = line[marked.end() :] if marked else _NUMBER.sub("", line)
        text = re.split(r"\s*//|\s{2,}\(", text)[0].strip().rstrip(":")
        text, _, day = text.rstrip("]").partition(" [")
        if not marked and (SCORE.search(text) or _TIME.match(text) or not is_round(text)):
            return False
        named = round_name(text)
        if group_name(text) is not None:
            self.at = _Place(stage=self.at.stage, group=named.group)
        else:
            keeps = named.kind == "league" and named.stage == LEAGUE and not self.file.groups
            self.at = _Place(
                stage=self.at.stage, group=named.group or (self.at.group if keeps else ""), round=text
            )
        if day and (found := leading_date(day)) is not None:
            self._set_date(number, found[0])
        return True

    def _date_line(self, number: int, line: str) -> bool:
        inside = re.fullmatch(r"\[(.+)\]", line)
        found = leading_date(inside[1] if inside else line)
        if found is None or found[1].strip(" ]"):
            return False
        self._set_date(number, found[0])
        return True

    def _set_date(self, number: int, written: Written) -> None:
        day, problem = self.calendar.resolve(written)
        if problem:
            self.file.defect(number, "bad_date", problem, "correct the date" if day else "give the season")
        if day != self.at.date:
            self.at.time = ""
        self.at.date = day

    # -- matches -------------------------------------------------------------------------------------------

    def _match(self, number: int, line: str) -> bool:
        rest, ordinal = line, None
        if (match := _NUMBER.match(rest)) is not None:
            ordinal, rest = int(match[1]), rest[match.end() :]
        dated = leading_date(rest)
        if dated is not None:
            rest = dated[1]
        timed = _TIME.match(rest + " ")
        time = ""
        if timed is not None:
            time, rest = f"{timed[1]} {timed[2] or ''}".strip(), rest[timed.end() :]
        rest, _, venue = rest.partition(" @ ")
        tags = [each[1] for each in _TAG.finditer(rest) if each[1]]
        body = _TAG.sub("", rest).rstrip()
        sides = _sides(body, is_certain=bool(ordinal or dated or timed or tags or venue or self.at.date))
        if sides is None:
            return False
        self.file.found += 1
        if dated is not None:
            self._set_date(number, dated[0])
        self.at.time = time or self.at.time
        home, away, score, word = sides
        self._add(number, ordinal, home, away, score, _status(tags) or word, venue)
        self._unread_tags(number, tags)
        return True

    def _add(
        self, line: int, ordinal: int | None, home: str, away: str, score: Score, word: str, venue: str
    ) -> None:
        named = self._named()
        status, detail = status_of(word) if word else ("open", "")
        match = FileMatch(
            line,
            home,
            away,
            kind=named.kind,
            stage=named.stage,
            group=named.group,
            round=named.round,
            slug=named.slug,
            number=ordinal,
            leg=named.leg,
            is_replay=named.is_replay,
            date=self.at.date,
            kickoff=self._kickoff(line, venue),
            status=status,
            detail=detail,
            score=score.regular,
            half_time=score.half_time,
            extra_time=score.extra_time,
            shoot_out=score.shoot_out,
        )
        if match.date is None:
            self.file.defect(line, "no_date", f"{home} - {away}: no date")
        self.matches.append(settle(match, self.file))

    def _named(self) -> RoundName:
        """A heading that no round follows is the round itself."""
        if not self.at.round and not self.at.group and self.at.stage:
            named = round_name(self.at.stage)
            return named if named.round else round_name("", stage=self.at.stage)
        return round_name(self.at.round, stage=self.at.stage, group=self.at.group)

    def _kickoff(self, line: int, venue: str) -> str | None:
        if not self.at.time or self.at.date is None:
            return None
        own = zone_of(venue)
        at = kickoff(self.at.date, self.at.time, own or self.zone or UTC)
        if at is None:
            self.file.defect(line, "bad_time", f"time {self.at.time!r} is not understood", "write 20:45")
            return None
        if own is None and not at.has_zone:
            self.unzoned.append(line)
        return at.at

    def _unread_tags(self, line: int, tags: list[str]) -> None:
        unread = [tag for tag in tags if not _status([tag]) and not re.fullmatch(r"[A-Z]|\d+|neutral.*", tag)]
        if unread:
            self.file.defect(line, "unknown_note", f"[{unread[0]}] was not read")

    def _note(self, number: int, line: str) -> bool:
        """Goals, line-ups, referees, tables; a shoot-out that is given in a line of its own is read."""
        kicks = _KICKS.search(line)
        if kicks is not None and self.matches and self.matches[-1].shoot_out is None:
            pair = kicks[1].split("-")
            self.matches[-1] = replace(self.matches[-1], shoot_out=(int(pair[0]), int(pair[1])))
        is_plain = SCORE.search(line) is None
        is_note = bool(_NOTE.match(line) or _TABLE_ROW.fullmatch(line))
        is_note = is_note or (is_plain and (self.in_note or bool(_MINUTE.search(line))))
        is_unclosed = line.startswith("[") and "]" not in line
        self.in_note = is_note and (is_unclosed or line.endswith((",", "-", ";", ")")))
        return is_note

    def _grouped(self, match: FileMatch) -> FileMatch:
        """In the group that the file lists both teams in, where the match names none."""
        if match.kind == "knockout" or match.group or not self.file.groups:
            return match
        group = next(
            (name for name, teams in self.file.groups.items() if {match.home, match.away} <= set(teams)), None
        )
        if group is None:
            return match
        named = round_name(match.round, group=group)
        return replace(match, kind="group", group=group, stage=named.stage, slug=named.slug)


def _status(tags: list[str]) -> str:
    """The first tag that is a status; what follows a comma or semicolon explains it."""
    words = (re.split(r"[;,]", tag)[0].strip() for tag in tags)
    return next((word for word in words if status_of(word)[1] in _STATUSES), "")


def _sides(body: str, *, is_certain: bool) -> tuple[str, str, Score, str] | None:
    """Home, away, score, word of a status. `is_certain`: a dash between two names makes a match."""
    word = _WORD.search(body)
    state = (word[1] or word[2]) if word is not None else ""
    if word is not None:
        body = body[: word.start()] + "   " + body[word.end() :]
    versus = _VERSUS.search(body)
    score = SCORE.search(body, versus.end() if versus else 0)
    if versus is not None:
        away = body[versus.end() : score.start()] if score else body[versus.end() :]
        return _named_sides(body[: versus.start()], away, score, state)
    if score is not None:
        return _named_sides(body[: score.start()], body[score.end() :], score, state)
    if state:
        home, _, away = body.strip().partition("   ")
        return _named_sides(home, away or "bye", None, state)
    dash = _DASH.search(body)
    if dash is None or not is_certain:
        return None
    return _named_sides(body[: dash.start()], body[dash.end() :], None, state)


def _named_sides(
    home: str, away: str, score: re.Match[str] | None, state: str
) -> tuple[str, str, Score, str] | None:
    home, away = " ".join(home.split()), " ".join(away.split())
    if not home or not away:
        return None
    if away == "bye":
        away = ""
    return home, away, read_score(score[0]) if score else Score(), state
