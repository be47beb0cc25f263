"""/ws fan-out: 200 tablets, five of which stop reading. Goals: p99 < 20 ms at 50 and 500 events/s, and with
TLS at 50.

The server runs in a separate process: real store (in memory-backed files: the disk is not measured here),
real web server. Latency is from before the commit to the frame's arrival in the load process.
"""

from __future__ import annotations

import json
import os
import re
import resource
import selectors
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchkit
import benchwatch
from benchkit import Options, Row

EVENT = re.compile(rb'"seq":(\d+),"ts":"[^"]*","t":(\d+),')
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PAD = "x" * 440  # an event of a clip is about 600 bytes
PONG = b"\x8a\x80\0\0\0\0"


# -- the server's process ----------------------------------------------------------------------------


def serve(rate: float, seconds: float, use_direct: bool, use_tls: bool) -> None:
    """Print the port, wait for a line on stdin, produce events for a while, print the cost."""
    import trio

    from appliance.box.live.broadcaster import run_live
    from appliance.kernel import interpreter
    from appliance.kernel.clock import BoxClock
    from appliance.kernel.store import open_store
    from appliance.server.connections.server import run_server

    async def produce(store: Any) -> None:
        due = trio.current_time()
        end = due + seconds
        limit = trio.Semaphore(200)

        async def write(stamp_ns: int) -> None:
            body = {"t": stamp_ns, "session_id": "s_01", "clip": {"title": PAD}}
            await store.write(lambda tx: tx.append("clip_ready", "clip:x", body))
            limit.release()

        async with trio.open_nursery() as nursery:
            while due < end:
                await trio.sleep_until(due)
                await limit.acquire()
                nursery.start_soon(write, time.monotonic_ns())
                due += 1 / rate

    async def main(folder: str) -> None:
        interpreter.freeze()
        clock = BoxClock.start(None, None)
        async with open_store(Path(folder) / "box.db", clock) as store, trio.open_nursery() as nursery:
            live = await nursery.start(
                lambda task_status: run_live(
                    store=store,
                    site_id="bench",
                    clock=clock,
                    commands=(),
                    use_direct=use_direct,
                    task_status=task_status,
                )
            )
            route = live.route()

            async def app(scope: Any, receive: Any, send: Any) -> None:
                await route.handler(scope, receive, send, {})

            tls = _tls(Path(folder), app) if use_tls else None
            bound = await nursery.start(
                lambda task_status: run_server(
                    app, host="127.0.0.1", port=0, tls=tls, stop=trio.Event(), task_status=task_status
                )
            )
            print(bound.tls_port or bound.port, flush=True)
            await trio.to_thread.run_sync(sys.stdin.readline)
            watch = benchwatch.Watch(os.getpid())
            await produce(store)
            used = watch.taken()
            stats = live.stats()
            print(
                json.dumps(
                    {
                        "events": store.journal.head,
                        "cpu_percent": used.cpu_percent,
                        "waited_percent": used.waited_percent,
                        "clients_at_end": len(stats.clients),
                        "direct": all(each.is_direct for each in stats.clients),
                        "server_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                    }
                ),
                flush=True,
            )
            await trio.to_thread.run_sync(sys.stdin.readline)
            nursery.cancel_scope.cancel()

    interpreter.configure()
    with tempfile.TemporaryDirectory(dir=_memory_folder()) as folder:
        trio.run(main, folder)


def _tls(folder: Path, app: Any) -> Any:
    """The box's own certificate, as with server.tls = "auto"."""
    from appliance.network.certificates import open_authority
    from appliance.network.tls import OwnCertificate, Tls
    from appliance.server.connections.server import TlsListener

    authority = open_authority(folder / "tls", "bench.local", "Bench")
    tls = Tls(OwnCertificate(folder / "tls", authority, "bench.local", lambda: ["127.0.0.1"]))
    tls.load()
    return TlsListener(app, 0, tls.context)


def _memory_folder() -> str | None:
    return "/dev/shm" if os.path.isdir("/dev/shm") else None


# -- the load ----------------------------------------------------------------------------------------


class Tablet:
    """One connection that reads and answers pings; counts gaps in seq."""

    def __init__(
        self, port: int, receive_buffer: int | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.sock = socket.socket()
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.connect(("127.0.0.1", port))
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock)
        self.sock.sendall(HANDSHAKE)
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.sock.recv(1)
        self.sock.setblocking(False)
        self.rest = b""
        self.seq = 0
        self.gaps = 0
        self.ended = False

    def take(self, seen_ns: array[int]) -> None:
        try:
            data = self.sock.recv(1 << 18)
            while isinstance(self.sock, ssl.SSLSocket) and (more := self.sock.pending()):
                data += self.sock.recv(more)
        except (BlockingIOError, ConnectionError, ssl.SSLWantReadError):
            return
        now = time.monotonic_ns()
        if not data:
            self.ended = True
            return
        if b"\x89\x00" in data:
            self.sock.send(PONG)
        data = self.rest + data
        end = 0
        for match in EVENT.finditer(data):
            seq = int(match[1])
            self.gaps += self.seq not in (0, seq - 1)
            self.seq = seq
            seen_ns.append(now - int(match[2]))
            end = match.end()
        self.rest = data[end:][-200:] if end else data[-200:]


def run(
    *, rate: float, clients: int, stopped: int, seconds: float, use_direct: bool, use_tls: bool = False
) -> Row:
    """One run: {"p50_ms", "p99_ms", "max_ms", "delivered", "gaps", "cpu_percent", ...}."""
    arguments = ["--serve", str(rate), str(seconds), str(int(use_direct)), str(int(use_tls))]
    with subprocess.Popen(
        [sys.executable, __file__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdin and server.stdout
        port = int(server.stdout.readline())
        context = ssl._create_unverified_context() if use_tls else None
        tablets = [Tablet(port, tls=context) for _ in range(clients)]
        silent = [Tablet(port, receive_buffer=4096, tls=context) for _ in range(stopped)]
        watch = selectors.DefaultSelector()
        for tablet in tablets:
            watch.register(tablet.sock, selectors.EVENT_READ, tablet)
        output_fd = os.dup(server.stdout.fileno())
        watch.register(output_fd, selectors.EVENT_READ, None)
        seen_ns: array[int] = array("q")
        server.stdin.write(b"\n")
        server.stdin.flush()
        own_s, began_s = time.process_time(), time.monotonic()
        _collect(watch, seen_ns)
        load = round((time.process_time() - own_s) / (time.monotonic() - began_s) * 100, 1)
        message = json.loads(server.stdout.readline())
        _drain(watch, output_fd, seen_ns)
        server.stdin.write(b"\n")
        server.stdin.flush()
        for each in (*tablets, *silent):
            each.sock.close()
        os.close(output_fd)
    way = ("direct" if use_direct else "plain ASGI") + (", TLS" if use_tls else "")
    parameters = {"way": way, "rate": rate, "clients": clients, "stopped": stopped}
    return _row(parameters, seen_ns, tablets, {**message, "load_cpu_percent": load})


def _collect(watch: selectors.BaseSelector, seen_ns: array[int]) -> None:
    """Read all connections until the server reports the end."""
    while True:
        done = False
        for key, _ in watch.select():
            if key.data is None:
                done = True
            else:
                key.data.take(seen_ns)
                if key.data.ended:
                    watch.unregister(key.fd)
        if done:
            return


def _drain(watch: selectors.BaseSelector, timer: int, seen_ns: array[int]) -> None:
    watch.unregister(timer)
    while ready := watch.select(0.3):
        for key, _ in ready:
            key.data.take(seen_ns)
            if key.data.ended:
                watch.unregister(key.fd)


def _row(asked: Row, seen_ns: array[int], tablets: list[Tablet], result: Row) -> Row:
    order = sorted(seen_ns)
    expected = result["events"] * len(tablets)
    return {
        **asked,
        "p50_ms": round(order[len(order) // 2] / 1e6, 2),
        "p99_ms": round(order[len(order) * 99 // 100] / 1e6, 2),
        "max_ms": round(order[-1] / 1e6, 1),
        "delivered": round(len(order) / expected, 4),
        "gaps": sum(tablet.gaps for tablet in tablets),
        **result,
    }


def measure(options: Options) -> list[Row]:
    """Goals: p99 < 20 ms at both rates, and every client except the stopped ones gets every event, in
    order."""
    seconds, clients = (0.5, 20) if options.quick else (8.0, 200)
    rows = []
    for rate, use_direct, use_tls in (
        (50.0, True, False),
        (500.0, True, False),
        (50.0, False, False),
        (50.0, True, True),
        (50.0, False, True),
    ):
        row = run(
            rate=rate, clients=clients, stopped=5, seconds=seconds, use_direct=use_direct, use_tls=use_tls
        )
        whole = row["delivered"] == 1.0 and row["gaps"] == 0
        if use_direct:  # the plain transport is the fallback, for comparison
            row["goal"] = benchwatch.verdict(
                f"p99 {row['p99_ms']} ms, goal < 20 ms, no viewer harmed",
                met=row["p99_ms"] < 20 and whole,
                waited_percent=row["waited_percent"],
            )
        rows.append(row)
    return rows


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        rate, seconds, use_direct, use_tls = sys.argv[2:]
        serve(float(rate), float(seconds), use_direct == "1", use_tls == "1")
        return
    benchkit.run("live", __doc__, {"fan_out": measure})


if __name__ == "__main__":
    main()
