"""The ordinary routes on quart-trio.

Owns: all use of Quart. The dispatcher finds the route, not Quart: Quart's own router leaves a reference cycle
behind with every request (its matching function refers to itself), and more with every 404 and 405 (an
exception and the request refer to each other), and the garbage collector visits old objects only rarely
(kernel/interpreter.py). Errors pass through to the dispatcher, which catches them.
"""

from __future__ import annotations

from typing import Any, cast

from quart import Response
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from appliance.http.api import Route, Scope
from appliance.http.replies import Reply, problem_reply
from appliance.http.requests import Request
from appliance.kernel.errors import Refused
from appliance.server.endpoint import Backend, serve_route

_FOUND_KEY = "appliance.found"  # in the ASGI scope: the route, its parameters, the parsed request


def set_route(scope: Scope, route: Route, parameters: dict[str, str], request: Request) -> None:
    """Store in the scope which route Quart is to serve."""
    scope[_FOUND_KEY] = (route, parameters, request)


class OrdinaryRoutes(QuartTrio):
    """Serves the route that `set_route` stored in the scope."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(import_name="appliance", static_folder=None, template_folder=None)
        self._backend = backend
        self.config.update(
            PROPAGATE_EXCEPTIONS=True, RESPONSE_TIMEOUT=None, BODY_TIMEOUT=None, MAX_CONTENT_LENGTH=None
        )
        self.register_error_handler(HTTPException, _no)

    def create_url_adapter(self, request: Any) -> None:
        """None: Quart's router is not used."""
        return

    async def dispatch_request(self, request_context: Any = None) -> Response:
        """Call the route that `set_route` stored. Quart's hooks run around it as usual."""
        route, parameters, request = cast(Any, request_context.request.scope)[_FOUND_KEY]
        return _response(await serve_route(route, self._backend, request, parameters))


async def _no(error: HTTPException) -> Response:
    """The answer to an HTTP error that Quart raises itself."""
    return _response(
        problem_reply(Refused(error.code or 400, "bad_request", error.description or error.name))
    )


def _response(reply: Reply) -> Response:
    response = Response(reply.body, reply.status, content_type=reply.media_type.decode("ascii"))
    for name, value in reply.headers:
        response.headers[name.decode("ascii")] = value.decode("latin-1")
    return response
