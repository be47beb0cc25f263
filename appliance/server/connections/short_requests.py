"""Requests that arrive complete in one read, served without hypercorn's streams.

A heartbeat or a mark is one segment of a few hundred bytes on a kept connection. h11, hypercorn's stream and
a task for each cost three times what the answer itself does; a strict grammar replaces them here.

Owns: that grammar, and the answer's bytes. Must not know: routes, sockets. Everything that does not match
exactly (another method, a query, a body in pieces, Connection: close, a repeated header) is left to h11, byte
for byte: nothing is refused here.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from appliance.http.api import Scope

HEAD_BYTES_MAX = 4096  # a browser's is 700
FIELDS_MAX = 40
FIELDS_SEEN_MAX = 512  # lines, of at most HEAD_BYTES_MAX

# RFC 9112 section 3, restricted: one method, a plain path. `%` and `?` need decoding, which is not done here.
_REQUEST_LINE = re.compile(rb"POST (/[A-Za-z0-9_/-]{1,200}) HTTP/1\.1")
# RFC 9110 section 5.5, restricted to visible ASCII and single lines.
_FIELD = re.compile(rb"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*((?:[!-~](?:[ \t!-~]*[!-~])?)?)[ \t]*")
_LENGTH = re.compile(rb"\d{1,5}")

_LEFT_TO_H11 = frozenset(
    {b"transfer-encoding", b"te", b"trailer", b"expect", b"upgrade", b"http2-settings", b"keep-alive"}
)


@dataclass(frozen=True, slots=True)
class Short:
    """One complete request; `rest` are the bytes behind it."""

    path: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    rest: bytes


def parse_short(data: bytes) -> Short | None:
    """The request at the start of `data`, or None when it is incomplete, or must be parsed by h11."""
    line = _REQUEST_LINE.match(data)
    end = data.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX) if line is not None else -1
    if line is None or end < 0:
        return None
    first, *fields = data[:end].split(b"\r\n")
    if len(first) != line.end() or len(fields) > FIELDS_MAX:
        return None
    headers = _headers(fields)
    length = _body_length(headers) if headers is not None else None
    if headers is None or length is None or len(data) < end + 4 + length:
        return None
    body_end = end + 4 + length
    return Short(line[1].decode("ascii"), headers, data[end + 4 : body_end], data[body_end:])


def _headers(fields: list[bytes]) -> list[tuple[bytes, bytes]] | None:
    headers = []
    for field in fields:
        header = _header(field)
        if header is None:
            return None
        headers.append(header)
    names = [name for name, _ in headers]
    if len(set(names)) != len(names) or b"host" not in names or not _LEFT_TO_H11.isdisjoint(names):
        return None
    return headers


@lru_cache(maxsize=FIELDS_SEEN_MAX)  # a device sends the same lines with every request
def _header(field: bytes) -> tuple[bytes, bytes] | None:
    match = _FIELD.fullmatch(field)
    return None if match is None else (match[1].lower(), match[2])


def _body_length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """Bytes of the body; None when the framing or the Connection header is not the plain one."""
    length = 0
    for name, value in headers:
        if name == b"content-length":
            if _LENGTH.fullmatch(value) is None:
                return None
            length = int(value)
        elif name == b"connection" and value.lower() != b"keep-alive":
            return None
    return length


def scope_of(short: Short, client: Any, server: Any, *, is_encrypted: bool = False) -> Scope:
    """The ASGI scope, as hypercorn would make it."""
    return {
        "type": "http",
        "http_version": "1.1",
        "asgi": {"spec_version": "2.1", "version": "3.0"},
        "method": "POST",
        "scheme": "https" if is_encrypted else "http",
        "path": short.path,
        "raw_path": short.path.encode("ascii"),
        "query_string": b"",
        "root_path": "",
        "headers": short.headers,
        "client": client,
        "server": server,
        "state": {},
        "extensions": {},
    }


class Exchange:
    """`receive` and `send` of one short request. The answer is buffered until it is complete."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self.is_whole = False

    async def receive(self) -> MutableMapping[str, Any]:
        """The body; at the next call the disconnect, which an application waits for to learn that the client
        left."""
        body, self._body = self._body, None
        if body is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message["headers"])
        elif message["type"] == "http.response.body":
            self._parts.append(message.get("body", b""))
            self.is_whole = not message.get("more_body", False)

    @property
    def is_last(self) -> bool:
        """Whether the connection ends with this answer: it says so, or has no length."""
        names = {name.lower() for name, _ in self._headers}
        return b"connection" in names or b"content-length" not in names

    def answer(self, more_headers: list[tuple[bytes, bytes]]) -> bytes:
        """The answer's bytes. Raises ValueError for a header that contains a line break."""
        fields = [*self._headers, *more_headers]
        head = b"".join([b"%b: %b\r\n" % field for field in fields])
        if head.count(b"\n") != len(fields) or head.count(b"\r") != len(fields):
            raise ValueError("a header holds a line break")
        return b"".join([b"HTTP/1.1 %d \r\n" % self._status, head, b"\r\n", *self._parts])
