"""One port of a box as somebody else in its network reaches it: over TLS or not, from a chosen address.

Owns: connecting, one request on a connection of its own, and the count of what was tried.
"""

from __future__ import annotations

import re
import socket
import ssl
from dataclasses import dataclass, field

import trio

NAME = "north.local"  # of the box
ANSWER_S = 20.0
BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes

    @property
    def code(self) -> str:
        found = re.search(rb'"code":"(\w+)"', self.body)
        return found[1].decode() if found else ""


@dataclass(frozen=True)
class Line:
    """The way to one port of the box. `source`: the address that the requests come from."""

    host: str
    port: int
    source: str
    tls: ssl.SSLContext | None = None

    async def connect(self) -> trio.abc.Stream:
        """Raises OSError."""
        sock = trio.socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            await sock.bind((self.source, 0))
            await sock.connect((self.host, self.port))
        except BaseException:
            sock.close()
            raise
        plain = trio.SocketStream(sock)
        if self.tls is None:
            return plain
        return trio.SSLStream(plain, self.tls, server_hostname=NAME, https_compatible=True)

    async def ask(
        self, method: str, path: str, body: bytes = b"", *, token: str = "", **fields: str
    ) -> Reply:
        """One request on a connection of its own. Status 0: the box closed it without an answer."""
        named = {"host": f"{self.host}:{self.port}", "connection": "close"}
        if token:
            named["authorization"] = f"Bearer {token}"
        if body:
            named |= {"content-type": "application/json", "content-length": str(len(body))}
        named |= {name.replace("_", "-"): value for name, value in fields.items()}
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(
            f"{key}: {value}\r\n" for key, value in named.items()
        )
        return await self.send(head.encode("latin-1") + b"\r\n" + body)

    async def send(self, data: bytes) -> Reply:
        """Bytes as they are. A box that does not close the connection in time is shown by what it sent."""
        got = b""
        with trio.move_on_after(ANSWER_S):
            stream = await self.connect()
            try:
                try:
                    await stream.send_all(data)
                except trio.BrokenResourceError:
                    pass  # it may have answered and closed before all was sent
                while len(got) < BYTES_MAX and (more := await stream.receive_some(1 << 16)):
                    got += more
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            finally:
                await trio.aclose_forcefully(stream)
        head, _, body = got.partition(b"\r\n\r\n")
        return Reply(int(head[9:12]) if head.startswith(b"HTTP/1.1 ") else 0, body)


@dataclass
class Report:
    """`tried`: how many things; `wrong`: what the box should not have done."""

    tried: int = 0
    wrong: list[str] = field(default_factory=list)

    def expect(self, good: object, what: object) -> None:
        self.tried += 1
        if not good:
            self.wrong.append(str(what)[:400])
