"""A narrow link between a browser and a box: a TCP relay with one queue per direction, emptied at the link's
rate.

Owns: the rate, fairness, and how much of a connection may be in the queue (like the congestion window of a
real link: the more parallel downloads, the longer everything waits). Must not know: HTTP. Loses nothing.
"""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import trio

PIECE = 1448  # bytes of a packet
WINDOW = 11  # packets of a connection in flight: 16 kB
BUFFER_BYTES = 16 * 1024  # of the relay's own sockets: the link limits the box, not the relay
Deliver = Callable[[bytes], None]


@dataclass(frozen=True)
class Link:
    """An active link, usable from any thread."""

    url: str
    stop: Callable[[], None]
    cut: Callable[[], None]  # nothing passes, and neither side is notified: a tablet out of range
    mend: Callable[[], None]  # data in flight arrives now


class _Reach:
    """Whether data passes."""

    def __init__(self) -> None:
        self.back = trio.Event()
        self.back.set()

    def cut(self) -> None:
        self.back = trio.Event()

    def mend(self) -> None:
        self.back.set()


class _Lane:
    """One direction. All its data share one queue."""

    def __init__(self, bits_per_s: float, reach: _Reach) -> None:
        self._rate = bits_per_s / 8
        self._reach = reach
        self._put, self._take = trio.open_memory_channel[tuple[bytes, Deliver]](math.inf)

    def put(self, piece: bytes, deliver: Deliver) -> None:
        self._put.send_nowait((piece, deliver))

    async def drain(self) -> None:
        free = 0.0
        async for piece, deliver in self._take:
            free = max(free, trio.current_time()) + len(piece) / self._rate
            await trio.sleep_until(free)
            await self._reach.back.wait()
            deliver(piece)


async def _carry(source: trio.SocketStream, sink: trio.SocketStream, lane: _Lane) -> None:
    """Bytes of one connection in one direction, until it ends."""
    window = trio.Semaphore(WINDOW)
    put, take = trio.open_memory_channel[bytes](WINDOW + 1)

    async def read() -> None:
        while True:
            await window.acquire()
            piece = await source.receive_some(PIECE)
            lane.put(piece, put.send_nowait)
            if not piece:
                return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        async for piece in take:
            if not piece:
                await sink.send_eof()
                return
            await sink.send_all(piece)
            window.release()


async def _serve(port: int, bits_per_s: float, deliver: Callable[[Link], None]) -> None:
    reach = _Reach()
    down, up = _Lane(bits_per_s, reach), _Lane(bits_per_s, reach)

    async def relay(near: trio.SocketStream) -> None:
        try:
            async with await trio.open_tcp_stream("127.0.0.1", port) as far, near:
                for stream in (near, far):
                    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
                    stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_carry, near, far, up)
                    nursery.start_soon(_carry, far, near, down)
        except* (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            pass  # one side has closed

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(down.drain)
        nursery.start_soon(up.drain)
        soon = partial(partial, trio.lowlevel.current_trio_token().run_sync_soon)
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        deliver(Link(url, soon(nursery.cancel_scope.cancel), soon(reach.cut), soon(reach.mend)))
        await trio.serve_listeners(relay, [listener])


@contextmanager
def narrow_link(port: int, bits_per_s: float = 5e6) -> Iterator[Link]:
    """127.0.0.1:`port` behind a link of that rate in each direction."""
    known = threading.Event()
    results: list[Link] = []

    def deliver(link: Link) -> None:
        results.append(link)
        known.set()

    thread = threading.Thread(target=trio.run, args=(_serve, port, bits_per_s, deliver), daemon=True)
    thread.start()
    assert known.wait(10), "the relay did not start"
    (link,) = results
    try:
        yield link
    finally:
        link.stop()
        thread.join(10)
