"""The front of the web server: one ASGI application before everything else.

Owns: which of raw route, hot route, file or Quart serves a request; the check of access before a route reads
anything; reading bodies within limits; and two of the places that may catch every Exception: around one HTTP
request and around one WebSocket client. Must not know: any domain, or what a route does.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import structlog
import trio

from appliance.http.access import CLAIM_KEY, COOKIE_KEY, GRANT_KEY, RENEW_KEY, STRANGER, Door, Grant
from appliance.http.api import RawRoute, Receive, Route, Scope, Send
from appliance.http.caller import SAFE_METHODS
from appliance.http.limits import Seldom, ServerLimits, network_of
from appliance.http.outgoing import API_POLICY, COMMON, Outgoing
from appliance.http.problems import method_not_allowed, no_such_path, unexpected
from appliance.http.replies import Reply, document_reply, problem_reply, send_reply, wire_headers
from appliance.http.requests import ClientGone, Request, header_map, read_body
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.fields import is_loopback
from appliance.server.connections.priority import PAUSE_KEY
from appliance.server.connections.rates import Rates
from appliance.server.endpoint import Backend, serve_admitted, serve_route
from appliance.server.gate import Gate
from appliance.server.mount import set_route
from appliance.server.pages import Files

log = structlog.get_logger("web")

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
T = TypeVar("T", RawRoute, Route)

_DELAYED_LINES = Seldom()
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class Table(Generic[T]):
    """Routes by method and path; `find` returns the route and its path parameters."""

    def __init__(self, routes: Sequence[T]) -> None:
        self._by_method: dict[str, list[tuple[re.Pattern[str], T]]] = {}
        for route in sorted(routes, key=lambda each: each.path.count("{")):  # literal paths win
            entry = (path_pattern(route.path), route)
            for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
                self._by_method.setdefault(method, []).append(entry)

    def find(self, method: str, path: str) -> tuple[T, dict[str, str]] | None:
        for pattern, route in self._by_method.get(method, ()):
            match = pattern.fullmatch(path)
            if match is not None:
                return route, match.groupdict()
        return None

    def methods(self, path: str) -> set[str]:
        """The methods of a path."""
        return {method for method in self._by_method if self.find(method, path) is not None}


def path_pattern(path: str) -> re.Pattern[str]:
    """/clips/{clip_id}/stream as a pattern; a parameter is one path segment or a part of one."""
    parts = re.split(r"\{(\w+)\}", path)
    return re.compile(
        "".join(f"(?P<{part}>[^/]+)" if at % 2 else re.escape(part) for at, part in enumerate(parts))
    )


@dataclass(slots=True)
class Dispatcher:
    """The ASGI application `make_app` returns."""

    raw: Table[RawRoute]
    hot: Table[Route]
    ordinary: Table[Route]
    files: Files
    gate: Gate
    backend: Backend
    fallback: Asgi
    door: Door | None = None  # None: everything is open (the local listener)
    sockets_max: int = ServerLimits().sockets
    sockets_now: int = 0
    rates: Rates = field(default_factory=Rates)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await _lifespan(receive, send)

    def is_short(self, path: str) -> bool:
        """Whether a POST of this path is small and answered in one message (short_requests.py)."""
        raw = self.raw.find("POST", path)
        return raw[0].small if raw is not None else self.hot.find("POST", path) is not None

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = header_map(scope)
        out = Outgoing(send, _request_id(headers))
        try:
            self.gate.check(scope, headers, unsafe=scope["method"] not in SAFE_METHODS)
            await self._serve(scope, headers, receive, out)
            claim = scope.get(CLAIM_KEY)
            if claim is not None and 200 <= out.status < 300:
                claim()
        except ClientGone:
            return
        except (Refused, Unavailable) as error:
            await _finish(out, problem_reply(error))
        except trio.TooSlowError:
            log.warning("client_stuck", path=scope["path"], request_id=out.request_id)
        except Exception as error:  # the border: one request fails, the daemon continues
            log.error("request_failed", path=scope["path"], trace_id=out.request_id, exc_info=error)
            await _finish(out, document_reply(500, unexpected(out.request_id)))

    async def _serve(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, out: Outgoing
    ) -> None:
        method, path = scope["method"], scope["path"]
        if "\x00" in path:  # no id has it, and PostgreSQL takes no text with it
            raise no_such_path(path.replace("\x00", "%00"))
        raw = self.raw.find(method, path)
        if raw is not None:
            grant = await self._let_in(scope, headers, raw)
            renew = scope.get(RENEW_KEY)
            out.cookies = scope.get(COOKIE_KEY, ()) if renew is None else await renew()
            if grant is None or self.door is None or method not in SAFE_METHODS:
                await raw[0].handler(scope, receive, out, raw[1])
            else:
                await serve_admitted(self.door, grant, raw[0].handler, scope, receive, out, raw[1])
            return
        hot = self.hot.find(method, path)
        match = hot or self.ordinary.find(method, path)
        # a route for a change may have the path of a file: POST / beside the page
        is_change = match is not None and method not in SAFE_METHODS
        file = None if is_change else self.files.find(method, path)
        if file is not None:
            # an address that asks for files without end would slow down the others like any request
            await self._wait(
                scope, headers, None if self.door is None else self.door.identify(scope, headers)
            )
            await send_reply(out, file.reply(headers))
            return
        await self._let_in(scope, headers, match)
        request = await _read(scope, headers, receive, out.request_id)
        if match is not None and request.body:
            self._admit(scope, headers, *match)  # its access may have ended while the body came
        if match is None:
            await send_reply(out, self._not_served(method, path))
            return
        if match is hot:
            await send_reply(out, await serve_route(match[0], self.backend, request, match[1]))
            return
        set_route(scope, *match, request)
        await self.fallback(scope, _already_read(receive), out)

    async def _let_in(
        self,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        match: tuple[RawRoute | Route, dict[str, str]] | None,
    ) -> Grant | None:
        """`_admit` after the wait that the client's rate requires, also before a refusal and for unknown
        paths."""
        try:
            grant = self._admit(scope, headers, *match) if match is not None else STRANGER
        except Refused:
            await self._wait(scope, headers, STRANGER)
            raise
        asking = self._asking(scope, headers, *match) if match is not None and grant is None else grant
        if await self._wait(scope, headers, asking) and match is not None:
            return self._admit(scope, headers, *match)  # its access may have ended meanwhile
        return grant

    async def _wait(self, scope: Scope, headers: Mapping[bytes, bytes], grant: Grant | None) -> bool:
        """Wait as long as the device's rate requires (connections/rates.py); False: no wait was needed."""
        peer = str((scope.get("client") or ("127.0.0.1", 0))[0])
        if is_loopback(peer):  # programs of this machine, and all clients of a proxy on it
            return False
        delay_s = self.rates.delay_s(_key_of(peer, headers, grant), trio.current_time())
        if not delay_s:
            return False
        if (times := _DELAYED_LINES.take(trio.current_time())) is not None:
            log.warning("too_many_requests", peer=peer, device=grant.name if grant else "", times=times)
        with scope.get(PAUSE_KEY, nullcontext)():
            await trio.sleep(delay_s)
        return True

    def _admit(
        self, scope: Scope, headers: Mapping[bytes, bytes], route: RawRoute | Route, given: Mapping[str, str]
    ) -> Grant | None:
        """Check the access, before a byte of the body is read. Raises Refused 401 or 403."""
        if self.door is None or route.admits_itself:
            return None
        grant = scope[GRANT_KEY] = self.door.admit(scope, headers, route.rule, given)
        return grant

    def _asking(
        self, scope: Scope, headers: Mapping[bytes, bytes], route: RawRoute | Route, given: Mapping[str, str]
    ) -> Grant | None:
        """The device whose rate counts, for a route whose handler checks the access itself."""
        if self.door is None or not route.admits_itself:
            return None
        try:
            return self.door.admit(scope, headers, route.rule, given)
        except Refused:
            return STRANGER

    def _not_served(self, method: str, path: str) -> Reply:
        """OPTIONS, a WebSocket's path without an upgrade, another method's path, or an unknown path."""
        methods = self.raw.methods(path) | self.hot.methods(path) | self.ordinary.methods(path)
        if not methods:
            return problem_reply(no_such_path(path))
        if "WS" in methods:
            methods = methods - {"WS"} | {"GET", "HEAD"}
            if method in methods:
                refusal = Refused(426, "upgrade_required", f"{path} is a WebSocket", "connect with ws://")
                reply = problem_reply(refusal)
                return replace(reply, headers=(*reply.headers, (b"upgrade", b"websocket")))
        allowed = ", ".join(sorted({*methods, "OPTIONS"}))
        if method == "OPTIONS":
            return Reply(200, b"", headers=((b"allow", allowed.encode("ascii")),))
        return problem_reply(method_not_allowed(method, allowed))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket. The one place that catches every Exception of a WebSocket client."""
        headers = header_map(scope)
        self.sockets_now += 1
        try:
            self.gate.check(scope, headers, unsafe=True)
            if self.sockets_now > self.sockets_max:
                raise Unavailable(
                    "too_many_sockets", f"{self.sockets_max} are open", "try again", retry_after_s=5
                )
            match = self.raw.find("WS", scope["path"])
            if match is None or "\x00" in scope["path"]:
                raise Refused(404, "no_such_path", "no WebSocket is served here", "see /docs")
            await self._let_in(scope, headers, match)
            await match[0].handler(scope, receive, send, match[1])
        except (Refused, Unavailable) as error:
            await _refuse_upgrade(send, problem_reply(error))
        except Exception as error:  # the border: this client is closed with 1011, the others stay
            log.error("websocket_failed", path=scope["path"], exc_info=error)
        finally:
            self.sockets_now -= 1


def _key_of(peer: str, headers: Mapping[bytes, bytes], grant: Grant | None) -> str:
    """By what the rate is counted: the paired device; for a stranger the address; where access is open, the
    address together with the client's name for itself."""
    if grant is not None and grant.device_id:
        return grant.device_id
    address = network_of(peer) or peer
    return address if grant is not None else f"{address} {headers.get(b'x-client', b'').decode('latin-1')}"


