"""Routes of the scheduler: plan on request; schedules, and what runs within a day; runs of a caller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from appliance.cloud.scoring.executions.internal import HEADER, Check, refused
from appliance.cloud.scoring.public.owners import own_tournaments
from appliance.cloud.scoring.schedules.model import (
    NewSchedules,
    RunQuery,
    ScheduleList,
    ScheduleQuery,
    SchedulerIn,
    ScheduleRun,
    new_schedule,
    planned_run,
    run_resource,
    shown_schedule,
)
from appliance.cloud.scoring.schedules.planning import MINUTE_US, Setting, make_one, plan_rows, planned_from
from appliance.http.access import GRANT_KEY, Door
from appliance.http.api import Ctx, RawRoute, Receive, Routes, Scope, Send
from appliance.http.replies import json_reply, send_reply
from appliance.http.requests import header_map, parse_body, read_body
from appliance.kernel.clock import DAY_US
from appliance.kernel.errors import Refused, invalid, not_found
from appliance.kernel.operation import Answer, Caller
from appliance.kernel.paging import decode_cursor, encode_cursor
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Row, Tx

log = structlog.get_logger("scheduler")
BASE: Final = "/api/v2/data-provider"


@dataclass(frozen=True, slots=True)
class SchedulerDoor:
    """POST scheduler: by a caller with X-Internal-Token, or by people with a bearer."""

    store: Store
    setting: Setting
    base_url: Callable[[], str]
    check: Check
    door: Door

    def routes(self) -> Routes:
        own = RawRoute(
            "POST",
            f"{BASE}/scheduler",
            self.plan,
            "Make the schedules of today's matches, or of one round.",
            body=SchedulerIn,
            returns=NewSchedules,
            admits_itself=True,
        )
        return Routes("scheduler", raw=[own])

    async def plan(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        """Raises Refused: 403 for a role that may not, 404 for an unknown tournament, 422 naming a field."""
        headers = header_map(scope)
        if not self._admits(scope, headers):
            await send_reply(send, refused())
            return
        sent = await read_body(headers, receive)
        text = b"" if sent.strip() == b"null" else sent
        body = parse_body(headers, text, SchedulerIn, optional=True) or SchedulerIn()
        if body.targetEnv is not None and body.targetEnv != self.setting.environment:
            raise invalid("targetEnv", f"this service is {self.setting.environment}")
        rows = await self.store.write(partial(schedules_for, setting=self.setting, body=body))
        log.info("schedules_made", stage="schedule", kind=body.kind, schedules=len(rows))
        base_url = self.base_url()
        answer = {"schedules": [new_schedule(row, base_url) for row in rows]}
        await send_reply(send, json_reply(200, answer))

    def _admits(self, scope: Scope, headers: Any) -> bool:
        """False: a token that is wrong, or none where one is needed. Raises Refused 403 for another role."""
        if headers.get(HEADER):
            return self.check(headers)
        try:
            scope[GRANT_KEY] = self.door.admit(scope, headers, f"POST {BASE}/scheduler")
        except Refused as error:
            if error.status == 401:
                return False
            raise
        return True


def schedules_for(tx: Tx, setting: Setting, body: SchedulerIn) -> list[Row]:
    """The schedules that a request asks for. Raises Refused."""
    tournament = None
    if body.tournamentId is not None:
        sql = "SELECT id, name FROM tournaments WHERE id = ? AND deleted_us IS NULL"
        row = tx.one(sql, (body.tournamentId,))
        if row is None:
            raise not_found("tournament", body.tournamentId)
        tournament = row["id"], row["name"]
    if body.roundSlug is not None and tournament is None:
        raise invalid("tournamentId", "is required with roundSlug")
    if body.kind == "knockouts":
        if tournament is None:
            raise invalid("tournamentId", "is required for knockouts")
        return [make_one(tx, setting, "knockouts", tournament, body.roundSlug or "", True)]
    if tournament is None or body.roundSlug is None:
        return plan_rows(tx, setting, None if tournament is None else tournament[0])
    sql = "SELECT min(kind) FROM matches WHERE tournament_id = ? AND slug = ?"
    kind = tx.value(sql, (tournament[0], body.roundSlug))
    if kind is None:
        raise invalid("roundSlug", f"no such round in tournament {tournament[0]}", "unknown_reference")
    return [make_one(tx, setting, "scores", tournament, body.roundSlug, kind == "knockout")]


def schedule_routes(setting: Setting, base_url: Callable[[], str]) -> Routes:
    """Of people: what is scheduled, and what ran."""
    routes = Routes("schedules")

    @routes.get(f"{BASE}/schedules", query=ScheduleQuery, returns=ScheduleList)
    async def listing(ctx: Ctx, query: ScheduleQuery) -> Answer:
        """List schedules, the latest first, and what will run within a day."""
        read = partial(list_schedules, setting=setting, query=query, caller=ctx.caller)
        return Answer(200, await ctx.read(partial(read, base_url=base_url())))

    @routes.get(f"{BASE}/runs", query=RunQuery, items=ScheduleRun)
    async def runs(ctx: Ctx, query: RunQuery) -> Answer:
        """Runs of a caller, the latest first, with the lines of their log."""
        read = partial(list_runs, setting=setting, query=query, caller=ctx.caller)
        return Answer(200, await ctx.read(read))

    return routes


def list_schedules(
    tx: ReadTx, setting: Setting, query: ScheduleQuery, caller: Caller, base_url: str
) -> dict[str, Any]:
    """Of this environment alone, and of tournaments that the caller sees."""
    own = own_tournaments(caller, "tournament_id")
    filters = {"group_name": query.group, "status": query.status, "environment": setting.environment}
    page = _page(tx, "schedules", "fire_us", filters, own, query.limit, query.cursor)
    items = [shown_schedule(row, base_url) for row in page["rows"]]
    return {
        "items": items,
        "next_cursor": page["next_cursor"],
        "as_of_seq": tx.head(),
        "next24h": _next_day(tx, setting, query.group, caller),
    }


def _next_day(tx: ReadTx, setting: Setting, group: str | None, caller: Caller) -> list[dict[str, Any]]:
    """A dry run of the next 24 hours: rows that are there, and what the next daily run would make. It is
    planned over all tournaments, as the daily run does it, and then shown for those of the caller."""
    seen = _seen(tx, caller)
    until_us = tx.now_us + DAY_US
    rows = tx.all(
        "SELECT * FROM schedules WHERE status = 'scheduled' AND environment = ? AND due_us < ?"
        " ORDER BY due_us, id",
        (setting.environment, until_us),
    )
    shown = [
        {**_planned(row), "isScheduled": True}
        for row in rows
        if group in (None, row["group_name"]) and (seen is None or row["tournament_id"] in seen)
    ]
    known = {(row["tournament_id"], row["round"], row["fire_us"] // MINUTE_US) for row in rows}
    daily_us = min((row["due_us"] for row in rows if row["what"] == "daily"), default=None)
    for own in planned_from(tx, setting, max(daily_us, tx.now_us)) if daily_us is not None else ():
        is_new = (own.tournament_id, own.round, own.fire_us // MINUTE_US) not in known
        is_seen = seen is None or own.tournament_id in seen
        if is_new and is_seen and own.fire_us < until_us and group in (None, own.group):
            shown.append(planned_run(own))
    return sorted(shown, key=lambda each: (each["fireAt"], each["id"]))


def _seen(tx: ReadTx, caller: Caller) -> frozenset[str] | None:
    """The tournaments of a caller who does not see all; None: all, and what belongs to none."""
    for condition, values in own_tournaments(caller, "id"):
        rows = tx.all(f"SELECT id FROM tournaments WHERE {condition}", values)
        return frozenset(row["id"] for row in rows)
    return None


def _planned(row: Row) -> dict[str, Any]:
    shown = shown_schedule(row, "")
    names = ("id", "kind", "tournamentId", "roundSlug")
    return {"fireAt": shown["nextRun"], **{name: shown[name] for name in names}}


def list_runs(tx: ReadTx, setting: Setting, query: RunQuery, caller: Caller) -> dict[str, Any]:
    """Of this environment alone, and of tournaments that the caller sees."""
    own = [
        (f"schedule_id IN (SELECT id FROM schedules WHERE {condition})", values)
        for condition, values in own_tournaments(caller, "tournament_id")
    ]
    filters = {
        "function": query.function,
        "schedule_id": query.schedule,
        "environment": setting.environment,
    }
    page = _page(tx, "schedule_runs", "started_us", filters, own, query.limit, query.cursor)
    return {
        "items": [run_resource(row) for row in page["rows"]],
        "next_cursor": page["next_cursor"],
        "as_of_seq": tx.head(),
    }


def _page(
    tx: ReadTx,
    table: str,
    key: str,
    filters: dict[str, Any],
    own: Sequence[tuple[str, tuple[Any, ...]]],
    limit: int,
    cursor: str | None,
) -> dict[str, Any]:
    """The latest first. `own`: conditions of what the caller sees, with their values."""
    chosen = {column: value for column, value in filters.items() if value is not None}
    where, params = [f"{column} = ?" for column in chosen], list(chosen.values())
    for condition, values in own:
        where.append(condition)
        params += values
    if cursor is not None:
        where.append(f"({key}, id) < (?, ?)")
        params += decode_cursor(cursor)
    sql = f"SELECT * FROM {table} WHERE {' AND '.join(where)} ORDER BY {key} DESC, id DESC LIMIT ?"
    rows = tx.all(sql, (*params, limit + 1))
    shown = rows[:limit]
    more = encode_cursor(shown[-1][key], shown[-1]["id"]) if len(rows) > limit else None
    return {"rows": shown, "next_cursor": more}
