"""Which match of a tournament a file speaks of: rows and provider's ids for imports/plan.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from appliance.cloud.scoring.imports.model import SeasonFile
from appliance.cloud.scoring.imports.plan import Plan, plan
from appliance.cloud.scoring.match import Match
from appliance.cloud.scoring.records import columns
from appliance.cloud.scoring.records.bracket import slot_teams, stored_bracket
from appliance.kernel.tx import ReadTx, Row, Tx


def identify(
    tx: ReadTx,
    tournament_id: str,
    file: SeasonFile,
    provider: str,
    rows: Mapping[str, Row],
    teams: Mapping[str, str],
    *,
    may_create: bool,
    only_round: str | None,
) -> Plan:
    """What the file changes. `rows`: every match of the tournament by its id; `teams`: ids by names."""
    known = [columns.as_match(row) for row in rows.values()]
    made = plan(
        file if only_round is None else _of_round(file, rows, only_round, may_create=may_create),
        known,
        teams,
        references=_references(tx, tournament_id, provider),
        drawn=_drawn(tx, tournament_id, known),
        may_create=may_create,
    )
    if only_round is not None:
        made.pairs = {key: pair for key, pair in made.pairs.items() if rows[key]["slug"] == only_round}
        made.change = {key: news for key, news in made.change.items() if key in made.pairs}
    return made


def _of_round(file: SeasonFile, rows: Mapping[str, Row], only_round: str, *, may_create: bool) -> SeasonFile:
    """Without the matches of other rounds. A provider that gives rounds names of its own is read whole."""
    others = {row["slug"] for row in rows.values()} - {only_round}
    is_named = any(each.slug == only_round for each in file.matches)
    chosen = [
        each
        for each in file.matches
        if each.slug == only_round or not (may_create or is_named or each.slug in others)
    ]
    return SeasonFile(file.name, chosen)


def _references(tx: ReadTx, tournament_id: str, provider: str) -> dict[str, str]:
    sql = "SELECT reference, match_id FROM match_references WHERE tournament_id = ? AND provider = ?"
    return {row["reference"]: row["match_id"] for row in tx.all(sql, (tournament_id, provider))}


def _drawn(
    tx: ReadTx, tournament_id: str, known: Sequence[Match]
) -> dict[str, tuple[str | None, str | None]]:
    teams = slot_teams(stored_bracket(tx, tournament_id))
    return {
        match.id: (own.get(match.home), own.get(match.away))
        for match in known
        if (own := teams.get(match.id)) is not None
    }


def remember_references(
    tx: Tx, tournament_id: str, provider: str, made: Plan, created: Sequence[str]
) -> None:
    """Keep the provider's ids of the matches that were found or made (`created`: ids of the latter)."""
    pairs = [(match_id, given) for match_id, (given, _, _) in made.pairs.items()]
    pairs += [(match_id, given) for match_id, (given, _, _) in zip(created, made.create, strict=True)]
    known = _references(tx, tournament_id, provider) if any(given.reference for _, given in pairs) else {}
    for match_id, given in pairs:
        if given.reference and given.reference not in known:
            row = {"tournament_id": tournament_id, "provider": provider, "reference": given.reference}
            tx.insert("match_references", {**row, "match_id": match_id})
            known[given.reference] = match_id
