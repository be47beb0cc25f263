"""What a run needs to know before it asks a provider: the tournament and its rounds. SQL, read only."""

from __future__ import annotations

from dataclasses import dataclass, replace

from appliance.cloud.competitions.mapping import map_names, team_names
from appliance.cloud.scoring.executions.model import StageFailed
from appliance.cloud.scoring.imports.model import SeasonFile
from appliance.cloud.scoring.imports.plan import team_names as teams_in
from appliance.cloud.scoring.records.apply import ApplySummary
from appliance.cloud.scoring.records.tournaments import Tournament, load_tournament
from appliance.kernel.errors import Refused
from appliance.kernel.tx import ReadTx


@dataclass(frozen=True, slots=True)
class RoundFacts:
    """A round of a tournament, by its slug."""

    slug: str
    name: str
    kind: str


def rounds_of_tournament(tx: ReadTx, tournament_id: str) -> list[RoundFacts]:
    """In the order of play."""
    rows = tx.all(
        "SELECT slug, min(round) AS name, min(kind) AS kind FROM matches WHERE tournament_id = ?"
        " GROUP BY slug ORDER BY min(order_us), slug",
        (tournament_id,),
    )
    return [RoundFacts(row["slug"], row["name"], row["kind"]) for row in rows]


def require(tx: ReadTx, tournament_id: str, round_slug: str) -> Tournament:
    """The tournament. Raises Refused: 404 or 410 for it, 404 for a round that it does not have."""
    tournament = load_tournament(tx, tournament_id)
    sql = "SELECT 1 FROM matches WHERE tournament_id = ? AND slug = ? LIMIT 1"
    if round_slug and tx.value(sql, (tournament_id, round_slug)) is None:
        hint = f"see GET /api/v2/tournaments/{tournament_id}/rounds"
        raise Refused(404, "not_found", f"no round {round_slug} in tournament {tournament_id}", hint)
    return tournament


def validated(tx: ReadTx, tournament_id: str, round_slug: str) -> tuple[Tournament, list[RoundFacts]]:
    """For a run: the tournament, and the rounds that it is about. Raises StageFailed."""
    try:
        tournament = require(tx, tournament_id, round_slug)
    except Refused as refused:
        raise StageFailed("validate", refused.detail) from None
    rounds = rounds_of_tournament(tx, tournament_id)
    return tournament, [each for each in rounds if round_slug in ("", each.slug)]


def new_matches(
    tx: ReadTx, tournament_id: str, provider: str, file: SeasonFile, round_slug: str
) -> SeasonFile | None:
    """Matches of a round that are not there: of teams that are known, which do not meet in it yet. None:
    there are none, a name leads to no team, or the round has slots that are not drawn: those are filled
    instead."""
    given = [each for each in file.matches if each.slug == round_slug]
    names, tournament = teams_in(SeasonFile(matches=given)), load_tournament(tx, tournament_id)
    teams = map_names(tx, provider, names, tournament.league_id, tournament.sport)
    sql = "SELECT home_team_id, away_team_id FROM matches WHERE tournament_id = ? AND slug = ?"
    known = {(row["home_team_id"], row["away_team_id"]) for row in tx.all(sql, (tournament_id, round_slug))}
    is_drawn = all(None not in pair for pair in known)
    if len(teams) < len(names) or not is_drawn:
        return None
    new = [each for each in given if (teams.get(each.home), teams.get(each.away)) not in known]
    return SeasonFile(file.name, new, found=len(new)) if new else None


def both(first: ApplySummary, second: ApplySummary, file: SeasonFile) -> ApplySummary:
    """What two files have changed together. Matches of the second one were unknown to the first."""
    lines = {each.line for each in file.matches}
    defects = [each for each in first.defects if not (each.code == "unknown_match" and each.line in lines)]
    counts = {
        name: getattr(first, name) + getattr(second, name)
        for name in ("matches", "created", "changed", "unchanged", "created_ids", "changed_ids")
    }
    slugs = {**first.by_round, **second.by_round}
    by_round = {slug: first.by_round.get(slug, 0) + second.by_round.get(slug, 0) for slug in slugs}
    return replace(first, **counts, defects=(*defects, *second.defects), by_round=by_round)


def names_of(tx: ReadTx, team_ids: set[str]) -> dict[str, str]:
    """Names of teams by id."""
    return team_names(tx, sorted(team_ids))
