"""The score that a stadium's box observes: shown during the match, and compared with a provider's at its end.

A box speaks of events of its own site. Its score never changes what a provider says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from appliance.cloud.competitions import mapping
from appliance.cloud.scoring.match import Pair, pitch_result
from appliance.cloud.scoring.records.columns import as_match
from appliance.cloud.scoring.records.discrepancies import SITE, note
from appliance.cloud.scoring.records.news import tell_matches
from appliance.kernel import json
from appliance.kernel.clock import DAY_US, to_rfc3339
from appliance.kernel.tx import ReadTx, Row, Tx

SCORE_OBSERVED: Final = "score_observed"
_GOALS_MAX: Final = 999
_PERIOD_MAX: Final = 99


def score_observed(tx: Tx, site_id: str, session_id: str, data: Mapping[str, Any]) -> str | None:
    """Keep the score for the match that the session films; its id, or None: it films no match of a
    tournament, or the event's content is not understood."""
    score, event_id = _score(data), _event_of(tx, site_id, session_id)
    event = None if event_id is None else mapping.find_event(tx, event_id)
    if score is None or event is None or event["site_id"] != site_id:
        return None
    match = tx.one("SELECT * FROM matches WHERE event_id = ?", (event["id"],)) or _link(tx, event)
    if match is None:
        return None
    row = {"site_id": site_id, "home": score[0], "away": score[1], "period": _period(data)}
    known = tx.one("SELECT * FROM observed_scores WHERE match_id = ?", (match["id"],))
    if known is None or any(known[name] != value for name, value in row.items()):
        tx.run("DELETE FROM observed_scores WHERE match_id = ?", (match["id"],))
        tx.insert("observed_scores", {"match_id": match["id"], **row, "observed_us": tx.now_us})
        tx.update("matches", match["id"], {})  # its revision: readers have an older one
        tell_matches(tx, match["tournament_id"], changed=[match["id"]])
    compare_observed(tx, match["tournament_id"], [match["id"]])
    return str(match["id"])


def compare_observed(tx: Tx, tournament_id: str, match_ids: Sequence[str]) -> None:
    """Of these matches those that have ended: a box's last score that differs is a discrepancy."""
    sql = (
        "SELECT m.*, o.site_id, o.home, o.away FROM observed_scores o JOIN matches m ON m.id = o.match_id"
        " WHERE m.tournament_id = ? AND m.status = 'ended'"
    )
    wanted = set(match_ids)
    for row in tx.all(sql, (tournament_id,)) if wanted else ():
        goals = pitch_result(as_match(row))
        if row["id"] in wanted and goals is not None:
            counting, other = (row["source"], _text(goals)), f"{SITE}{row['site_id']}"
            note(tx, tournament_id, row["id"], counting, (other, _text((row["home"], row["away"]))))


def _text(goals: Pair) -> str:
    return f"{goals[0]}-{goals[1]}"


def _score(data: Mapping[str, Any]) -> Pair | None:
    score = data.get("score")
    home, away = (score.get("home"), score.get("away")) if isinstance(score, Mapping) else (None, None)
    if type(home) is not int or type(away) is not int:
        return None
    return (home, away) if min(home, away) >= 0 and max(home, away) <= _GOALS_MAX else None


def _period(data: Mapping[str, Any]) -> int | None:
    period = data["score"].get("period")
    return period if type(period) is int and 1 <= period <= _PERIOD_MAX else None


def _event_of(tx: ReadTx, site_id: str, session_id: str) -> str | None:
    """The event that a session of this site films."""
    sql = "SELECT resource FROM site_resources WHERE site_id = ? AND kind = 'session' AND id = ?"
    resource = tx.value(sql, (site_id, session_id))
    event_id = None if resource is None else json.decode_stored(resource).get("event_id")
    return event_id if isinstance(event_id, str) else None


def _link(tx: Tx, event: Row) -> Row | None:
    """The one match of the event's teams on its day, a day before or after: it is that event's from now
    on."""
    if event["kickoff_us"] is None:
        return None
    days = [to_rfc3339(event["kickoff_us"] + offset * DAY_US)[:10] for offset in (-1, 0, 1)]
    rows = tx.all(
        "SELECT * FROM matches WHERE home_team_id = ? AND away_team_id = ? AND event_id IS NULL"
        " AND day IN (?, ?, ?)",
        (event["home_team_id"], event["away_team_id"], *days),
    )
    return tx.updated("matches", rows[0], {"event_id": event["id"]}) if len(rows) == 1 else None
