"""What a run needs to know before it asks a provider: the tournament and its rounds. SQL, read only."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.cloud.competitions.mapping import map_names, team_names
from appliance.cloud.scoring.executions.model import StageFailed
from appliance.cloud.scoring.imports.model import SeasonFile
from appliance.cloud.scoring.imports.plan import team_names as teams_in
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


def known_round(
    tx: ReadTx, tournament_id: str, provider: str, file: SeasonFile, round_slug: str
) -> SeasonFile | None:
    """The matches of a round alone; None: the file does not have it under this slug, or one of its names
    leads to no team."""
    matches = [each for each in file.matches if each.slug == round_slug]
    own = SeasonFile(file.name, matches, file.defects, found=len(matches))
    names, tournament = teams_in(own), load_tournament(tx, tournament_id)
    known = map_names(tx, provider, names, tournament.league_id, tournament.sport)
    return own if matches and len(known) == len(names) else None


def names_of(tx: ReadTx, team_ids: set[str]) -> dict[str, str]:
    """Names of teams by id."""
    return team_names(tx, sorted(team_ids))
