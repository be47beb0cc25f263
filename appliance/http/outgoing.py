"""The sending side of one HTTP request.

Owns: the shield around `send`, the headers of every answer, and whether an answer has begun.

Why the shield (measured: quart-trio under hypercorn closed 0 of 30 idle connections): hypercorn reports the
disconnect from inside the application's last `send`, quart-trio then cancels the task that is running that
`send`, and hypercorn never gets to re-arm or close the connection.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import trio

from appliance.http.api import Send

SEND_LIMIT_S = 120.0  # seconds for one message to a slow phone; a dead peer ends earlier by TCP_USER_TIMEOUT

API_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
COMMON = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Outgoing:
    """An ASGI `send`. `__wrapped__` is the server's own, for code that writes bytes to the socket
    directly."""

    __slots__ = ("__wrapped__", "cookies", "ended", "request_id", "started", "status")

    def __init__(self, send: Send, request_id: str) -> None:
        self.__wrapped__ = send
        self.request_id = request_id
        self.started = False
        self.ended = False
        self.cookies: tuple[bytes, ...] = ()  # Set-Cookie of the answer, beside its own headers
        self.status = 0  # of the answer; 0: none has begun

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        """Raises trio.TooSlowError when the client does not accept one message in SEND_LIMIT_S."""
        kind = message["type"]
        if kind == "http.response.start":
            self.started = True
            self.status = message["status"]
            message = {**message, "headers": self._headers(message.get("headers", ()))}
        elif kind == "http.response.body":
            self.ended = not message.get("more_body", False)
        with trio.fail_after(SEND_LIMIT_S, shield=True):
            await self.__wrapped__(message)

    def _headers(self, own: Any) -> list[tuple[bytes, bytes]]:
        headers = [*own, *COMMON, (b"x-request-id", self.request_id.encode("ascii"))]
        if not any(name.lower() == b"content-security-policy" for name, _ in own):
            headers.append(API_POLICY)
        headers += [(b"set-cookie", cookie) for cookie in self.cookies]
        return headers
