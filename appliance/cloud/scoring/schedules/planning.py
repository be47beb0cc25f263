"""Schedules as rows: what a day needs, made once.

Owns: that the same (what, tournament, round, minute) is one row, however often it is asked for; and that
there is always one daily run to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from appliance.cloud.scoring.schedules.model import FUNCTIONS, GROUPS
from appliance.cloud.scoring.schedules.plan import Fixture, Schedule, Times, cron, free_id, plan_day
from appliance.cloud.scoring.schedules.settings import SchedulerSettings
from appliance.kernel.clock import DAY_US
from appliance.kernel.tx import ReadTx, Row, Tx

DAILY: Final = "daily_routine"
MINUTE_US: Final = 60_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """Of the service: which environment it is, and when rounds are asked for."""

    environment: str
    scheduler: SchedulerSettings

    @property
    def times(self) -> Times:
        return self.scheduler.times(self.environment)


def fixtures_of(tx: ReadTx, tournament_id: str | None) -> tuple[list[Fixture], dict[str, str]]:
    """Matches without a result, and the names of their tournaments by id."""
    where, values = ("AND t.id = ?", (tournament_id,)) if tournament_id else ("", ())
    rows = tx.all(
        "SELECT m.tournament_id, m.slug, m.kind, m.status, m.day, m.kickoff_us, t.name FROM matches m"
        " JOIN tournaments t ON t.id = m.tournament_id"
        f" WHERE m.status <> 'ended' AND t.deleted_us IS NULL {where} ORDER BY m.id",
        values,
    )
    fixtures = [
        Fixture(row["tournament_id"], row["slug"], row["kind"], row["status"], row["day"], row["kickoff_us"])
        for row in rows
    ]
    return fixtures, {row["tournament_id"]: row["name"] for row in rows}


def plan_rows(tx: Tx, setting: Setting, tournament_id: str | None = None) -> list[Row]:
    """Make the schedules of today; those that are there already are returned as they are."""
    fixtures, names = fixtures_of(tx, tournament_id)
    planned = plan_day(
        fixtures,
        names,
        tx.now_us,
        setting.times,
        base_url="",
        environment=setting.environment,
        taken=_taken(tx, names),
    )
    return [_kept(tx, setting, each) for each in planned]


def planned_from(tx: ReadTx, setting: Setting, at_us: int) -> Sequence[Schedule]:
    """What the daily run at that time would make, by the matches as they are now."""
    fixtures, names = fixtures_of(tx, None)
    times, environment = setting.times, setting.environment
    return plan_day(fixtures, names, at_us, times, base_url="", environment=environment)


def make_one(
    tx: Tx, setting: Setting, what: str, tournament: tuple[str, str], round_slug: str, is_knockout: bool
) -> Row:
    """A schedule for one round, or for the bracket, on request: in the demo after its delay, else now.
    `tournament`: id and name."""
    tournament_id, name = tournament
    fire_us = tx.now_us + (setting.times.test_delay_min or 0) * MINUTE_US
    fire_us += -fire_us % MINUTE_US
    schedule_id = free_id(name, fire_us, round_slug, what, _taken(tx, {tournament_id: name}))
    own = Schedule(schedule_id, "scores", tournament_id, round_slug, fire_us, cron(fire_us), {})
    return _kept(tx, setting, own, what=what, is_knockout=is_knockout)


def _taken(tx: ReadTx, names: dict[str, str]) -> frozenset[str]:
    """Ids are unique over all tournaments: two may have one name."""
    if not names:
        return frozenset()
    rows = tx.all("SELECT id FROM schedules WHERE fire_us >= ?", (tx.now_us - DAY_US,))
    return frozenset(row["id"] for row in rows)


def _kept(
    tx: Tx, setting: Setting, own: Schedule, *, what: str | None = None, is_knockout: bool | None = None
) -> Row:
    """The row of the same (what, tournament, round, minute); of one that is to run now, also a row that waits
    and will run no later; else a new one."""
    kind = what or own.what
    where = "tournament_id = ? AND round = ? AND what = ? AND environment = ?"
    values = own.tournament_id, own.round, kind, setting.environment
    same = tx.one(f"SELECT * FROM schedules WHERE {where} AND fire_us = ?", (*values, own.fire_us))
    soon_us = tx.now_us + (1 + (setting.times.test_delay_min or 0)) * MINUTE_US
    if same is None and own.fire_us <= soon_us:
        waits = "status = 'scheduled' AND due_us <= ? ORDER BY due_us, id LIMIT 1"
        same = tx.one(f"SELECT * FROM schedules WHERE {where} AND {waits}", (*values, own.fire_us))
    if same is not None:
        return same
    is_cup = is_knockout if is_knockout is not None else "knockoutsUrl" in own.target
    return _insert(tx, setting, own.id, kind, own.tournament_id, own.round, own.fire_us, is_knockout=is_cup)


def _insert(
    tx: Tx,
    setting: Setting,
    schedule_id: str,
    what: str,
    tournament_id: str,
    round_slug: str,
    fire_us: int,
    *,
    is_knockout: bool = False,
) -> Row:
    row: dict[str, Any] = {
        "id": schedule_id,
        "group_name": GROUPS[what],
        "function": FUNCTIONS[what],
        "what": what,
        "environment": setting.environment,
        "tournament_id": tournament_id,
        "round": round_slug,
        "is_knockout": int(is_knockout),
        "fire_us": fire_us,
        "cron": cron(fire_us),
        "status": "scheduled",
        "due_us": fire_us,
        "runs": 0,
        "attempts": 0,
        "created_us": tx.now_us,
        "updated_us": tx.now_us,
    }
    tx.create("schedules", row)
    journal(tx, schedule_id)
    return get_schedule(tx, schedule_id)


def ensure_daily(tx: Tx, setting: Setting) -> None:
    """There is one daily run to come; the very first one is of today, and so runs at once."""
    sql = "SELECT 1 FROM schedules WHERE what = 'daily' AND environment = ? AND status = 'scheduled'"
    if tx.value(sql, (setting.environment,)) is not None:
        return
    minute_us = setting.scheduler.daily_minute * MINUTE_US
    fire_us = tx.now_us - tx.now_us % DAY_US + minute_us
    known = "SELECT 1 FROM schedules WHERE what = 'daily' AND environment = ? LIMIT 1"
    if fire_us <= tx.now_us and tx.value(known, (setting.environment,)) is not None:
        fire_us += DAY_US
    used = frozenset(row["id"] for row in tx.all("SELECT id FROM schedules WHERE what = 'daily'"))
    schedule_id = free_id(DAILY, fire_us, setting.environment, "daily", used)
    _insert(tx, setting, schedule_id, "daily", "", "", fire_us)


def get_schedule(tx: ReadTx, schedule_id: str) -> Row:
    row = tx.one("SELECT * FROM schedules WHERE id = ?", (schedule_id,))
    assert row is not None
    return row


def journal(tx: Tx, schedule_id: str) -> None:
    """Append the change, which wakes the schedulers of every process."""
    row = get_schedule(tx, schedule_id)
    body = {"id": schedule_id, "status": row["status"], "due_us": row["due_us"]}
    tx.append("schedule_changed", f"schedule:{schedule_id}", {"schedule": body})
