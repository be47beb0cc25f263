"""A league with two teams, a break-down type, an office with loggers; each part made in a transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from appliance.cloud.breakdowns.catalog import store as catalog
from appliance.cloud.breakdowns.catalog.kinds import KINDS as CATALOG
from appliance.cloud.breakdowns.marking.rows import marking_part
from appliance.cloud.breakdowns.queue.rows import open_job_of
from appliance.cloud.breakdowns.sources import store as sources
from appliance.cloud.breakdowns.sources.model import Judgement, VodAvailable
from appliance.cloud.competitions import store as competitions
from appliance.cloud.competitions.kinds import KINDS as COMPETITIONS
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Row, Tx

ADMIN = Caller("test", role="admin")
USABLE = Judgement(reason="looks good")
LEASE_S = 1800.0


def make(tx: Tx, what: str, **fields: Any) -> str:
    """The id of the new resource."""
    if what in CATALOG:
        kind = CATALOG[what]
        answer = catalog.create(tx, ADMIN, kind, kind.takes.model_validate(fields))
    else:
        other = COMPETITIONS[what]
        answer = competitions.create(tx, ADMIN, other, other.takes.model_validate(fields))
    return str(answer.resource["id"])


def change(tx: Tx, what: str, row_id: str, **fields: Any) -> None:
    if what in CATALOG:
        kind = CATALOG[what]
        catalog.change(tx, ADMIN, kind, row_id, kind.patch.model_validate(fields))
    else:
        other = COMPETITIONS[what]
        competitions.change(tx, ADMIN, other, row_id, other.patch.model_validate(fields))


@dataclass
class World:
    """Ids of what there is. `types`: by rank."""

    league: str
    season: str
    home: str
    away: str
    office: str
    sport: str = "football"
    types: dict[int, str] = field(default_factory=dict)
    notices: int = 0

    def type(self, tx: Tx, rank: int = 1, **fields: Any) -> str:
        if rank not in self.types:
            self.types[rank] = make(tx, "breakdown_type", name=f"rank {rank}", rank=rank, **fields)
        return self.types[rank]

    def associate(self, tx: Tx) -> None:
        for team in (self.home, self.away):
            make(tx, "association", season_id=self.season, team_id=team)

    def rule(self, tx: Tx, rank: int = 1, **fields: Any) -> str:
        return make(tx, "rule", league_id=self.league, breakdown_type_id=self.type(tx, rank), **fields)

    def event(self, tx: Tx, **fields: Any) -> str:
        own = {"season_id": self.season, "home_team_id": self.home, "away_team_id": self.away}
        return make(tx, "event", **{**own, **fields})

    def logger(self, tx: Tx, *, ranks: tuple[int, ...] = (1,), **fields: Any) -> str:
        types = [self.type(tx, rank) for rank in ranks]
        own = {"office_id": self.office, "name": "Ana", "sports": [self.sport], "breakdown_type_ids": types}
        return make(tx, "logger", **{**own, **fields})

    def source(self, tx: Tx, event_id: str) -> str:
        """A notice of a video."""
        self.notices += 1
        body = VodAvailable(
            id=f"notice-{event_id}-{self.notices}",
            event_id=event_id,
            url=f"https://vod.example/{self.notices}.m3u8",
        )
        return str(sources.notice(tx, body).resource["id"])

    def accept(self, tx: Tx, source_id: str) -> None:
        sources.accept(tx, ADMIN, source_id, USABLE)

    def job(self, tx: Tx) -> Row:
        """A waiting job of a new event."""
        event_id = self.event(tx)
        self.accept(tx, self.source(tx, event_id))
        job = open_job_of(tx, event_id)
        assert job is not None
        return job


def bare_world(tx: Tx, *, sport: str = "football", capacity: int = 100) -> World:
    """A league whose events are not logged: no association, no rule."""
    league = make(tx, "league", name="League", sport=sport)
    season = make(tx, "season", league_id=league, name="2026-27")
    home, away = (make(tx, "team", league_id=league, name=name) for name in ("Rovers", "United"))
    office = make(tx, "office", name="Office", capacity=capacity)
    return World(league, season, home, away, office, sport)


def logging_world(tx: Tx, **options: Any) -> World:
    """A league whose events are logged, as type 1."""
    world = bare_world(tx, **options)
    world.associate(tx)
    world.rule(tx)
    return world


async def marking(store: Store, event_id: str) -> dict[str, Any]:
    def read(tx: ReadTx) -> dict[str, Any]:
        part = marking_part(tx, event_id)
        assert part is not None
        return part

    return await store.read(read)


async def actions(store: Store, subject: str) -> list[str]:
    """What the audit has of a subject, oldest first."""
    sql = "SELECT action FROM logging_audit WHERE subject = ? ORDER BY created_us, id"
    return [row["action"] for row in await store.read(lambda tx: tx.all(sql, (subject,)))]
