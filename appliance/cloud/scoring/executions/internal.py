"""Routes that only the service's own callers may use: X-Internal-Token, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from appliance.access.tokens.core import is_shared_token
from appliance.http.api import Receive, Scope, Send
from appliance.http.replies import Reply, json_reply, send_reply
from appliance.http.requests import header_map, read_body

HEADER: Final = b"x-internal-token"
REFUSED: Final = {"error": "Invalid internal service token"}

Check = Callable[[Mapping[bytes, bytes]], bool]
"""Whether the headers of a request show the internal token."""


def internal_check(token: str, now_us: Callable[[], int]) -> Check:
    """`token`: that of this environment; "": no request is admitted."""

    def check(headers: Mapping[bytes, bytes]) -> bool:
        sent = headers.get(HEADER, b"").decode("latin-1")
        return bool(sent) and is_shared_token(sent, token, now_us() // 1_000_000)

    return check


async def admitted(
    check: Check, scope: Scope, receive: Receive, send: Send, limit: int
) -> tuple[Mapping[bytes, bytes], bytes] | None:
    """Headers and body of a request, up to `limit` bytes; None: it was answered 403, before a byte of its
    body was read. Raises Refused 413, ClientGone."""
    headers = header_map(scope)
    if not check(headers):
        await send_reply(send, refused())
        return None
    return headers, await read_body(headers, receive, limit)


def refused() -> Reply:
    return json_reply(403, REFUSED)
