"""Apply a file of matches to a tournament, in one transaction: an import, or a provider's answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from appliance.cloud.competitions import mapping
from appliance.cloud.scoring.imports.checks import NAME_MAX
from appliance.cloud.scoring.imports.model import Defect, FileMatch, SeasonFile
from appliance.cloud.scoring.imports.naming import GROUP_STAGE
from appliance.cloud.scoring.imports.plan import RESULT, Plan, team_names
from appliance.cloud.scoring.knockouts.slots import slot
from appliance.cloud.scoring.records import columns
from appliance.cloud.scoring.records.discrepancies import Claim, note_claims, settle
from appliance.cloud.scoring.records.identity import identify, remember_references
from appliance.cloud.scoring.records.news import tell_matches
from appliance.cloud.scoring.records.observed import compare_observed
from appliance.cloud.scoring.records.tournaments import Tournament, encoded, load_tournament
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Caller
from appliance.kernel.tx import Row, Tx

_TIMES: Final = ("day", "kickoff_us")


@dataclass(frozen=True, slots=True)
class Source:
    """A provider of football data. `priority`: the lowest is asked first; the result of an ended match
    changes only by a provider of the same or a lower number."""

    name: str
    priority: int = 0


@dataclass(frozen=True, slots=True)
class ApplySummary:
    """`matches`: of the file, in the rounds that were asked for. `matches` = created + changed + unchanged +
    those that a defect names. `created_ids`, `changed_ids`: of matches; `moved_ids`: of
    those with another day or time than was known; `by_round`: matches by slug."""

    matches: int
    created: int
    changed: int
    unchanged: int
    defects: tuple[Defect, ...]
    unmapped: tuple[str, ...] = ()
    created_ids: tuple[str, ...] = ()
    changed_ids: tuple[str, ...] = ()
    moved_ids: tuple[str, ...] = ()
    by_round: Mapping[str, int] = field(default_factory=dict)


def apply_file(
    tx: Tx,
    tournament_id: str,
    file: SeasonFile,
    source: Source,
    *,
    may_create: bool,
    caller: Caller,
    only_round: str | None = None,
) -> ApplySummary:
    """`may_create`: the file makes matches and teams, and says what rounds there are; else it updates matches
    that are there, of teams that its names are mapped to. `only_round`: a slug; nothing else is touched.
    The same file again changes nothing. Raises Refused 404 or 410."""
    tournament = load_tournament(tx, tournament_id)
    teams, wrong = _teams(tx, tournament, file, source, caller, may_create=may_create)
    rows = {
        row["id"]: row for row in tx.all("SELECT * FROM matches WHERE tournament_id = ?", (tournament_id,))
    }
    made = identify(
        tx, tournament_id, file, source.name, rows, teams, may_create=may_create, only_round=only_round
    )
    claims = [_claim(row, given, source) for row, given in _pairs(made, rows) if row["source"] != source.name]
    created = _create(tx, tournament_id, made, source)
    changed, moved = _change(tx, made, rows, source)
    settle(tx, changed)
    compare_observed(tx, tournament_id, changed)
    remember_references(tx, tournament_id, source.name, made, created)
    if may_create:
        _describe(tx, tournament, file, teams)
    note_claims(tx, tournament_id, [claim for claim in claims if claim is not None])
    tell_matches(tx, tournament_id, created=created, changed=changed)
    by_round = _rounds(made, rows)
    return ApplySummary(
        len(file.matches) if only_round is None else sum(by_round.values()),
        len(created),
        len(changed),
        len(made.pairs) - len(changed),
        (*file.defects, *wrong, *made.defects),
        tuple(made.unmapped),
        tuple(created),
        tuple(changed),
        tuple(moved),
        by_round,
    )


def _teams(
    tx: Tx, tournament: Tournament, file: SeasonFile, source: Source, caller: Caller, *, may_create: bool
) -> tuple[dict[str, str], list[Defect]]:
    """Ids of teams by the names of the file; they are made if they may be."""
    names = team_names(file)
    teams = mapping.map_names(tx, source.name, names, tournament.league_id, tournament.sport)
    missing = [name for name in names if name not in teams]
    bad = [name for name in missing if len(name) > NAME_MAX or not name.isprintable()]
    if may_create and len(missing) > len(bad):
        league_id = tournament.league_id or _own_league(tx, tournament, caller)
        for name in missing:
            if name not in bad:
                teams[name] = mapping.make_team(tx, caller, league_id, name)
    if may_create:
        for name, team_id in teams.items():
            mapping.remember_name(tx, caller, source.name, name, team_id)
    hint = f"a name has at most {NAME_MAX} characters, all printable"
    return teams, [Defect(0, "bad_name", f"{name[:80]!r} is no name of a team", hint) for name in bad]


def _own_league(tx: Tx, tournament: Tournament, caller: Caller) -> str:
    """The league of a tournament that has none: the one of its own name."""
    league_id = mapping.league_named(tx, caller, tournament.name, tournament.sport, tournament.timezone)
    tx.update("tournaments", tournament.id, {"league_id": league_id})
    return league_id


def _pairs(made: Plan, rows: Mapping[str, Row]) -> list[tuple[Row, FileMatch]]:
    return [(rows[match_id], given) for match_id, (given, _, _) in made.pairs.items()]


def _claim(row: Row, given: FileMatch, source: Source) -> Claim | None:
    """What another provider says of a match that has ended for both; None: nothing to compare."""
    if row["status"] != "ended" or given.status != "ended":
        return None
    ours = columns.as_match(row)
    return Claim(
        row["id"], row["source"], ours, source.name, given, source.priority <= row["source_priority"]
    )


def _create(tx: Tx, tournament_id: str, made: Plan, source: Source) -> list[str]:
    rows = [
        {
            "id": new_uuid(),
            "tournament_id": tournament_id,
            **columns.new_row(given, home, away),
            "source": source.name,
            "source_priority": source.priority,
            "created_us": tx.now_us,
            "updated_us": tx.now_us,
        }
        for given, home, away in made.create
    ]
    tx.create_many("matches", rows)
    return [row["id"] for row in rows]


def _change(tx: Tx, made: Plan, rows: Mapping[str, Row], source: Source) -> tuple[list[str], list[str]]:
    """Ids of the matches that are not as they were; of them those that were moved."""
    changed, moved = [], []
    for match_id, (given, home, away) in made.pairs.items():
        row = rows[match_id]
        fields = _allowed(row, made.change.get(match_id, {}), source)
        news = columns.columns(fields) | columns.named_sides(row, home, away)
        news |= _moved(row, given, is_moved="date" in fields)
        if "round" in fields and row["slug"] != given.slug:
            news["slug"] = given.slug
        if fields.keys() & set(RESULT):
            news |= {"source": source.name, "source_priority": source.priority}
        if news:
            tx.update("matches", match_id, news)
            changed.append(match_id)
            if any(row[name] is not None and news.get(name, row[name]) != row[name] for name in _TIMES):
                moved.append(match_id)
    return changed, moved


def _moved(row: Row, given: FileMatch, *, is_moved: bool) -> dict[str, Any]:
    """Columns of a new time. `is_moved`: the day is another one, so that the time of the old day is over."""
    kickoff_us = columns.kickoff_us(given)
    if row["kickoff_us"] == kickoff_us and not is_moved:
        return {}
    if kickoff_us is None and not is_moved:
        return {}  # it does not know the time
    order_us = columns.order_us(given.date if is_moved else row["day"], kickoff_us)
    news = {"kickoff_us": kickoff_us, "order_us": order_us}
    return {name: value for name, value in news.items() if row[name] != value}


def _allowed(row: Row, fields: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """Without the result, where the match has ended for a provider that is asked before this one."""
    keeps = (
        row["status"] == "ended" and row["source"] != source.name and source.priority > row["source_priority"]
    )
    known = {name: value for name, value in fields.items() if not (keeps and name in RESULT)}
    if known.get("date", "") is None:  # a provider that does not know the day takes none away
        del known["date"]
    return known


def _describe(tx: Tx, tournament: Tournament, file: SeasonFile, teams: Mapping[str, str]) -> None:
    """The tournament's mode, by the kinds of its matches, and its groups as the file lists them."""
    sql = "SELECT DISTINCT kind FROM matches WHERE tournament_id = ? ORDER BY kind"
    kinds = [row["kind"] for row in tx.all(sql, (tournament.id,))]
    modes = {"league": "league", "group": "groups", "knockout": "cup"}
    news: dict[str, Any] = {}
    mode = None if not kinds else modes[kinds[0]] if len(kinds) == 1 else "mixed"
    if mode != tournament.mode:
        news["mode"] = mode
    stages = {match.group: match.stage for match in reversed(file.matches) if match.group}
    listed = dict(tournament.listed)
    for group, names in file.groups.items():
        known = [teams[name] for name in names if slot(name) is None and name in teams]
        listed[stages.get(group, GROUP_STAGE), group] = tuple(known)
    if listed != dict(tournament.listed):
        news["listed"] = encoded(
            [{"stage": stage, "group": group, "teams": list(own)} for (stage, group), own in listed.items()]
        )
    if news:
        tx.update("tournaments", tournament.id, news)


def _rounds(made: Plan, rows: Mapping[str, Row]) -> dict[str, int]:
    """Matches by the slug of their round."""
    slugs = [rows[match_id]["slug"] for match_id in made.pairs] + [given.slug for given, _, _ in made.create]
    return dict(Counter(slugs))
