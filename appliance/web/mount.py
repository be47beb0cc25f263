"""The ordinary routes on quart-trio.

Owns: everything Quart. Each route becomes one rule whose view is web/endpoint.py; Quart finds the rule,
answers OPTIONS, and says 404 and 405. Errors of ours pass through it to the dispatcher's border.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from appliance.kernel.errors import Refused
from appliance.web.api import RawRoute, Route
from appliance.web.endpoint import Backend, serve_route
from appliance.web.problems import method_not_allowed, no_such_path
from appliance.web.replies import Reply, problem_reply
from appliance.web.requests import Request

REQUEST_KEY = "appliance.request"  # where the dispatcher leaves the read request in the ASGI scope


def mount(routes: Iterable[Route], raw: Iterable[RawRoute], backend: Backend) -> QuartTrio:
    """A Quart app with every route. Raw routes are named too, so that 405 and OPTIONS know them."""
    app = QuartTrio("appliance", static_folder=None, template_folder=None)
    app.config.update(
        PROPAGATE_EXCEPTIONS=True, RESPONSE_TIMEOUT=None, BODY_TIMEOUT=None, MAX_CONTENT_LENGTH=None
    )
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    for at, route in enumerate(routes):
        app.add_url_rule(_rule(route.path), f"route{at}", _view(route, backend), methods=[route.method])
    for at, each in enumerate(raw):
        method = "GET" if each.method == "WS" else each.method
        app.add_url_rule(_rule(each.path), f"raw{at}", _only_raw(each), methods=[method])
    app.register_error_handler(HTTPException, _no)
    return app


def _rule(path: str) -> str:
    return path.replace("{", "<").replace("}", ">")


def _view(route: Route, backend: Backend) -> Callable[..., Awaitable[Response]]:
    async def view(**parameters: str) -> Response:
        read = cast(Request, cast(Any, request.scope)[REQUEST_KEY])
        return _response(await serve_route(route, backend, read, parameters))

    return view


def _only_raw(route: RawRoute) -> Callable[..., Awaitable[Response]]:
    """What is left for Quart of a path the dispatcher serves: a WebSocket's path asked without upgrade."""

    async def view(**_: str) -> Response:
        refusal = Refused(426, "upgrade_required", f"{route.path} is a WebSocket", "connect with ws://")
        response = _response(problem_reply(refusal))
        response.headers["Upgrade"] = "websocket"
        return response

    return view


async def _no(error: HTTPException) -> Response:
    """Quart's own refusals: no rule, or a rule for other methods."""
    path, method = request.path, request.method
    if isinstance(error, NotFound):
        return _response(problem_reply(no_such_path(path)))
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        return _response(problem_reply(method_not_allowed(method, allowed)))
    return _response(
        problem_reply(Refused(error.code or 400, "bad_request", error.description or error.name))
    )


def _response(reply: Reply) -> Response:
    response = Response(reply.body, reply.status, content_type=reply.media_type.decode("ascii"))
    for name, value in reply.headers:
        response.headers[name.decode("ascii")] = value.decode("latin-1")
    return response
