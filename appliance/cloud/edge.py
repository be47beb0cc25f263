"""Before the dispatcher, on the hosted side: the client behind a trusted proxy, reading the token's row, and
CORS headers.

Owns: that pages of any origin may read public routes, and may use with a token those that say so; no others.
Such a page must show a token of its own: no cookie counts, and where access is open to this machine a foreign
page without one is refused as everywhere. Must not know: roles, domains.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Final

from appliance.access.tokens.door import TokenDoor, bearer_of
from appliance.cloud.forwarded import take_forwarded
from appliance.http.api import Receive, Scope, Send
from appliance.http.limits import Network
from appliance.http.outgoing import Outgoing
from appliance.http.replies import Reply, problem_reply, send_reply
from appliance.http.requests import header_map
from appliance.kernel.errors import Unavailable
from appliance.server.dispatch import Dispatcher, path_pattern

_ANY_ORIGIN: Final = (b"access-control-allow-origin", b"*")
_READ_HEADERS: Final = b"etag, retry-after, x-request-id"
_TUS_ANSWERS: Final = (  # what a client of tus reads
    b"location, tus-resumable, tus-version, tus-extension, tus-max-size, tus-checksum-algorithm,"
    b" upload-offset, upload-length, upload-expires"
)
_EXPOSED: Final = (b"access-control-expose-headers", _READ_HEADERS + b", " + _TUS_ANSWERS)
_OF_PAGES: Final = (b"origin", b"sec-fetch-site")  # what the gate looks at
_PREFLIGHT: Final = (
    _ANY_ORIGIN,
    (b"access-control-allow-methods", b"GET, HEAD"),
    (b"access-control-allow-headers", b"if-none-match, x-request-id"),
    (b"access-control-max-age", b"86400"),
)
_TOKEN_PREFLIGHT: Final = (
    _ANY_ORIGIN,
    (b"access-control-allow-methods", b"GET, HEAD, POST, PATCH, DELETE, OPTIONS"),
    (
        b"access-control-allow-headers",
        b"authorization, content-type, idempotency-key, tus-resumable, upload-length, upload-offset,"
        b" upload-metadata, upload-checksum, x-request-id, x-requested-with",
    ),
    (b"access-control-max-age", b"86400"),
)


@dataclass(slots=True)
class CloudEdge:
    """An ASGI application around `app`."""

    app: Dispatcher
    door: TokenDoor
    proxies: tuple[Network, ...] = ()
    any_origin: Iterable[str] = ()  # paths that pages of any origin use with a token
    public: tuple[re.Pattern[str], ...] = field(init=False)  # paths that everybody may read
    shared: tuple[re.Pattern[str], ...] = field(init=False)  # of any_origin

    def __post_init__(self) -> None:
        rows = self.door.matrix.rows.items()
        reads = [rule.removeprefix("GET ") for rule, row in rows if row.public and rule.startswith("GET ")]
        self.public = tuple(path_pattern(path) for path in reads)
        self.shared = tuple(path_pattern(path) for path in dict.fromkeys(self.any_origin))

    def is_short(self, path: str) -> bool:
        """See Dispatcher."""
        return self.app.is_short(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = header_map(scope)
        take_forwarded(scope, headers, self.proxies)
        is_foreign = scope["type"] == "http" and b"origin" in headers
        is_shared = is_foreign and any(each.fullmatch(scope["path"]) for each in self.shared)
        is_public = is_foreign and any(each.fullmatch(scope["path"]) for each in self.public)
        is_asking = (
            is_foreign and scope["method"] == "OPTIONS" and b"access-control-request-method" in headers
        )
        if is_asking and (is_shared or is_public):
            allowed = _TOKEN_PREFLIGHT if is_shared else _PREFLIGHT
            await send_reply(Outgoing(send, "preflight"), Reply(204, b"", headers=allowed))
            return
        try:
            await self.door.look(scope, headers)
        except Unavailable as error:
            if scope["type"] == "http":
                await send_reply(Outgoing(send, "look"), problem_reply(error))
            else:
                await send({"type": "websocket.close", "code": 1013, "reason": error.code})
            return
        is_shared = is_shared and bool(bearer_of(scope, headers))
        if is_shared:  # it shows a token, which no foreign page gets by itself
            kept = [(name, value) for name, value in scope["headers"] if name.lower() not in _OF_PAGES]
            scope = {**scope, "headers": kept}
        is_read = is_public and scope["method"] in ("GET", "HEAD")
        await self.app(scope, receive, _allowing(send) if is_read or is_shared else send)


def _allowing(send: Send) -> Send:
    """`send` with the headers by which a browser shows the answer to any page."""

    @wraps(send)  # so that large bodies still find the socket
    async def allowing(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), _ANY_ORIGIN, _EXPOSED]}
        await send(message)

    return allowing
