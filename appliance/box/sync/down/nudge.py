"""The WebSocket on which the cloud says that something is new. The box dials it; without it nothing is lost,
only asked for later.

Owns: dialling, again and again, to an address that was checked, and noticing that the other side is silent.
"""

from __future__ import annotations

import ipaddress
import ssl
from typing import Final
from urllib.parse import urlsplit

import h11
import structlog
import trio
from trio_websocket import ConnectionClosed, HandshakeError, wrap_client_stream
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from appliance.box.sync.down.actor import Nudges
from appliance.kernel import json
from appliance.kernel.retry import Backoff
from appliance.network.addresses import BadDestination
from appliance.network.destinations import PORTS, resolve_all

log = structlog.get_logger("sync")

PATH: Final = "/edge/v1/nudge"
SILENT_S: Final = 60.0  # the cloud says something every 20 s
DIAL_S: Final = 15.0
HELD_S: Final = 60.0  # a socket that lived so long has worked: the pauses begin with the shortest again
BASE_S: Final = (
    5.0  # all boxes lose it at once when the cloud is restarted; until it is back they ask for changes
)
CAP_S: Final = 300.0
MESSAGE_MAX: Final = 4096
_OWN: Final = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))
_ENDED: Final = (
    ConnectionClosed,
    HandshakeError,
    trio.TooSlowError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    LocalProtocolError,  # the library answers a ping that crosses a close
    RemoteProtocolError,
    h11.ProtocolError,  # passes through the library: an answer that is no handshake
    BadDestination,
    OSError,
    ssl.SSLError,
)


async def run_nudges(
    *,
    nudges: Nudges,
    url: str,
    headers: list[tuple[bytes, bytes]],
    verify: ssl.SSLContext | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Dial and listen until cancelled. `headers`: the box's token and id."""
    task_status.started()
    backoff = Backoff(base_s=BASE_S, cap_s=CAP_S)
    while True:
        began_s = trio.current_time()
        try:
            await _listen(nudges, url, headers, verify)
        except* _ENDED as group:
            log.info("nudges_not_heard", reason=_reason(group))
        if nudges.are_heard:
            nudges.set_heard(False)
            if trio.current_time() - began_s >= HELD_S:
                backoff.reset()
        await trio.sleep(backoff.next_s())


async def _listen(
    nudges: Nudges,
    url: str,
    headers: list[tuple[bytes, bytes]],
    verify: ssl.SSLContext | None,
) -> None:
    parts = urlsplit(url)
    with trio.fail_after(DIAL_S):
        stream = await _dial(parts.scheme, parts.hostname or "", parts.port, verify)
    async with stream, trio.open_nursery() as nursery:
        with trio.fail_after(DIAL_S):
            socket = await wrap_client_stream(
                nursery, stream, parts.netloc, PATH, extra_headers=headers, max_message_size=MESSAGE_MAX
            )
        nudges.set_heard(True)
        while True:
            with trio.fail_after(SILENT_S):
                message = await socket.get_message()
            if _is_news(message):
                nudges.signal.notify()


async def _dial(
    scheme: str, host: str, port: int | None, verify: ssl.SSLContext | None
) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
    """Raises OSError, BadDestination, ssl.SSLError."""
    number = port or PORTS[scheme]
    *others, last = await resolve_all(host, number, _OWN, may_be_own=True)
    for address in others:
        try:
            tcp = await trio.open_tcp_stream(address, number)
            break
        except OSError:
            pass  # the next address is tried
    else:
        tcp = await trio.open_tcp_stream(last, number)
    if scheme == "http":
        return tcp
    context = verify or ssl.create_default_context()
    return trio.SSLStream(tcp, context, server_hostname=host, https_compatible=True)


def _is_news(message: str | bytes) -> bool:
    """Whatever a newer cloud says counts as news, but for the beat."""
    try:
        value = json.decode(message.encode() if isinstance(message, str) else message)
    except json.BadJson:
        return True
    return not isinstance(value, dict) or value.get("type") != "beat"


def _reason(group: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:200]
