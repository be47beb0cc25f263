"""Routes of updates: matches, a round, standings, knockouts, imports; executions and their reports.

Updates take X-Internal-Token alone. They are answered with 200 once the execution has ended, or with 202
after 20 s while it goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from appliance.cloud.objects.model import NoObject, Objects
from appliance.cloud.scoring.executions import store as executions
from appliance.cloud.scoring.executions.executor import Executor
from appliance.cloud.scoring.executions.facts import require
from appliance.cloud.scoring.executions.internal import Check, admitted
from appliance.cloud.scoring.executions.model import (
    BASE,
    CreateIn,
    Done,
    Execution,
    ExecutionDetail,
    ExecutionQuery,
    ImportQuery,
    Operation,
    Order,
    RunAgainIn,
    UpdateIn,
    done_resource,
)
from appliance.cloud.scoring.model import TournamentIn
from appliance.cloud.scoring.records.manage import ensure_tournament
from appliance.http.access import grant_of
from appliance.http.api import Ctx, RawRoute, Receive, Routes, Scope, Send
from appliance.http.replies import Reply, json_reply, send_reply
from appliance.http.requests import parse_body, parse_query, validate
from appliance.kernel.errors import invalid, not_found
from appliance.kernel.ids import new_uuid
from appliance.kernel.json import MAX_BODY_BYTES
from appliance.kernel.operation import Answer, Caller
from appliance.kernel.store import Store
from appliance.kernel.tx import Row, Tx

IMPORT_BYTES: Final = 4 * 1024 * 1024
ONE: Final = f"{BASE}/tournaments/{{tournament_id}}"
_INTERNAL: Final = Caller("internal", role="internal")
_BY_TOKEN: Final = (b"vary", b"authorization, x-internal-token")  # a browser may be used with several tokens


@dataclass(frozen=True, slots=True)
class Updates:
    """The handlers, over the executor."""

    executor: Executor
    check: Check

    def routes(self) -> Routes:
        def update(method: str, path: str, operation: Operation, summary: str) -> RawRoute:
            return RawRoute(
                method,
                f"{ONE}{path}",
                partial(self.update, operation),
                summary,
                body=CreateIn if operation == "create" else UpdateIn,
                returns=Done,
                also=((202, "In progress: poll GET executions/{id}"),),
                admits_itself=True,
            )

        raw = [
            update(
                "POST", "/matches", "create", "Make the matches of a tournament, from its first provider."
            ),
            update("PATCH", "/matches", "matches", "Update the matches of all rounds."),
            update("PATCH", "/matches/{round}", "round", "Update the matches of one round."),
            update("PATCH", "/standings", "standings", "Compute the tables again."),
            update("PATCH", "/knockouts", "knockouts", "Draw the bracket again."),
            RawRoute(
                "POST",
                f"{ONE}/import",
                self.import_file,
                "Load a season file; makes the tournament and its teams.",
                query=ImportQuery,
                takes="application/octet-stream",
                returns=Done,
                also=((202, "In progress: poll GET executions/{id}"),),
                admits_itself=True,
            ),
        ]
        return Routes("data provider", raw=raw)

    async def update(
        self, operation: Operation, scope: Scope, receive: Receive, send: Send, given: dict[str, str]
    ) -> None:
        """Raises Refused: 404 for an unknown tournament or round, 422 naming a field."""
        request = await admitted(self.check, scope, receive, send, MAX_BODY_BYTES)
        if request is None:
            return
        tournament_id, round_slug = given["tournament_id"], given.get("round", "")
        text = b"" if request[1].strip() == b"null" else request[1]
        model = CreateIn if operation == "create" else UpdateIn
        body = parse_body(request[0], text, model, optional=True) or model()
        _require_same("tournamentId", body.tournamentId, tournament_id)
        _require_same("roundSlug", body.roundSlug, round_slug or None)
        store = self.executor.tools.store
        await store.read(partial(require, tournament_id=tournament_id, round_slug=round_slug))
        rounds = list(body.rounds) if isinstance(body, CreateIn) else []
        order = Order(operation, tournament_id, round_slug, {"rounds": rounds} if rounds else {})
        await self._execute(order, send)

    async def import_file(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        """Raises Refused: 413, 422 naming a parameter, 410 for a tournament that was deleted."""
        query = parse_query(scope["query_string"], ImportQuery)
        request = await admitted(self.check, scope, receive, send, IMPORT_BYTES)
        if request is None:
            return
        if not request[1].strip():
            raise invalid("body", "is empty: send a season file, JSON or Football.TXT")
        tournament = _tournament_of(given["tournament_id"], query)
        key = f"raw/imports/{new_uuid()}.{query.provider}"
        await self.executor.tools.objects.create(key, request[1])

        def ensure(tx: Tx) -> None:
            ensure_tournament(tx, _INTERNAL, tournament)

        await self.executor.tools.store.write(ensure)
        order = Order("import", given["tournament_id"], "", {"provider": query.provider, "key": key})
        await self._execute(order, send)

    async def _execute(self, order: Order, send: Send) -> None:
        request_id = str(getattr(send, "request_id", ""))
        row = await self.executor.execute(order, request_id=request_id, created_by=_INTERNAL.device)
        await send_reply(send, done_reply(row))


def done_reply(row: Row) -> Reply:
    """200 also for an execution that has failed: it has ended, and its status is `failed`. A header
    warns where a part has failed."""
    status = 202 if row["status"] == "in_progress" else 200
    warns = bool(row["failures"]) or row["status"] == "failed"
    headers = ((b"warning", b'199 - "some rounds were not updated"'),) if warns else ()
    return json_reply(status, done_resource(row), *headers)


def _require_same(name: str, sent: str | None, own: str | None) -> None:
    if sent is not None and sent != own:
        raise invalid(name, "is not the one of the address")


def _tournament_of(tournament_id: str, query: ImportQuery) -> TournamentIn:
    """As it is made when it is not there. Raises Refused 422."""
    given: dict[str, Any] = {"id": tournament_id, "name": query.name or tournament_id}
    for name in ("rules", "season", "timezone"):
        if (value := getattr(query, name)) is not None:
            given[name] = value
    return validate(TournamentIn, given)


def execution_routes(executor: Executor) -> Routes:
    """Of people: executions, and one run again."""
    routes = Routes("executions")
    base_url = executor.tools.base_url

    @routes.get(f"{BASE}/executions", query=ExecutionQuery, items=Execution)
    async def listing(ctx: Ctx, query: ExecutionQuery) -> Answer:
        """List executions, newest first; with the token of a league those of its tournaments."""
        read = partial(executions.list_executions, query=query, caller=ctx.caller, base_url=base_url())
        return Answer(200, await ctx.read(read))

    @routes.get(f"{BASE}/executions/{{execution_id}}", returns=ExecutionDetail)
    async def one(ctx: Ctx, execution_id: str) -> Answer:
        """One execution with its rounds."""
        read = partial(executions.get_execution, execution_id=execution_id, caller=ctx.caller)
        return Answer(200, await ctx.read(partial(read, base_url=base_url())))

    @routes.post(
        f"{BASE}/executions/{{execution_id}}/run",
        body=RunAgainIn,
        body_optional=True,
        returns=Done,
        also=(202,),
    )
    async def run_again(ctx: Ctx, execution_id: str, body: RunAgainIn | None = None) -> Answer:
        """Run an execution again: from its provider, or from the answers that it has kept."""
        from_raw = body is not None and body.source == "raw"
        read = partial(executions.order_again, execution_id=execution_id, caller=ctx.caller)
        order = await ctx.read(partial(read, from_raw=from_raw))
        row = await executor.execute(order, created_by=ctx.caller.device)
        return Answer(202 if row["status"] == "in_progress" else 200, done_resource(row))

    return routes


def report_routes(store: Store, objects: Objects) -> Routes:
    """Reports as they were stored, to those who see the execution."""

    async def report(scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        name, dot, kind = given["report"].rpartition(".")
        media_type = {"json": b"application/json", "md": b"text/markdown; charset=utf-8"}.get(kind)
        if not dot or media_type is None:
            raise not_found("report", given["report"])
        grant = grant_of(scope)
        caller = Caller() if grant is None else Caller(grant.name, role=grant.role, scopes=grant.scopes)
        row = await store.read(partial(executions.find_own, execution_id=name, caller=caller))
        if row is None or row["report_key"] is None:
            raise not_found("report", given["report"])
        try:
            body = await objects.read(f"{row['report_key']}.{kind}")
        except NoObject:
            raise not_found("report", given["report"]) from None
        kept = ((b"cache-control", b"private, max-age=31536000, immutable"), _BY_TOKEN)
        await send_reply(send, Reply(200, body, media_type, kept))

    path = f"{BASE}/reports/{{report}}"
    raw = [RawRoute("GET", path, report, "A report: {id}.json, or {id}.md for people.")]
    return Routes("reports", raw=raw)
