"""Make and change tournaments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from appliance.cloud.competitions import mapping
from appliance.cloud.scoring.model import ExcludedIn, MatchPatch, TournamentIn, TournamentPatch
from appliance.cloud.scoring.records.bracket import update_bracket
from appliance.cloud.scoring.records.decisions import recalculate
from appliance.cloud.scoring.records.news import tell_matches
from appliance.cloud.scoring.records.tournaments import (
    Tournament,
    day_in,
    encoded,
    load_tournament,
    read_tournament,
)
from appliance.cloud.scoring.rules.reader import RulesError, load_rules
from appliance.kernel.errors import invalid, not_found
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Caller, check_rev, fingerprint
from appliance.kernel.rows import known_row, load_row
from appliance.kernel.tx import ReadTx, Row, Tx


def create_tournament(tx: Tx, caller: Caller, body: TournamentIn) -> tuple[Tournament, bool]:
    """A new one, or the one that an equal body has made before; and whether it is new. Raises Refused 422 for
    rules, a league or a season that are not known."""
    request_hash = fingerprint(body.model_dump_json())
    if (known := known_row(tx, "tournament", body.id, request_hash)) is not None:
        return read_tournament(known), False
    _check(tx, body.sport, body.rules, body.season, body.league_id, body.season_id)
    day = day_in(body.timezone, tx.now_us)
    row: dict[str, Any] = {
        "id": body.id or new_uuid(),
        "name": body.name,
        "season": body.season,
        "sport": body.sport,
        "timezone": body.timezone,
        "rules": body.rules,
        "league_id": body.league_id,
        "season_id": body.season_id,
        "mode": None,
        "providers": encoded(body.providers),
        "curtailed": None if body.curtailed is None else encoded(body.curtailed.model_dump()),
        "excluded": encoded(_excluded(tx, body.excluded_teams, day)),
        "listed": "[]",
        "request_hash": request_hash,
        "created_by": caller.device,
        "created_us": tx.now_us,
        "updated_us": tx.now_us,
    }
    tx.create("tournaments", row)
    made = load_tournament(tx, row["id"])
    tx.append("tournament_created", f"tournament:{made.id}", {"tournament_id": made.id, "by": caller.device})
    return made, True


def ensure_tournament(tx: Tx, caller: Caller, body: TournamentIn) -> Tournament:
    """For an import: the tournament with this id as it is, or a new one."""
    row = tx.one("SELECT * FROM tournaments WHERE id = ? AND deleted_us IS NULL", (body.id,))
    return read_tournament(row) if row is not None else create_tournament(tx, caller, body)[0]


def change_tournament(tx: Tx, caller: Caller, tournament: Tournament, patch: TournamentPatch) -> Tournament:
    """Only the fields sent; tables and bracket follow. Raises Refused 412 or 422."""
    check_rev(caller, "tournament", tournament.rev)
    sent = patch.model_dump(exclude_unset=True)
    now = {
        "rules": tournament.rules_name,
        **{name: getattr(tournament, name) for name in ("season", "league_id", "season_id")},
    }
    now |= {name: value for name, value in sent.items() if name in now}
    _check(tx, tournament.sport, now["rules"], now["season"], now["league_id"], now["season_id"])
    if "providers" in sent:
        sent["providers"] = encoded(sent["providers"] or {})
    if sent.get("curtailed") is not None:
        sent["curtailed"] = encoded(sent["curtailed"])
    if "excluded_teams" in sent:
        day = day_in(sent.get("timezone", tournament.timezone), tx.now_us)
        sent["excluded"] = encoded(_excluded(tx, patch.excluded_teams or (), day))
        del sent["excluded_teams"]
    row = load_row(tx, "tournament", tournament.id)
    news = {name: value for name, value in sent.items() if value != row[name]}
    if news:
        tx.update("tournaments", tournament.id, news)
        told = {"tournament_id": tournament.id, "by": caller.device, "fields": sorted(news)}
        tx.append("tournament_updated", f"tournament:{tournament.id}", told)
        recalculate(tx, tournament.id)
    return load_tournament(tx, tournament.id)


def change_match(tx: Tx, caller: Caller, match_id: str, patch: MatchPatch) -> None:
    """Only the fields sent. Raises Refused 404, 412, or 422 for an event of other teams."""
    row = tx.one("SELECT * FROM matches WHERE id = ?", (match_id,))
    if row is None:
        raise not_found("match", match_id)
    check_rev(caller, "match", row["rev"])
    sent = patch.model_dump(exclude_unset=True)
    if sent.get("event_id") is not None:
        _require_event(tx, row, sent["event_id"])
    news = {name: int(value) if isinstance(value, bool) else value for name, value in sent.items()}
    news = {name: value for name, value in news.items() if value != row[name]}
    if news:
        tx.update("matches", match_id, news)
        tell_matches(tx, row["tournament_id"], changed=[match_id])
        update_bracket(tx, row["tournament_id"])


def _require_event(tx: ReadTx, row: Row, event_id: str) -> None:
    event = mapping.find_event(tx, event_id)
    if event is None:
        raise invalid("event_id", "no such event", "unknown_reference")
    if {event["home_team_id"], event["away_team_id"]} != {row["home_team_id"], row["away_team_id"]}:
        raise invalid("event_id", "is an event of other teams", "unknown_reference")


def _check(
    tx: ReadTx, sport: str, rules: str, season: str | None, league_id: str | None, season_id: str | None
) -> None:
    try:
        load_rules(rules, season)
    except RulesError as error:
        name, _, detail = error.problems[0].partition(": ")
        raise invalid(name if name in ("rules", "season") else "rules", detail or name) from None
    league = None if league_id is None else mapping.find_league(tx, league_id)
    if league_id is not None and league is None:
        raise invalid("league_id", "no such league", "unknown_reference")
    if league is not None and league["sport"] != sport:
        raise invalid("league_id", f"is a league of another sport: {league['sport']}")
    found = None if season_id is None else mapping.find_season(tx, season_id)
    if season_id is not None and (found is None or found["league_id"] != league_id):
        raise invalid("season_id", "no such season of the tournament's league", "unknown_reference")


def _excluded(tx: ReadTx, given: Sequence[ExcludedIn], day: str) -> list[Mapping[str, Any]]:
    known = mapping.team_names(tx, [each.team_id for each in given])
    unknown = [each.team_id for each in given if each.team_id not in known]
    if unknown:
        raise invalid("excluded_teams", f"no such team: {', '.join(unknown)}", "unknown_reference")
    return [{"team_id": each.team_id, "mode": each.mode, "on": each.on or day} for each in given]
