"""Marks beside video over 5 Mbit/s: how long one waits behind the angles a tablet loads.

Goal: acknowledged in < 100 ms (p50) while angles load, two at a time as the app loads them. Four at a time is
what it would be without that rule. The link is tests/kit/narrow.py: one queue a direction, 16 kB of each
connection in it. A network that queues more than that adds its own time, whoever sends.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchkit
from benchkit import Http, Options, Row
from delivery import FILE_BYTES, box_server

CASES = {"nothing loads": 0, "two angles load": 2, "four angles load": 4}
LINK_BITS_PER_S = 5e6
GOAL_MS = 100
FLOWING_BYTES = 100_000  # of each download before marks are measured
EVERY_S = 0.03


@contextmanager
def downloads(port: int, count: int) -> Iterator[None]:
    """So many connections that load a file without end; returns when bytes flow on each."""
    socks = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    flowing = [threading.Event() for _ in socks]

    def load(sock: socket.socket, flows: threading.Event) -> None:
        sock.sendall(b"GET /file HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        got = 0
        try:
            while chunk := sock.recv(1 << 16):
                got += len(chunk)
                if got > FLOWING_BYTES:
                    flows.set()
        except OSError:
            return

    threads = [
        threading.Thread(target=load, args=pair, daemon=True) for pair in zip(socks, flowing, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        for each in flowing:
            if not each.wait(30):
                raise SystemExit("no bytes come through the link")
        yield
    finally:
        for sock in socks:
            sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in threads:
            thread.join(10)


def marks(port: int, count: int) -> list[float]:
    """Seconds each of `count` marks took, one after the other on one connection."""
    client, took = Http(port), []
    for _ in range(count):
        began = time.perf_counter()
        client.call("POST", "/mark")
        took.append(time.perf_counter() - began)
        time.sleep(EVERY_S)
    client.sock.close()
    return took


def narrow(options: Options) -> list[Row]:
    from tests.kit.narrow import narrow_link

    path = options.folder / "file"
    with path.open("wb") as file:
        file.truncate(FILE_BYTES)
    rows = []
    for case, count in CASES.items():
        with box_server(path) as (port, _), narrow_link(port, LINK_BITS_PER_S) as link:
            near = int(urlsplit(link.url).port or 0)
            with downloads(near, count):
                took = marks(near, 5 if options.quick else 100)
        row = {"case": case, **benchkit.spread_ms(took)}
        rows.append({**row, "goal_ms": GOAL_MS, "met": row["p50_ms"] < GOAL_MS})
    return rows


if __name__ == "__main__":
    benchkit.run("narrow", __doc__, {"narrow": narrow})
