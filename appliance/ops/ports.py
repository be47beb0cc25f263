"""Whether a port is free, used by the box itself, or by another program: tested by binding, then by a
request."""

from __future__ import annotations

import errno
import json
import socket

import trio

from appliance.ops.health import HealthPart

ANSWER_S = 2.0
ANSWER_MAX_BYTES = 64 * 1024


async def tcp_port(host: str, port: int, setting: str) -> HealthPart:
    """`setting` is the dotted path to change when another program uses the port."""
    where = f"{host}:{port}"
    try:
        _try(socket.SOCK_STREAM, host, port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            reason = error.strerror or str(error)
            return HealthPart("bad", f"{where} cannot be used: {reason}", f"change {setting}")
        if await _is_ours(host, port):
            return HealthPart("ok", f"{where} is ours")
        return HealthPart(
            "bad", f"{where} is in use by another program", f"stop it (ss -ltnp), or change {setting}"
        )
    return HealthPart("ok", f"{where} is free")


async def tls_port(host: str, port: int, *, is_ours: bool) -> HealthPart:
    """`is_ours`: the plain port is our box's, so this one is expected to be in use."""
    part = await tcp_port(host, port, "server.tls_port")
    if part.detail.endswith("another program") and is_ours:
        return HealthPart("ok", f"{host}:{port} is in use; the box runs")
    return part


def udp_port(port: int, *, is_ours: bool) -> HealthPart:
    """A camera's SRT port. While our own box runs it is expected to be in use."""
    try:
        _try(socket.SOCK_DGRAM, "0.0.0.0", port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and is_ours:
            return HealthPart("ok", f"UDP {port} is in use; the box runs")
        reason = error.strerror or str(error)
        return HealthPart(
            "bad", f"UDP {port}: {reason}", "stop the other program (ss -lunp), or change input_url"
        )
    return HealthPart("ok", f"UDP {port} is free")


def _try(kind: socket.SocketKind, host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as sock:
        if kind is socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))


async def _is_ours(host: str, port: int) -> bool:
    """Whether /version, or /healthz on the local listener, answers as the box does."""
    address = "127.0.0.1" if host == "0.0.0.0" else "::1" if host == "::" else host
    version = await _get(address, port, "/version")
    if isinstance(version, dict) and "site_id" in version:
        return True
    return await _get(address, port, "/healthz") == {"status": "ok"}


async def readyz(host: str, port: int) -> dict[str, dict[str, str]] | None:
    """The parts of a running box, which answers without a token on its local listener; None: no answer."""
    answer = await _get(
        "127.0.0.1" if host == "0.0.0.0" else host, port, "/readyz", statuses=(b"200", b"503")
    )
    parts = answer.get("parts") if isinstance(answer, dict) else None
    return parts if isinstance(parts, dict) else None


async def _get(host: str, port: int, path: str, *, statuses: tuple[bytes, ...] = (b"200",)) -> object:
    """The JSON answer of a plain HTTP GET, or None."""
    request = f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    answer = b""
    try:
        with trio.fail_after(ANSWER_S):
            stream = await trio.open_tcp_stream(host, port)
            async with stream:
                await stream.send_all(request.encode())
                async for chunk in stream:
                    answer += chunk
                    if len(answer) > ANSWER_MAX_BYTES:
                        return None
    except (OSError, trio.BrokenResourceError, trio.TooSlowError):
        return None
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b"\r\n")[0].split(b" ")
    if len(words) < 2 or words[1] not in statuses:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return None
