"""The box under attack: connecting to it, a complete request, and whether its process is unchanged."""

from __future__ import annotations

import os
import re
import resource
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import trio

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
ANSWER_S = 20.0  # of a box under attack on a slow machine; one that hangs never answers
SPARE = 30  # descriptors of clips being cut and of database readers
DESCRIPTORS = 8192  # for the attacker itself
STRANGER = "127.0.0.9"


class Broken(AssertionError):
    """The box violated a requirement."""


@dataclass(frozen=True)
class Target:
    """`pid`: of a box on this machine, to monitor its process and memory. `tokens`: of devices, by role."""

    host: str
    port: int
    pid: int | None = None
    tokens: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def at(
        cls, address: str, pid: int | None = None, tokens: Mapping[str, str] = MappingProxyType({})
    ) -> Target:
        """HOST:PORT, [HOST]:PORT or a URL."""
        host, _, port = address.removeprefix("http://").rstrip("/").rpartition(":")
        return cls(host.strip("[]"), int(port), pid, tokens)

    async def connect(
        self, receive_buffer: int | None = None, *, as_stranger: bool = False
    ) -> trio.SocketStream:
        """Raises OSError without a listener. `as_stranger`: from another address of this machine, if the
        target is on it."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        sock = trio.socket.socket(family, socket.SOCK_STREAM)
        try:
            if receive_buffer is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            if as_stranger and self.host.startswith("127."):
                await sock.bind((STRANGER, 0))
            await sock.connect((self.host, self.port))
        except BaseException:
            sock.close()
            raise
        return trio.SocketStream(sock)

    async def ask(
        self, path: str, method: str = "GET", body: bytes = b"", *, within_s: float = ANSWER_S
    ) -> bytes:
        """The body of a 2xx answer to a new client's request. Raises Broken."""
        status, answer = await self.answer(path, method, body, within_s=within_s)
        if not 200 <= status < 300:
            raise Broken(f"{method} {path} was answered {status}: {answer[:300]!r}")
        return answer

    async def answer(
        self, path: str, method: str = "GET", body: bytes = b"", *, within_s: float = ANSWER_S
    ) -> tuple[int, bytes]:
        """(status, body). Raises Broken if there is none in time."""
        with trio.move_on_after(within_s):
            try:
                stream = await self.connect()
            except OSError as error:
                raise Broken(f"no connection: {error}") from error
            async with stream:
                try:
                    return await exchange(stream, self.request(path, method, body))
                except (Ended, trio.BrokenResourceError) as error:
                    raise Broken(f"{method} {path}: {error!r}") from error
        raise Broken(f"{method} {path} was not answered within {within_s} s")

    def request(self, path: str, method: str = "GET", body: bytes = b"", *, keep: bool = False) -> bytes:
        text = f"{method} {path} HTTP/1.1\r\nHost: {self.authority}\r\n".encode()
        if not keep:
            text += b"Connection: close\r\n"
        if body:
            text += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
        return text + b"\r\n" + body

    def handshake(self, path: str) -> bytes:
        return (
            f"GET {path} HTTP/1.1\r\nHost: {self.authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    # -- its process --------------------------------------------------------------------------------------

    def memory_mb(self) -> float | None:
        """Resident memory of the box's process; None if unknown. Raises Broken: it has ended."""
        if self.pid is None:
            return None
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE_BYTES / 1e6
        except (OSError, IndexError):
            raise Broken("the box's process has ended") from None

    def descriptors(self) -> int:
        """Open descriptors of the box's process; 0 if unknown."""
        return 0 if self.pid is None else len(os.listdir(f"/proc/{self.pid}/fd"))

    async def must_free(self, before: int, *, within_s: float = 10.0) -> None:
        """Raises Broken unless everything an attack opened is closed again."""
        with trio.move_on_after(within_s):
            while self.descriptors() > before + SPARE:  # noqa: ASYNC110  # another process
                await trio.sleep(0.05)
            return
        raise Broken(f"{self.descriptors()} descriptors are open where {before} were before the attack")

    async def must_live(self) -> None:
        """Raises Broken unless the same process serves a new client."""
        self.memory_mb()
        await self.ask("/healthz")


class Ended(Exception):
    """The connection ended before the answer was complete."""


async def exchange(stream: trio.SocketStream, request: bytes) -> tuple[int, bytes]:
    """(status, body) of an answer with a length. Raises Ended, or the socket's error."""
    await stream.send_all(request)
    got = b""
    while True:
        head, result, body = got.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE) if result else None
        if length is not None and len(body) >= int(length[1]):
            return int(head[9:12]), body
        data = await stream.receive_some(1 << 16)
        if not data:
            raise Ended(f"after {got[:100]!r}")
        got += data


def allow_many_sockets() -> None:
    """Allow as many descriptors as an attack of a thousand sockets needs, if possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < DESCRIPTORS:
        wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def close_all(streams: Sequence[trio.SocketStream]) -> None:
    for stream in streams:
        await trio.aclose_forcefully(stream)
