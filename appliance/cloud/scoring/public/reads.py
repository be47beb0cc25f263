"""Queries of the public API."""

from __future__ import annotations

from typing import Any

from appliance.cloud.competitions.mapping import team_names
from appliance.cloud.scoring.model import BracketQuery, MatchQuery, StandingsQuery
from appliance.cloud.scoring.public.shown import (
    Ties,
    shown_matches,
    shown_rows,
    shown_tournament,
    shown_zones,
)
from appliance.cloud.scoring.records.bracket import draw
from appliance.cloud.scoring.records.season import season_of
from appliance.cloud.scoring.records.tournaments import load_tournament
from appliance.cloud.scoring.tables.model import Phase, View
from appliance.cloud.scoring.tables.standings import is_shown, phases_of, standings
from appliance.kernel.errors import invalid, not_found
from appliance.kernel.paging import Page, decode_cursor, encode_cursor, list_page
from appliance.kernel.rows import load_row
from appliance.kernel.tx import ReadTx


def list_tournaments(tx: ReadTx, query: Page) -> dict[str, Any]:
    return list_page(
        tx,
        query,
        table="tournaments",
        key="created_us",
        where=[],
        resource=lambda _, row: shown_tournament(row),
    )


def one_tournament(tx: ReadTx, tournament_id: str) -> dict[str, Any]:
    return shown_tournament(load_row(tx, "tournament", tournament_id))


def list_rounds(tx: ReadTx, tournament_id: str) -> list[dict[str, Any]]:
    """In the order of play."""
    load_tournament(tx, tournament_id)
    sql = (
        "SELECT slug, round, stage, kind, count(*) AS matches,"
        " count(CASE WHEN status = 'ended' THEN 1 END) AS ended,"
        " min(day) AS first_date, max(day) AS last_date"
        " FROM matches WHERE tournament_id = ? GROUP BY slug, round, stage, kind"
        " ORDER BY min(order_us), max(order_us), slug, round"
    )
    kept = ("stage", "kind", "matches", "ended", "first_date", "last_date")
    return [
        {"round": row["slug"], "name": row["round"] or row["stage"], **{name: row[name] for name in kept}}
        for row in tx.all(sql, (tournament_id,))
    ]


def list_matches(tx: ReadTx, tournament_id: str, query: MatchQuery) -> dict[str, Any]:
    """A page, in the order of play."""
    load_tournament(tx, tournament_id)
    chosen = {"slug = ?": query.round, "status = ?": query.status, "day = ?": query.date}
    where = [("tournament_id = ?", (tournament_id,))]
    where += [(condition, (value,)) for condition, value in chosen.items() if value is not None]
    if query.cursor is not None:
        where.append(("(order_us, id) > (?, ?)", decode_cursor(query.cursor)))  # type: ignore[arg-type]
    conditions = " AND ".join(condition for condition, _ in where)
    sql = f"SELECT * FROM matches WHERE {conditions} ORDER BY order_us, id LIMIT ?"
    rows = tx.all(sql, (*(value for _, values in where for value in values), query.limit + 1))
    more, rows = len(rows) > query.limit, rows[: query.limit]
    return {
        "items": shown_matches(tx, tournament_id, rows),
        "next_cursor": encode_cursor(rows[-1]["order_us"], rows[-1]["id"]) if more else None,
        "as_of_seq": tx.head(),
    }


def one_match(tx: ReadTx, match_id: str) -> dict[str, Any]:
    row = tx.one("SELECT * FROM matches WHERE id = ?", (match_id,))
    if row is None:
        raise not_found("match", match_id)
    return shown_matches(tx, row["tournament_id"], [row])[0]


def read_standings(tx: ReadTx, tournament_id: str, query: StandingsQuery) -> dict[str, Any]:
    """Computed from the results as they are now, or were on that day. Raises Refused 422 for a stage or a
    group that is not there."""
    tournament = load_tournament(tx, tournament_id)
    view = View(query.as_of, query.venue, query.last, query.stage, query.group, query.live)
    season = season_of(tx, tournament, query.as_of)
    _require_shown(phases_of(season), view)
    table = standings(season, view)
    return {
        "items": shown_rows(tx, table.rows),
        "as_of": query.as_of,
        "provisional": table.is_provisional,
        "rules": tournament.rules_name,
        "zones": shown_zones(season.rules.zones),
    }


def _require_shown(phases: list[Phase], view: View) -> None:
    own = [phase for phase in phases if is_shown(phase, View(stage=view.stage))]
    if view.stage is not None and not own:
        stages = ", ".join(dict.fromkeys(stage for stage, _ in phases))
        raise invalid("stage", f"no such stage; there are: {stages or 'none'}", "unknown_reference")
    if view.group is not None and not any(is_shown(phase, view) for phase in own):
        groups = ", ".join(dict.fromkeys(group for _, group in own if group))
        raise invalid("group", f"no such group; there are: {groups or 'none'}", "unknown_reference")


def read_bracket(tx: ReadTx, tournament_id: str, query: BracketQuery) -> dict[str, Any]:
    """Drawn from the results as they are now, or were on that day."""
    bracket = draw(tx, load_tournament(tx, tournament_id), query.as_of)
    teams = {team for tie in bracket.ties for team in (tie.home, tie.away) if team is not None}
    sql = "SELECT id, slug FROM matches WHERE tournament_id = ? AND kind = 'knockout'"
    slugs = {row["id"]: row["slug"] for row in tx.all(sql, (tournament_id,))}
    ties = Ties(tournament_id, team_names(tx, sorted(teams)), slugs)
    return {
        "rounds": ties.rounds(bracket),
        "as_of": query.as_of,
        "notes": [
            {"tie": ties.id_of(note.tie), "code": note.code, "detail": note.detail} for note in bracket.notes
        ],
    }
