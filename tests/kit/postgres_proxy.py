"""A line between a store and its PostgreSQL server that is cut where a test says.

Cuts are counted in exchanges of a batch: what the connection that writes sends at once. Exchange 0 begins the
batch. Cut "before", the server never gets it; cut "after", the server has answered, and the answer is lost.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import trio

SOCKET = ".s.PGSQL.5432"
BEGINS = b"journal_head FOR UPDATE"
COMMITS = b"NOTIFY"  # in one exchange with COMMIT, where a batch has entries
Side = Literal["before", "after"]
Exchange = int | Literal["commit"]
SIDES: Final[tuple[Side, ...]] = ("before", "after")


@dataclass
class Proxy:
    """`url` leads to the server through the line. `exchanges`: of the newest batch, counted so far."""

    url: str
    folder: Path
    server: Path
    exchanges: int = 0
    is_down: bool = False
    """Connections are refused, and those that exist end."""
    is_frozen: bool = False
    """Nothing arrives on the other side until `thaw`, and connections are refused."""
    _cut: tuple[Exchange, Side] | None = None
    _links: set[trio.CancelScope] = field(default_factory=set)
    _thawed: trio.Event = field(default_factory=trio.Event)

    def cut_at(self, exchange: Exchange, side: Side) -> None:
        """Cut the connection once, in the next batch that reaches this exchange. "commit": the last one of a
        batch with entries."""
        self._cut = exchange, side

    @property
    def has_cut(self) -> bool:
        return self._cut is None

    def go_down(self) -> None:
        self.is_down = True
        for link in list(self._links):
            link.cancel()

    def thaw(self) -> None:
        self.is_frozen = False
        self._thawed.set()
        self._thawed = trio.Event()

    async def pass_on(self) -> None:
        """Wait while it is frozen."""
        while self.is_frozen:
            await self._thawed.wait()

    async def _link(self, client: trio.SocketStream) -> None:
        if self.is_down or self.is_frozen:
            await client.aclose()
            return
        server = await trio.open_unix_socket(self.server / SOCKET)
        async with client, server, trio.open_nursery() as nursery:
            link = _Link(self, client, server, nursery.cancel_scope)
            self._links.add(nursery.cancel_scope)
            nursery.start_soon(link.up)
            nursery.start_soon(link.down)
        self._links.discard(nursery.cancel_scope)

    def decide(self, data: bytes) -> Side | None:
        """Whether this exchange of the writer is cut, and where."""
        self.exchanges = 0 if BEGINS in data else self.exchanges + 1
        if self._cut is None:
            return None
        exchange, side = self._cut
        if exchange != (self.exchanges if isinstance(exchange, int) else COMMITS in data and "commit"):
            return None
        self._cut = None
        return side


@dataclass
class _Link:
    proxy: Proxy
    client: trio.SocketStream
    server: trio.SocketStream
    scope: trio.CancelScope
    writes: bool = False
    loses_answer: bool = False

    async def up(self) -> None:
        try:
            async for data in self.client:
                await self.proxy.pass_on()
                self.writes = self.writes or BEGINS in data
                side = self.proxy.decide(bytes(data)) if self.writes else None
                if side == "before":
                    break
                self.loses_answer = side == "after"
                await self.server.send_all(data)
        except trio.BrokenResourceError:
            pass
        self.scope.cancel()

    async def down(self) -> None:
        try:
            async for data in self.server:
                if self.loses_answer:
                    break
                await self.proxy.pass_on()
                await self.client.send_all(data)
        except trio.BrokenResourceError:
            pass
        self.scope.cancel()


@asynccontextmanager
async def cutting_proxy(url: str, server: Path) -> AsyncIterator[Proxy]:
    """Between clients of the returned `url` and the server that listens in the folder `server`."""
    with tempfile.TemporaryDirectory(prefix="line-") as name:
        proxy = Proxy(url.replace(str(server), name), Path(name), server)
        with trio.socket.socket(trio.socket.AF_UNIX) as listening:
            await listening.bind(f"{name}/{SOCKET}")
            listening.listen(50)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.serve_listeners, proxy._link, [trio.SocketListener(listening)])
                yield proxy
                nursery.cancel_scope.cancel()