async def _read(scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, request_id: str) -> Request:
    peer = scope.get("client") or ("local", 0)
    method = scope["method"]
    return Request(
        method,
        scope["path"],
        scope["query_string"].decode("latin-1"),
        headers,
        b"" if method in SAFE_METHODS else await read_body(headers, receive),
        str(peer[0]),
        request_id,
        scope.get(GRANT_KEY),
    )


def _already_read(receive: Receive) -> Receive:
    """A `receive` for Quart: an empty body, then the next message (the disconnect)."""
    first = True

    async def replay() -> Any:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": b"", "more_body": False}
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return message

    return replay


async def _finish(out: Outgoing, reply: Reply) -> None:
    """Answer, unless an answer has begun: then the server closes the unfinished connection."""
    if not out.started:
        await send_reply(out, reply)


async def _refuse_upgrade(send: Send, reply: Reply) -> None:
    headers = [*wire_headers(reply), *COMMON, API_POLICY, (b"connection", b"close")]
    await send({"type": "websocket.http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": reply.body, "more_body": False})


async def _lifespan(receive: Receive, send: Send) -> None:
    """Nothing starts or stops with the web server: the composition root owns every actor."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _request_id(headers: Mapping[bytes, bytes]) -> str:
    """The client's own id when it is safe to log, else a new one."""
    sent = headers.get(b"x-request-id", b"")
    return sent.decode("ascii") if _REQUEST_ID.fullmatch(sent) else secrets.token_hex(8)
