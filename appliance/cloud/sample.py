"""Sample data of the demo: a league in the middle of a season, whose events are logged. Made once for each
state folder."""

from __future__ import annotations

from itertools import combinations
from typing import Any, Final

from appliance.cloud.breakdowns.catalog import store as catalog
from appliance.cloud.breakdowns.catalog.kinds import KINDS as CATALOG
from appliance.cloud.breakdowns.sources import store as sources
from appliance.cloud.breakdowns.sources.model import Judgement, VodAvailable
from appliance.cloud.competitions import store
from appliance.cloud.competitions.kinds import KINDS
from appliance.kernel.clock import DAY_US, HOUR_US, to_rfc3339
from appliance.kernel.operation import Caller
from appliance.kernel.tx import Tx

LEAGUE: Final = "Demo League"
TEAMS: Final = ("Rovers", "United", "Wanderers", "Athletic")
VIDEO: Final = "https://video.example/game.m3u8"
SITE: Final = "demo"  # of `appliance demo`: a box that is linked shows the events
_PLAYERS: Final = 11
_CALLER: Final = Caller(device="demo")


def make_sample(tx: Tx) -> bool:
    """Make a league, its season, four teams with players, and an event of each pair of teams; half of the
    events are over. False when there is a league already."""
    if tx.value("SELECT 1 FROM leagues LIMIT 1") is not None:
        return False
    today_us = tx.now_us - tx.now_us % DAY_US
    days = [to_rfc3339(today_us + offset * DAY_US)[:10] for offset in (-90, 180)]
    league_id = _make(tx, "league", name=LEAGUE, sport="football", timezone="Europe/Madrid")
    season_id = _make(
        tx, "season", league_id=league_id, name="This season", starts_on=days[0], ends_on=days[1]
    )
    team_ids = [
        _make(tx, "team", league_id=league_id, name=name, short_name=name[:3].upper()) for name in TEAMS
    ]
    for team_id, name in zip(team_ids, TEAMS, strict=True):
        _make(tx, "association", season_id=season_id, team_id=team_id)
        for number in range(1, _PLAYERS + 1):
            _make(tx, "athlete", team_id=team_id, name=f"{name} player {number}", number=str(number))
    pairs = list(combinations(team_ids, 2))
    for at, (home, away) in enumerate(pairs):
        kickoff_us = today_us + (at - len(pairs) // 2) * 7 * DAY_US + 19 * HOUR_US
        teams = {"home_team_id": home, "away_team_id": away}
        _make(tx, "event", season_id=season_id, kickoff=to_rfc3339(kickoff_us), site_id=SITE, **teams)
    _make_logging(tx, league_id, team_ids[0])
    return True


def _make_logging(tx: Tx, league_id: str, team_id: str) -> None:
    """The league's events are logged, one team's completely; an office, three loggers of whom one is at
    work, and a job for each event that is over."""
    basic = _enter(tx, "breakdown_type", name="Basic", rank=1, fields=["goal", "card"])
    hours = {"target_s": 8 * 3600, "due_s": 12 * 3600}
    fields = ["goal", "card", "shot", "pass", "foul"]
    complete = _enter(tx, "breakdown_type", name="Complete", rank=5, fields=fields, **hours)
    _enter(tx, "rule", league_id=league_id, breakdown_type_id=basic)
    _enter(tx, "rule", league_id=league_id, team_id=team_id, breakdown_type_id=complete)
    office_id = _enter(tx, "office", name="Demo office", capacity=2)
    skills = {"sports": ["football"], "breakdown_type_ids": [basic, complete]}
    for number in range(1, 4):
        person = {"name": f"Logger {number}", "is_available": number == 1, **skills}
        _enter(tx, "logger", office_id=office_id, **person)
    over = "SELECT id FROM events WHERE kickoff_us < ? ORDER BY kickoff_us NULLS LAST, id"
    for row in tx.all(over, (tx.now_us,)):
        body = VodAvailable(id=f"demo-{row['id']}", event_id=row["id"], url=VIDEO)
        source_id = sources.notice(tx, body).resource["id"]
        sources.accept(tx, _CALLER, source_id, Judgement(reason="sample data"))


def _enter(tx: Tx, what: str, **fields: Any) -> str:
    kind = CATALOG[what]
    return str(catalog.create(tx, _CALLER, kind, kind.takes.model_validate(fields)).resource["id"])


def _make(tx: Tx, what: str, **fields: Any) -> str:
    kind = KINDS[what]
    return str(store.create(tx, _CALLER, kind, kind.takes.model_validate(fields)).resource["id"])
