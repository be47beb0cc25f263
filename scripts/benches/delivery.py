"""Video to many tablets: byte ranges of a file and of a virtual clip, compared with nginx on the same file.

Goal: at least 0.8 of nginx with 20 clients, a mark's p99 < 50 ms meanwhile, constant memory. The server runs
in a separate process, and so does the client that sends marks; every client requests one 10 MB range after
the other. nginx (Debian's) is skipped if it is not installed. The methods alternate in rounds.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchkit
import benchwatch
from benchkit import Options, Row

FILE_BYTES = 64 << 20
RANGE_BYTES = 10_000_000
HEADER_BYTES = 30_000  # of a virtual clip: ftyp and moov of 12 s
VIRTUAL_PIECES = 60  # parts of 0.2 s
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
MARK_EVERY_S = 0.01
RSS_GROWTH_MB = 16  # constant: 20 tablets would fill this with one 1 MB buffer each


# -- the server's process ----------------------------------------------------------------------------


def serve(path: str, host: str = "127.0.0.1") -> None:
    """The box's server with /file, /virtual and /plain (the fallback), and POST /mark: one commit."""
    import trio

    from appliance.http.ranges import FileRange, Media, send_media
    from appliance.kernel import interpreter
    from appliance.kernel.clock import BoxClock
    from appliance.kernel.store import open_store
    from appliance.server.connections.server import run_server

    def media_of(kind: str) -> Media:
        fd = os.open(path, os.O_RDONLY)
        if kind != "/virtual":
            return Media(FILE_BYTES, [FileRange(fd, 0, FILE_BYTES)], '"m1"')
        step = FILE_BYTES // VIRTUAL_PIECES
        pieces = [FileRange(fd, number * step, step - 4000) for number in range(VIRTUAL_PIECES)]
        return Media(
            HEADER_BYTES + sum(piece.length for piece in pieces), [b"h" * HEADER_BYTES, *pieces], '"m1"'
        )

    async def main(folder: str) -> None:
        clock = BoxClock.start(None, None)
        async with open_store(Path(folder) / "box.db", clock) as store, trio.open_nursery() as nursery:

            async def app(scope: Any, receive: Any, send: Any) -> None:
                if scope["path"] == "/mark":
                    await store.write(lambda tx: tx.append("clip_created", "clip:x", {"title": "x" * 400}))
                    headers = [(b"content-length", b"2"), (b"content-type", b"application/json")]
                    await send({"type": "http.response.start", "status": 201, "headers": headers})
                    await send({"type": "http.response.body", "body": b"{}"})
                    return
                plain = scope["path"] == "/plain"
                await send_media(scope, receive, send, media_of(scope["path"]), use_sendfile=not plain)

            bound = await nursery.start(
                lambda task_status: run_server(
                    app, host=host, port=0, stop=trio.Event(), task_status=task_status
                )
            )
            interpreter.freeze()
            print(bound.port, flush=True)
            await trio.to_thread.run_sync(sys.stdin.readline)
            nursery.cancel_scope.cancel()

    interpreter.configure()
    with tempfile.TemporaryDirectory() as folder:
        trio.run(main, folder)


