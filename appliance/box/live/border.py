"""The only place that catches our errors on a WebSocket: an error ends that client, never the daemon."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger("live")


async def survive(what: str, device: str, run: Callable[[], Awaitable[None]]) -> str | None:
    """Call `run`. None when it returned; the trace id of the log line when it raised."""
    try:
        await run()
    except Exception as error:  # the border: one client fails, the daemon continues
        trace_id = secrets.token_hex(8)
        log.error("websocket_failed", what=what, device=device, trace_id=trace_id, exc_info=error)
        return trace_id
    return None
