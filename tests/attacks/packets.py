"""Seeded scripts of raw bytes: what one connection sends, split how, and how it ends.

A script is a request of any kind, complete, truncated or damaged, and bytes that may follow it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Literal

Ending = Literal["read", "half_close", "reset", "leave"]
ENDINGS: tuple[Ending, ...] = ("read", "half_close", "reset", "leave")

HOST = b"Host: 127.0.0.1\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\n" + KEY
JSON = b"Content-Type: application/json\r\n"

PATHS = (
    b"/time",
    b"/version",
    b"/healthz",
    b"/readyz",
    b"/snapshot",
    b"/clips",
    b"/nothing",
    b"/",
    b"/metrics",
)
LARGE_PATHS = (b"/openapi.json", b"/app.js", b"/events?since=0&limit=100", b"/channels/cam1/replay.mp4")


@dataclass(frozen=True, slots=True)
class Script:
    """`pieces` are sent in sequence with `pause_s` between them."""

    pieces: tuple[bytes, ...]
    pause_s: float
    ending: Ending


def script(rnd: Random) -> Script:
    """One connection's bytes. The same state of `rnd` gives the same script."""
    data = b"".join(request(rnd) for _ in range(rnd.choice((1, 1, 1, 2, 5))))
    data += tail(rnd)
    if rnd.random() < 0.2:
        data = damaged(data, rnd)
    if rnd.random() < 0.1:
        data = data[: rnd.randrange(len(data) + 1)]
    pause_s = rnd.choice((0.0, 0.0, 0.001, 0.02))
    return Script(tuple(cut(data, rnd)), pause_s, rnd.choice(ENDINGS))


def request(rnd: Random) -> bytes:
    """A complete request, or almost."""
    return rnd.choice(KINDS)(rnd)


def _get(rnd: Random) -> bytes:
    path = rnd.choice(PATHS if rnd.random() < 0.8 else LARGE_PATHS)
    method = rnd.choice((b"GET", b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"TRACE", b"get", b"\xc3\xa9"))
    return b"%b %b %b\r\n%b%b\r\n" % (method, path, _version(rnd), HOST, _connection(rnd))


def _post(rnd: Random) -> bytes:
    path = rnd.choice((b"/channels/cam1/heartbeat", b"/clips", b"/sessions", b"/plays", b"/time"))
    body = rnd.choice((b"{}", b"", b'{"ok":true}', b"[", b'{"name":"x","type":"game"}', rnd.randbytes(300)))
    length = rnd.choice((len(body), len(body), len(body), len(body) + 5, max(0, len(body) - 3), 10**9))
    head = b"POST %b %b\r\n%b%b%b" % (path, _version(rnd), HOST, JSON, _connection(rnd))
    return head + b"Content-Length: %d\r\n\r\n" % length + body


def _chunked(rnd: Random) -> bytes:
    head = b"POST /sessions HTTP/1.1\r\n%b%b%bTransfer-Encoding: chunked\r\n\r\n" % (
        HOST,
        JSON,
        _connection(rnd),
    )
    chunks = (
        b"2\r\n{}\r\n",
        b"0\r\n\r\n",
        b"zz\r\n",
        b"-1\r\n",
        b"fffffffff\r\n",
        b"5\r\nab",
        b"2;x=y\r\n{}\r\n",
    )
    return head + b"".join(rnd.choice(chunks) for _ in range(rnd.randint(1, 4)))


def _expecting(rnd: Random) -> bytes:
    return b"POST /clips HTTP/1.1\r\n%b%bExpect: 100-continue\r\nContent-Length: 2\r\n\r\n%b" % (
        HOST,
        JSON,
        rnd.choice((b"", b"{}", b"{}X")),
    )


def _socket(rnd: Random) -> bytes:
    path = rnd.choice((b"/ws", b"/ws?since=0", b"/channels/cam1/live", b"/channels/no/live", b"/nothing"))
    extra = rnd.choice((b"", b"", b"Sec-WebSocket-Protocol: \xff\r\n", b"Sec-WebSocket-Extensions: x\r\n"))
    version = _version(rnd)
    return b"GET %b %b\r\n%b%b%b\r\n" % (path, version, HOST, rnd.choice((UPGRADE, UPGRADE, KEY)), extra)


