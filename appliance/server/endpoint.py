"""Serving one route: the steps that all ordinary routes share, and ending a download when access ends.

Owns: the order of the steps (caller, query, body, handler, answer), and that a download or a waiting request
ends at once when its device is revoked or has another role. Must not know: Quart, roles, tokens. Called by
Quart's routes and directly by the dispatcher. Requests with a body are answered within a moment: they are not
watched.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import trio

from appliance.http.access import Door, Grant
from appliance.http.api import Ctx, Receive, Route, Scope, Send
from appliance.http.caller import caller_of
from appliance.http.outgoing import Outgoing
from appliance.http.passthrough import wire_of
from appliance.http.replies import Reply, answer_reply, problem_reply
from appliance.http.requests import Empty, Request, parse_body, parse_query
from appliance.kernel.clock import Clock
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.store import Store


@dataclass(frozen=True, slots=True)
class Backend:
    """What every handler's context contains."""

    store: Store
    clock: Clock


async def serve_route(
    route: Route, backend: Backend, request: Request, parameters: Mapping[str, str]
) -> Reply:
    """The reply, also for an error answer. Unexpected errors pass through to the border."""
    try:
        ctx = Ctx(backend.store, backend.clock, caller_of(request, route.do, parameters))
        answer = await route.handler(ctx, **_arguments(route, request, parameters))
    except (Refused, Unavailable) as error:
        return problem_reply(error)
    return answer_reply(answer, request.path, request.query_string)


def _arguments(route: Route, request: Request, parameters: Mapping[str, str]) -> dict[str, Any]:
    arguments: dict[str, Any] = dict(parameters)
    if route.query is not None:
        arguments["query"] = parse_query(request.query_string, route.query)
    elif request.query_string:
        parse_query(request.query_string, Empty)
    if route.body is not None:
        arguments["body"] = parse_body(
            request.headers, request.body, route.body, optional=route.body_optional
        )
    elif request.body:
        parse_body(request.headers, request.body, None)
    return arguments


Handler = Callable[[Scope, Receive, Send, dict[str, str]], Awaitable[None]]


async def serve_admitted(
    door: Door,
    grant: Grant,
    handler: Handler,
    scope: Scope,
    receive: Receive,
    out: Outgoing,
    given: dict[str, str],
) -> None:
    """Call `handler`. Raises Refused 401 if the access ends before it has answered; a body that has begun
    stays unfinished, and its connection is closed."""
    running = trio.CancelScope()

    def close(code: int, reason: str) -> None:
        running.cancel(reason=reason)
        wire = wire_of(out, encrypted=True) if out.started and not out.ended else None
        if wire is not None:
            wire.socket.close()  # a client that does not read would hold a cancelled send for minutes

    with running, door.watching(grant, close, shows_name=False):
        await handler(scope, receive, out, given)
    if running.cancelled_caught and not out.started:
        raise Refused(
            401, "not_paired", "this device's access has changed meanwhile", "load the page, or pair it again"
        )
