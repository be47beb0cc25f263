"""Sample data of the demo: a league in the middle of a season. Made once for each state folder."""

from __future__ import annotations

from itertools import combinations
from typing import Any, Final

from appliance.cloud.competitions import store
from appliance.cloud.competitions.kinds import KINDS
from appliance.kernel.clock import DAY_US, HOUR_US, to_rfc3339
from appliance.kernel.operation import Caller
from appliance.kernel.tx import Tx

LEAGUE: Final = "Demo League"
TEAMS: Final = ("Rovers", "United", "Wanderers", "Athletic")
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
        _make(tx, "event", season_id=season_id, kickoff=to_rfc3339(kickoff_us), **teams)
    return True


def _make(tx: Tx, what: str, **fields: Any) -> str:
    kind = KINDS[what]
    return str(store.create(tx, _CALLER, kind, kind.takes.model_validate(fields)).resource["id"])