def _odd(rnd: Random) -> bytes:
    return rnd.choice(ODD)


def _range(rnd: Random) -> bytes:
    query = rnd.choice((b"bytes=0-1", b"bytes=-5", b"bytes=9-1", b"bytes=" + b"9" * 400 + b"-", b"lines=1"))
    return b"GET /clips/x/stream HTTP/1.1\r\n%bRange: %b\r\n%b\r\n" % (HOST, query, _connection(rnd))


KINDS = (_get, _get, _post, _post, _chunked, _expecting, _socket, _socket, _range, _odd)

ODD = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS hello on the plain port
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET /time HTTP/1.1\r\n"
    + HOST
    + b"Upgrade: h2c\r\nConnection: Upgrade\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
    b"GET http://127.0.0.1/time HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /%ff%fe HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /" + b"a" * 30_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 5_000,
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nxxxxxx",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    b"\r\n\r\n\r\n",
    b"SSH-2.0-x\r\n",
    b"<policy-file-request/>\0",
)


def _version(rnd: Random) -> bytes:
    return rnd.choice((b"HTTP/1.1",) * 8 + (b"HTTP/1.0", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9"))


def _connection(rnd: Random) -> bytes:
    kinds = (b"", b"", b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: close, x\r\n")
    return rnd.choice(kinds)


def tail(rnd: Random) -> bytes:
    """The bytes after the last request."""
    kind = rnd.randrange(7)
    if kind == 0:
        return b""
    if kind == 1:
        return rnd.randbytes(1)
    if kind == 2:
        return rnd.randbytes(rnd.choice((2, 50, 3000, 70_000)))
    if kind == 3:
        return frames(rnd)
    if kind == 4:
        return b"\r\n" * rnd.randint(1, 3)
    if kind == 5:
        return b"\0" * rnd.choice((1, 100_000))
    return b"GET /time HTTP/1.1\r\n" + HOST + b"\r\n"


def frames(rnd: Random) -> bytes:
    """Frames of a WebSocket client: complete, reserved, unmasked, oversized, fragmented, many."""
    data = b""
    for _ in range(rnd.choice((1, 3, 20, 1000))):
        opcode = rnd.choice((0, 1, 1, 1, 2, 8, 9, 9, 10, 3, 11))
        payload = rnd.choice((b"", b"x", b'{"type":"ping","id":1}', b"\xff\xfe", b"\x03\xe8bye", b"[" * 120))
        first = opcode | rnd.choice((0x80, 0x80, 0x80, 0x00, 0xF0))
        masked = 0x80 if rnd.random() < 0.95 else 0
        mask = rnd.randbytes(4) if masked else b""
        data += bytes((first, masked | len(payload))) + mask
        data += bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) if mask else payload
    if rnd.random() < 0.2:
        data += (
            bytes((0x81, 0xFF)) + rnd.choice((1 << 62, 70_000, (1 << 64) - 1)).to_bytes(8, "big") + bytes(50)
        )
    return data


def damaged(original: bytes, rnd: Random) -> bytes:
    """A few bytes changed, removed or duplicated."""
    data = bytearray(original)
    for _ in range(rnd.randint(1, 4)):
        if not data:
            break
        at = rnd.randrange(len(data))
        kind = rnd.randrange(3)
        if kind == 0:
            data[at] = rnd.randrange(256)
        elif kind == 1:
            del data[at]
        else:
            data[at:at] = data[at : at + rnd.randint(1, 20)]
    return bytes(data)


def cut(data: bytes, rnd: Random) -> Sequence[bytes]:
    """Unsplit, or split at a few random places."""
    if not data or rnd.random() < 0.5:
        return [data]
    places = sorted({0, len(data), *(rnd.randrange(len(data)) for _ in range(rnd.randint(1, 6)))})
    return [data[begin:end] for begin, end in pairwise(places)]