@contextmanager
def box_server(path: Path) -> Iterator[tuple[int, int]]:
    """(port, process id)."""
    with subprocess.Popen(
        [sys.executable, __file__, "--serve", str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdin and server.stdout
        yield int(server.stdout.readline()), server.pid
        server.stdin.write(b"\n")
        server.stdin.flush()


@contextmanager
def nginx_server(path: Path) -> Iterator[tuple[int, int]]:
    """nginx configured for this purpose: one process (like the box), sendfile."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = path.parent
    (folder / "nginx.conf").write_text(
        f"master_process off; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;\n"
        "events { worker_connections 512; }\n"
        f"http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n"
        f"  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;\n"
        f"  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        f"  server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n"
    )
    for parent in (folder, folder.parent):  # the worker runs as www-data
        parent.chmod(parent.stat().st_mode | 0o011)
    path.chmod(0o644)
    command = ["nginx", "-e", f"{folder}/nginx.log", "-c", f"{folder}/nginx.conf"]
    with subprocess.Popen(command) as server:
        _wait_listening(port)
        yield port, server.pid
        server.terminate()


def _wait_listening(port: int, limit_s: float = 5.0) -> None:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except ConnectionRefusedError:
            threading.Event().wait(0.02)
    raise SystemExit("nginx did not start: see its error log")


# -- the load ----------------------------------------------------------------------------------------


class Player:
    """One keep-alive connection. Bodies are discarded in the kernel (MSG_TRUNC), so the load costs little."""

    def __init__(self, port: int, path: str) -> None:
        wanted = f"Range: bytes=1000-{RANGE_BYTES + 999}\r\n"
        self.request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{wanted}\r\n".encode()
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setblocking(False)
        self.head = b""
        self.left = 0
        self.received = 0
        self.finished = 0
        self.sock.send(self.request)

    def take(self, scratch: bytearray) -> None:
        if not self.left:
            self._take_head()
            return
        got = self.sock.recv_into(scratch, min(self.left, len(scratch)), socket.MSG_TRUNC)
        if not got:
            raise SystemExit("the server ended a response early")
        self.left -= got
        self.received += got
        if not self.left:
            self.finished += 1
            self.sock.send(self.request)

    def _take_head(self) -> None:
        data = self.sock.recv(4096, socket.MSG_PEEK)
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.sock.recv(end + 4)
        match = LENGTH.search(head)
        if not head.startswith(b"HTTP/1.1 206") or match is None or int(match[1]) != RANGE_BYTES:
            raise SystemExit(f"not the range asked for: {head!r}")
        self.left = RANGE_BYTES


@dataclass(slots=True)
class Turn:
    """One method in one round."""

    gbit_s: float
    load_percent: float  # CPU of this process
    box: benchwatch.Usage
    rss_mb: int
    marks_s: list[float]


def turn(port: int, pid: int, path: str, *, clients: int, seconds: float, marks: bool) -> Turn:
    """`clients` players for a while, and a client that sends marks beside them."""
    players = [Player(port, path) for _ in range(clients)]
    watch = selectors.DefaultSelector()
    for player in players:
        watch.register(player.sock, selectors.EVENT_READ, player)
    scratch = bytearray(1 << 20)
    command = [sys.executable, __file__, "--press", str(port), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) if marks else nullcontext() as presser:
        if presser is not None:
            assert presser.stdout
            presser.stdout.readline()  # it has started
        used, own_s, began = benchwatch.Watch(pid), time.process_time(), time.monotonic()
        while time.monotonic() < began + seconds:
            for key, _ in watch.select(0.1):
                key.data.take(scratch)
        lasted, own_s = time.monotonic() - began, time.process_time() - own_s
        box, rss_mb = used.taken(), _rss_mb(pid)
        took_s = json.loads(presser.stdout.readline()) if presser is not None else []  # type: ignore[union-attr]
    for player in players:
        player.sock.close()
    gbit_s = sum(player.received for player in players) * 8 / lasted / 1e9
    return Turn(gbit_s, own_s / lasted * 100, box, rss_mb, took_s)


def press(port: int, seconds: float) -> None:
    """Send a mark every 10 ms on one connection: request, commit, answer. Prints the latencies."""
    took_s = []
    with socket.create_connection(("127.0.0.1", port)) as sock:
        print("begun", flush=True)
        end = time.monotonic() + seconds
        while (began := time.monotonic()) < end:
            sock.sendall(b"POST /mark HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
            answer = b""
            while not answer.endswith(b"{}"):
                answer += sock.recv(4096)
            took_s.append(time.monotonic() - began)
            time.sleep(MARK_EVERY_S)
    print(json.dumps(took_s), flush=True)


def _rss_mb(pid: int) -> int:
    match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(match[1]) // 1024 if match else 0


WAYS = (
    ("nginx, file", "/film.mp4"),
    ("file", "/file"),
    ("virtual clip", "/virtual"),
    ("plain ASGI", "/plain"),
)


def measure(options: Options) -> list[Row]:
    """Every method with 1 and 20 clients; `of_nginx` is the median over rounds of the ratio within a
    round."""
    seconds, rounds = (0.3, 1) if options.quick else (2.0, 4)
    options.folder.chmod(0o755)
    path = options.folder / "film.mp4"
    path.write_bytes(os.urandom(1 << 20) * (FILE_BYTES >> 20))
    with box_server(path) as box, nginx_server(path) if shutil.which("nginx") else nullcontext() as other:
        alone = turn(*box, "/file", clients=0, seconds=seconds, marks=True)
        rows = [_row("marks alone", 0, [alone], [])]
        for clients in (1, 20):
            reports: dict[str, list[Turn]] = {}
            for _ in range(rounds):
                for way, name in WAYS if other else WAYS[1:]:
                    ours = way != "nginx, file"
                    server = box if ours else other
                    assert server
                    took = turn(*server, name, clients=clients, seconds=seconds, marks=ours)
                    reports.setdefault(way, []).append(took)
            beside = reports.pop("nginx, file", [])
            rows += [_row("nginx, file", clients, beside, [])] if beside else []
            rows += [_row(way, clients, turns, beside) for way, turns in reports.items()]
    return [_judged(row, rows[0]["rss_mb"]) for row in rows]


def _row(way: str, clients: int, turns: list[Turn], beside: list[Turn]) -> Row:
    ratios = [ours.gbit_s / theirs.gbit_s for ours, theirs in zip(turns, beside, strict=bool(beside))]
    marks = benchkit.spread_ms([item for each in turns for item in each.marks_s])
    return {
        "way": way,
        "clients": clients,
        "gbit_s": round(statistics.median(each.gbit_s for each in turns), 1),
        "of_nginx": round(statistics.median(ratios), 2) if ratios else None,
        "mark_p50_ms": marks["p50_ms"],
        "mark_p99_ms": marks["p99_ms"],
        "mark_max_ms": marks["max_ms"],
        "rss_mb": turns[-1].rss_mb,
        "cpu_percent": round(statistics.median(each.box.cpu_percent for each in turns), 1),
        "load_cpu_percent": round(statistics.median(each.load_percent for each in turns), 1),
        "waited_percent": round(statistics.median(each.box.waited_percent for each in turns), 1),
    }


def _judged(row: Row, rss_before_mb: int) -> Row:
    """The goal is for 20 clients; plain ASGI is the fallback, for comparison."""
    if row["clients"] == 20 and row["way"] in ("file", "virtual clip"):
        ratio, grown_mb = row["of_nginx"] or 1.0, row["rss_mb"] - rss_before_mb
        row["goal"] = benchwatch.verdict(
            f"{row['of_nginx'] or '-'} of nginx, mark p99 {row['mark_p99_ms']} ms, {grown_mb} MB more; "
            f"goal >= 0.8, < 50 ms, < {RSS_GROWTH_MB} MB",
            met=ratio >= 0.8 and row["mark_p99_ms"] < 50 and grown_mb < RSS_GROWTH_MB,
            waited_percent=row["waited_percent"],
        )
    return row


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    elif sys.argv[1:2] == ["--press"]:
        press(int(sys.argv[2]), float(sys.argv[3]))
    else:
        benchkit.run("delivery", __doc__, {"delivery": measure})


if __name__ == "__main__":
    main()
