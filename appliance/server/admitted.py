"""A download or a waiting request, for as long as its device keeps its access.

Owns: that both end at once when the device is revoked or has another role. Must not know: roles, tokens.
Requests with a body are not watched: they are answered within a moment.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from appliance.http.access import Door, Grant
from appliance.http.api import Receive, Scope, Send
from appliance.http.outgoing import Outgoing
from appliance.http.passthrough import wire_of
from appliance.kernel.errors import Refused

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
        wire = wire_of(out) if out.started and not out.ended else None
        if wire is not None:
            wire.socket.close()  # a client that does not read would hold a cancelled send for minutes

    with running, door.watching(grant, close, shows_name=False):
        await handler(scope, receive, out, given)
    if running.cancelled_caught and not out.started:
        raise Refused(
            401, "not_paired", "this device's access has changed meanwhile", "load the page, or pair it again"
        )
