"""A league with two teams, and what a site's box has of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from appliance.cloud.competitions import store as competitions
from appliance.cloud.competitions.kinds import KINDS
from appliance.cloud.fleet.changes.feed import read_changes, read_snapshot
from appliance.kernel.clock import DAY_US, to_rfc3339
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx

ADMIN = Caller("test", role="admin")
SITE, OTHER = "north", "south"


def make(tx: Tx, what: str, **fields: Any) -> str:
    kind = KINDS[what]
    return str(competitions.create(tx, ADMIN, kind, kind.takes.model_validate(fields)).resource["id"])


def change(tx: Tx, what: str, row_id: str, **fields: Any) -> None:
    kind = KINDS[what]
    competitions.change(tx, ADMIN, kind, row_id, kind.patch.model_validate(fields))


def remove(tx: Tx, what: str, row_id: str) -> None:
    competitions.remove(tx, ADMIN, KINDS[what], row_id)


@dataclass(frozen=True)
class League:
    season_id: str
    league_id: str
    home: str
    away: str


def add_league(tx: Tx) -> League:
    league_id = make(tx, "league", name="League", sport="football")
    season_id = make(tx, "season", league_id=league_id, name="2026-27")
    home, away = (make(tx, "team", league_id=league_id, name=name) for name in ("Rovers", "United"))
    make(tx, "athlete", team_id=home, name="Ana", number="7")
    return League(season_id, league_id, home, away)


def add_event(tx: Tx, league: League, *, days: float = 1, site_id: str | None = SITE) -> str:
    """An event so many days from now; its id."""
    teams = {"home_team_id": league.home, "away_team_id": league.away}
    kickoff = to_rfc3339(tx.now_us + round(days * DAY_US))
    return make(tx, "event", season_id=league.season_id, kickoff=kickoff, site_id=site_id, **teams)


async def since(store: Store, cursor: str, site_id: str = SITE) -> tuple[list[dict[str, Any]], str]:
    """Every change since the cursor, page by page, and the cursor afterwards."""
    changes: list[dict[str, Any]] = []
    more = True
    while more:
        page = await store.read(partial(read_changes, site_id=site_id, cursor=cursor))
        changes, cursor, more = [*changes, *page["changes"]], page["cursor"], page["more"]
    return changes, cursor


async def everything(store: Store, site_id: str = SITE) -> tuple[dict[tuple[str, str], Any], str]:
    """What the site has by a snapshot, by kind and id, and its cursor."""
    page = await store.read(lambda tx: read_snapshot(tx, site_id, None))
    cursor, rows = page["cursor"], list(page["changes"])
    while page["next"] is not None:
        page = await store.read(partial(read_snapshot, site_id=site_id, page=page["next"]))
        rows += page["changes"]
    return {(row["kind"], row["id"]): row["resource"] for row in rows}, cursor


def keys(changes: list[dict[str, Any]]) -> list[tuple[str, str, bool]]:
    """(kind, id, whether it is there) of each change."""
    return [(each["kind"], each["id"], each["resource"] is not None) for each in changes]
