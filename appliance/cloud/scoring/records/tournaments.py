"""Tournaments: rows, and what of them the engine needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from appliance.cloud.scoring.rules.model import RuleSet
from appliance.cloud.scoring.rules.reader import load_rules
from appliance.cloud.scoring.tables.model import Curtailed, Excluded, Phase
from appliance.kernel import json
from appliance.kernel.rows import load_row
from appliance.kernel.tx import ReadTx, Row


@dataclass(frozen=True, slots=True)
class Tournament:
    """A row, read. `providers`: each provider's reference of it. `rev`: that of the row."""

    id: str
    name: str
    season: str | None
    sport: str
    timezone: str
    rules_name: str
    league_id: str | None
    season_id: str | None
    mode: str | None
    providers: Mapping[str, str]
    curtailed: Curtailed | None
    excluded: Sequence[Excluded]
    listed: Mapping[Phase, Sequence[str]]
    rev: int

    @property
    def rules(self) -> RuleSet:
        return load_rules(self.rules_name, self.season)

    def day(self, now_us: int) -> str:
        """The day there."""
        return day_in(self.timezone, now_us)


def day_in(timezone: str, now_us: int) -> str:
    """YYYY-MM-DD there."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=now_us)
    return at.astimezone(ZoneInfo(timezone)).date().isoformat()


def load_tournament(tx: ReadTx, tournament_id: str) -> Tournament:
    """Raises Refused 404, or 410 for one that was deleted."""
    return read_tournament(load_row(tx, "tournament", tournament_id))


def all_tournaments(tx: ReadTx) -> list[Tournament]:
    """In the order in which they were made."""
    rows = tx.all("SELECT * FROM tournaments WHERE deleted_us IS NULL ORDER BY created_us, id")
    return [read_tournament(row) for row in rows]


def read_tournament(row: Row) -> Tournament:
    curtailed = json.decode_stored(row["curtailed"]) if row["curtailed"] else None
    excluded, listed = json.decode_stored(row["excluded"]), json.decode_stored(row["listed"])
    return Tournament(
        row["id"],
        row["name"],
        row["season"],
        row["sport"],
        row["timezone"],
        row["rules"],
        row["league_id"],
        row["season_id"],
        row["mode"],
        json.decode_stored(row["providers"]),
        None if curtailed is None else Curtailed(curtailed["method"], curtailed["on"]),
        tuple(Excluded(each["team_id"], each["mode"], each["on"]) for each in excluded),
        {(each["stage"], each["group"]): tuple(each["teams"]) for each in listed},
        row["rev"],
    )


def encoded(value: Any) -> str:
    return json.encode(value).decode()
