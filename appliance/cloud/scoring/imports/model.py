"""What a season file says, as matches with the names that it uses; and what is wrong with it, by line."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from appliance.cloud.scoring.imports.naming import KNOCKOUT, LEAGUE, cup_round, is_matchday, nth_group
from appliance.cloud.scoring.match import Kind, Pair, Status


@dataclass(frozen=True, slots=True)
class Defect:
    """`line`: from 1, 0 for the whole file. `hint`: what to write instead."""

    line: int
    code: str
    detail: str
    hint: str = ""

    def __str__(self) -> str:
        return f"line {self.line}: {self.detail}" + (f" ({self.hint})" if self.hint else "")


@dataclass(frozen=True, slots=True)
class FileMatch:
    """`home`, `away`: as the file writes them, teams or placeholders. `kickoff`: RFC 3339 UTC, None without a
    time. `slug` names the round in addresses; `reference`: the provider's own id of the match, "" where it
    has none. `is_group_derived`: the file does not name the group, who meets whom tells it."""

    line: int
    home: str
    away: str
    kind: Kind = "league"
    stage: str = ""
    group: str = ""
    round: str = ""
    slug: str = ""
    number: int | None = None
    leg: int | None = None
    is_replay: bool = False
    date: str | None = None
    kickoff: str | None = None
    status: Status = "open"
    detail: str = ""
    score: Pair | None = None
    half_time: Pair | None = None
    extra_time: Pair | None = None
    shoot_out: Pair | None = None
    official: Pair | None = None
    is_neutral: bool = False
    reference: str = ""
    is_group_derived: bool = False


@dataclass
class SeasonFile:
    """`groups`: teams of each group as the file lists them."""

    name: str = ""
    matches: list[FileMatch] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)
    groups: dict[str, list[str]] = field(default_factory=dict)
    found: int = 0
    """Matches that the file has: `matches` and those that a defect leaves out."""

    def defect(self, line: int, code: str, detail: str, hint: str = "") -> None:
        self.defects.append(Defect(line, code, detail, hint))


def named_rounds(matches: list[FileMatch]) -> list[FileMatch]:
    """Matches without a round get {stage}-{n}: n counts the matches that its teams have had in the stage, by
    date. Then the kinds that names alone do not tell."""
    counts: dict[tuple[str, str], int] = {}
    rounds: dict[int, str] = {}
    for match in sorted(matches, key=lambda each: (each.date or "9", each.kickoff or "", each.line)):
        keys = [(match.stage, match.home), (match.stage, match.away)]
        number = 1 + max(counts.get(key, 0) for key in keys)
        counts.update(dict.fromkeys(keys, number))
        if not match.round:
            rounds[match.line] = f"{match.slug}-{number}"
    named = [
        replace(match, round=rounds[match.line], slug=rounds[match.line]) if match.line in rounds else match
        for match in matches
    ]
    return _cup_rounds(_play_off_tables(named))


def _play_off_tables(matches: list[FileMatch]) -> list[FileMatch]:
    """A stage of play-offs whose rounds are matchdays is a league where each team meets several others; else
    the matchdays are legs."""
    met: dict[str, dict[str, set[str]]] = {}
    for match in matches:
        if match.kind == "knockout" and is_matchday(match.round):
            teams = met.setdefault(match.stage, {})
            teams.setdefault(match.home, set()).add(match.away)
            teams.setdefault(match.away, set()).add(match.home)
    tables = {stage for stage, teams in met.items() if min(map(len, teams.values())) > 1}
    return [
        replace(match, kind="league") if match.stage in tables and is_matchday(match.round) else match
        for match in matches
    ]


def _cup_rounds(matches: list[FileMatch]) -> list[FileMatch]:
    """Round 1, Round 2 of a file with a Final are of the cup where of each pair one at most plays on."""
    numbered = [(cup_round(match.round), match) for match in matches if match.stage == LEAGUE]
    last: dict[str, int] = {}
    for number, match in numbered:
        for team in (match.home, match.away):
            last[team] = max(last.get(team, 0), number or 0)
    further = {team for match in matches if match.stage == KNOCKOUT for team in (match.home, match.away)}
    going_on = [
        sum(last[team] > (number or 0) or team in further for team in (match.home, match.away))
        for number, match in numbered
    ]
    is_cup = bool(further) and all(number for number, _ in numbered) and max(going_on, default=0) == 1
    return [
        replace(match, kind="knockout", stage=KNOCKOUT) if is_cup and match.stage == LEAGUE else match
        for match in matches
    ]


def unnamed_groups(matches: list[FileMatch], file: SeasonFile) -> list[FileMatch]:
    """Where a stage of groups names none, teams that only meet among themselves are one, in the order of
    the file. As long as teams have met one other team alone, nothing tells who else is in their group."""
    stages: dict[str, list[FileMatch]] = {}
    for match in matches:
        if match.kind == "group":
            stages.setdefault(match.stage, []).append(match)
    groups: dict[tuple[str, str], str] = {}
    for stage, own in stages.items():
        sets = _sets(own)
        if len(sets) < 2 or any(match.group for match in own):
            continue
        what = f"{stage}: the groups have no names, and its teams are {len(sets)} sets that do not meet"
        hint = "write the group, such as Group A, with each match"
        if _opponents(own) > 1:
            names = {team: nth_group(at) for at, teams in enumerate(sets) for team in teams}
            groups |= {(stage, team): name for team, name in names.items()}
            what += f": they were read as {nth_group(0)} to {nth_group(len(sets) - 1)}"
        else:
            what += "; too few matches tell which belong together: one table has them all"
        file.defect(own[0].line, "no_group_names", what, hint)
    return [
        replace(match, group=group, is_group_derived=True)
        if match.kind == "group" and (group := groups.get((match.stage, match.home)))
        else match
        for match in matches
    ]


def _opponents(matches: list[FileMatch]) -> int:
    """How many others the team has met that has met the fewest."""
    met: dict[str, set[str]] = {}
    for match in matches:
        met.setdefault(match.home, set()).add(match.away)
        met.setdefault(match.away, set()).add(match.home)
    return min(map(len, met.values()))


def _sets(matches: list[FileMatch]) -> list[set[str]]:
    """Teams that are joined by matches, in the order of their first match."""
    sets: list[set[str]] = []
    for match in matches:
        pair = {match.home, match.away}
        joined = [each for each in sets if each & pair]
        if joined:
            joined[0].update(pair, *joined[1:])
            sets = [each for each in sets if each is joined[0] or each not in joined]
        else:
            sets.append(pair)
    return sets
