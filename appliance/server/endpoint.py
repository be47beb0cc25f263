"""One ordinary route, from a parsed request to a complete reply: the conventions, in one place.

Owns: the order of the steps (caller, query, body, handler, answer). Must not know: Quart, sockets. Called by
Quart's routes and, for hot routes, directly by the dispatcher.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from appliance.http.api import Ctx, Route
from appliance.http.caller import caller_of
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
