"""An HTTP client without a socket: calls an ASGI app in-process.

client = Client(make_test_app(...))
reply = await client.post("/sessions", {"name": "Final", "type": "game"}, key="k1")
assert reply.status == 201 and reply.json["status"] == "scheduled"
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import trio

App = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def wrong(self) -> dict[str, str]:
        """loc -> msg of a problem's errors."""
        return {each["loc"]: each["msg"] for each in self.json["errors"]}


@dataclass
class Client:
    """One device. `headers` go with every request."""

    app: App
    device: str = "test"
    headers: dict[str, str] = field(default_factory=dict)
    peer: str = "127.0.0.1"
    server: str = "127.0.0.1"
    host: str = "127.0.0.1:8080"
    scheme: str = "http"

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.request("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Reply:
        return await self.request("POST", path, body, **options)

    async def patch(self, path: str, body: Any = None, **options: Any) -> Reply:
        return await self.request("PATCH", path, body, **options)

    async def delete(self, path: str, **options: Any) -> Reply:
        return await self.request("DELETE", path, **options)

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        if_match: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """`body` is sent as JSON; bytes are sent unchanged, a list of bytes as a chunked body."""
        fields = {"host": self.host, "x-client": self.device, **self.headers}
        if body is not None:
            fields["content-type"] = "application/json"
        if key is not None:
            fields["idempotency-key"] = key
        if if_match is not None:
            fields["if-match"] = if_match
        fields.update(headers or {})
        return await self._call(method, path, _chunks(body), fields)

    async def _call(self, method: str, path: str, chunks: list[bytes], fields: dict[str, str]) -> Reply:
        exchange = _Exchange(chunks)
        await self.app(self._scope(method, path, fields), exchange.receive, exchange.send)
        assert exchange.ended, "the app left the request without an answer"
        return Reply(exchange.status, exchange.headers, b"" if method == "HEAD" else exchange.body)

    def _scope(self, method: str, path: str, fields: dict[str, str]) -> dict[str, Any]:
        target, _, query = path.partition("?")
        return {
            "type": "http",
            "asgi": {"spec_version": "2.1", "version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": self.scheme,
            "path": unquote(target),
            "raw_path": target.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in fields.items() if value],
            "client": (self.peer, 50000),
            "server": (self.server, 8080),
            "extensions": {},
        }


def _chunks(body: Any) -> list[bytes]:
    if body is None:
        return [b""]
    if isinstance(body, bytes):
        return [body]
    if isinstance(body, list) and body and isinstance(body[0], bytes):
        return body
    return [json.dumps(body).encode()]


class _Exchange:
    """Both ends of one request: the chunks to receive, and the response."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = list(chunks)
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.taken = 0  # chunks the app has read
        self.ended = False
        self._answered = trio.Event()

    async def receive(self) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        if self.taken < len(self._chunks):
            self.taken += 1
            chunk = self._chunks[self.taken - 1]
            return {"type": "http.request", "body": chunk, "more_body": self.taken < len(self._chunks)}
        await self._answered.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        await trio.lowlevel.checkpoint()
        if message["type"] == "http.response.start":
            assert not self.status, "the answer was begun twice"
            self.status = message["status"]
            for name, value in message["headers"]:  # repeated ones are joined, as RFC 9110 does
                before = self.headers.get(name.decode().lower(), "")
                self.headers[name.decode().lower()] = ", ".join(
                    filter(None, [before, value.decode("latin-1")])
                )
        else:
            assert self.status and not self.ended, "a body outside of an answer"
            self.body += message.get("body", b"")
            if not message.get("more_body", False):
                self.ended = True
                self._answered.set()
