"""How soon the access of a revoked device ends: its WebSockets and its next request, beside 200 other
devices."""

from __future__ import annotations

import json
import selectors
import socket
import statistics
import time
from collections.abc import Sequence

from benchkit import Row

GOAL_MS = 1000.0
GREETED = b"HTTP/1.1 101"
REVOKED = (4503).to_bytes(2, "big")  # in a close frame


def rows(port: int, tokens: Sequence[str], paths: Sequence[str], count: int) -> list[Row]:
    """`tokens`: of "Tablet 0" and so on, the last an admin's. `count` devices are removed on each path."""
    admin, took = tokens[-1], list[Row]()
    ids = {each["name"]: each["id"] for each in json.loads(_ask(port, "GET", "/devices", admin)[1])["items"]}
    others = [_watcher(port, token, "/ws") for token in tokens[len(paths) * count :]]
    for at, path in enumerate(paths):
        took_ms = [
            revocation_ms(port, tokens[each], admin, ids[f"Tablet {each}"], path)
            for each in range(at * count, (at + 1) * count)
        ]
        verdict = "met" if max(took_ms) <= GOAL_MS else "MISSED"
        took.append(
            {
                "case": path,
                "median_ms": round(statistics.median(took_ms), 1),
                "max_ms": round(max(took_ms), 1),
                "goal": f"within {GOAL_MS:g} ms: {verdict}",
            }
        )
    for sock in others:
        sock.close()
    return took


def revocation_ms(port: int, token: str, admin: str, device_id: str, path: str) -> float:
    """From sending DELETE /devices/{id} until the device's socket at `path` is closed with 4503 and its next
    request is refused. Raises SystemExit: the socket was closed otherwise, or the request was answered."""
    watcher = _watcher(port, token, path)
    began_s = time.perf_counter()
    status, _ = _ask(port, "DELETE", f"/devices/{device_id}", admin)
    if status != 200:
        raise SystemExit(f"the device was not removed: {status}")
    got = b""
    while REVOKED not in got:
        data = watcher.recv(1 << 16)
        if not data:
            raise SystemExit(f"closed without 4503: {got[-100:]!r}")
        got = got[-200:] + data
    status, _ = _ask(port, "GET", "/devices", token)
    took_s = time.perf_counter() - began_s
    if status != 401:
        raise SystemExit(f"the next request was answered {status}")
    watcher.close()
    return took_s * 1000


def _watcher(port: int, token: str, path: str) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.settimeout(20)
    sock.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: bearer, {token}\r\n\r\n".encode()
    )
    got = b""
    while b"\r\n\r\n" not in got:
        got += sock.recv(4096)
    if not got.startswith(GREETED):
        raise SystemExit(f"{path} was refused: {got[:200]!r}")
    return sock


def _ask(port: int, method: str, path: str, token: str) -> tuple[int, bytes]:
    """On a connection of its own: (status, body)."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        got, watch = b"", selectors.DefaultSelector()
        watch.register(sock, selectors.EVENT_READ)
        while watch.select(20) and (data := sock.recv(1 << 16)):
            got += data
    head, _, body = got.partition(b"\r\n\r\n")
    return int(head[9:12]), body
