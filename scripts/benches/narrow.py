"""Marks beside video over 5 Mbit/s: how long one waits behind the angles a tablet loads.

Goal: acknowledged in < 100 ms (p50) while angles load, two at a time as in the app. Four at a time shows the
effect without that rule. Two links:
- a relay (tests/kit/narrow.py): one queue per direction, 16 kB of each connection in it;
- tbf (tests/kit/bottleneck.py; root only): the kernel's own queue, which holds 400 ms and which TCP fills;
  with and without the box's rule (appliance/http/pacing.py), alternating. `of_link`: the video's share of it.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchkit
import delivery
from benchkit import Options, Row
from delivery import FILE_BYTES, box_server

CASES = {"nothing loads": 0, "two angles load": 2, "four angles load": 4}
QUICK = {"two angles load": 2}
LINK_BITS_PER_S = 5e6
QUEUE_S = 0.4
ROUNDS = 3
GOAL_MS = 100
FLOWING_BYTES = 100_000  # of each download before marks are measured
EVERY_S = 0.03
CONTROL = "cubic"  # the default of Debian's kernels
UNLIMITED_BYTES = 1 << 40

Address = tuple[str, int]


class Load:
    """One connection that downloads a file repeatedly."""

    def __init__(self, address: Address) -> None:
        self.received = 0
        self.flows = threading.Event()
        self._sock = socket.create_connection(address)
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        try:
            self._sock.sendall(b"GET /file HTTP/1.1\r\nHost: box\r\n\r\n")
            while chunk := self._sock.recv(1 << 16):
                self.received += len(chunk)
                if self.received > FLOWING_BYTES:
                    self.flows.set()
        except OSError:
            return

    def close(self) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self._thread.join(10)


@contextmanager
def downloads(address: Address, count: int) -> Iterator[list[Load]]:
    """This many downloads at once; starts when bytes arrive on each."""
    loads = [Load(address) for _ in range(count)]
    try:
        if not all(load.flows.wait(30) for load in loads):
            raise SystemExit("no bytes come through the link")
        yield loads
    finally:
        for load in loads:
            load.close()


def marks(address: Address, count: int) -> list[float]:
    """The latency of each of `count` marks, in sequence on one connection, seconds."""
    took = []
    with socket.create_connection(address) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            began, answer = time.perf_counter(), b""
            sock.sendall(b"POST /mark HTTP/1.1\r\nHost: box\r\nContent-Length: 0\r\n\r\n")
            while not answer.endswith(b"{}"):
                if not (chunk := sock.recv(4096)):
                    raise SystemExit("the box closed a connection")
                answer += chunk
            took.append(time.perf_counter() - began)
            time.sleep(EVERY_S)
    return took


def turn(address: Address, loading: int, count: int) -> tuple[list[float], float]:
    """The latency of each mark, seconds, and the bits/s of video meanwhile."""
    with downloads(address, loading) as loads:
        before, began = sum(load.received for load in loads), time.perf_counter()
        took = marks(address, count)
        received = sum(load.received for load in loads) - before
        return took, received * 8 / (time.perf_counter() - began)


def _row(case: str, link: str, held_back: bool, took: list[float], bits_per_s: list[float]) -> Row:
    row = {"case": case, "link": link, "held_back": "yes" if held_back else "no", **benchkit.spread_ms(took)}
    row["of_link"] = round(sum(bits_per_s) / len(bits_per_s) / LINK_BITS_PER_S, 2)
    return {**row, "goal_ms": GOAL_MS, "met": row["p50_ms"] < GOAL_MS}


def narrow(options: Options) -> list[Row]:
    path = options.folder / "file"
    with path.open("wb") as file:
        file.truncate(FILE_BYTES)
    return [*_relayed(path, options), *_behind_bottleneck(path, options)]


def _relayed(path: Path, options: Options) -> Iterator[Row]:
    from tests.kit.narrow import narrow_link

    for case, loading in (QUICK if options.quick else CASES).items():
        with box_server(path) as (port, _), narrow_link(port, LINK_BITS_PER_S) as link:
            near = int(urlsplit(link.url).port or 0)
            took, bits_per_s = turn(("127.0.0.1", near), loading, 5 if options.quick else 100)
        yield _row(case, "relay", True, took, [bits_per_s])


# -- behind a real bottleneck --------------------------------------------------------------------------------


def _behind_bottleneck(path: Path, options: Options) -> list[Row]:
    from tests.kit.bottleneck import missing

    why_not = missing()
    if why_not is not None:
        print(f"SKIPPED behind a real bottleneck: {why_not}", file=sys.stderr)
        return []
    rows = []
    for case, loading in (QUICK if options.quick else CASES).items():
        result: dict[bool, list[tuple[list[float], float]]] = {False: [], True: []}
        for _ in range(1 if options.quick else ROUNDS):
            for held_back, turns in result.items():
                turns.append(_apart(path, held_back, loading, 5 if options.quick else 50))
        for held_back, turns in result.items():
            took = [item for each, _ in turns for item in each]
            rows.append(_row(case, f"tbf, {CONTROL}", held_back, took, [rate for _, rate in turns]))
    return rows


def _apart(path: Path, held_back: bool, loading: int, count: int) -> tuple[list[float], float]:
    """One run, by a viewer in a network namespace of its own."""
    from tests.kit.bottleneck import apart

    parameters = json.dumps([str(path), held_back, loading, count])
    report = benchkit.quiet(*apart([sys.executable, __file__, "--view", parameters]))
    took, bits_per_s = json.loads(report)
    return took, bits_per_s


def view(path: str, held_back: bool, loading: int, count: int) -> None:
    """The viewer's process. The box runs in a separate network namespace too."""
    from tests.kit.bottleneck import BOX, apart, lay_link

    command = apart([sys.executable, __file__, "--serve", path, "yes" if held_back else "no"])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin and server.stdout
        port = int(server.stdout.readline())
        lay_link(server.pid, bits_per_s=LINK_BITS_PER_S, queue_s=QUEUE_S)
        print(json.dumps(turn((BOX, port), loading, count)), flush=True)
        server.stdin.write(b"\n")
        server.stdin.flush()


def serve(path: str, held_back: bool) -> None:
    """The box's process: delivery's, with the box's congestion control, with or without the rule."""
    from appliance.http import pacing
    from appliance.server.connections import listeners

    listen = listeners._listen

    def listening(*where: Any) -> socket.socket:
        sock = listen(*where)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, CONTROL.encode())
        return sock

    listeners._listen = listening
    if not held_back:
        pacing.START_BYTES = UNLIMITED_BYTES
    delivery.serve(path, "0.0.0.0")


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], sys.argv[3] == "yes")
    elif sys.argv[1:2] == ["--view"]:
        view(*json.loads(sys.argv[2]))
    else:
        benchkit.run("narrow", __doc__, {"narrow": narrow})


if __name__ == "__main__":
    main()
