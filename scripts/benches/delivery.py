"""Video to many tablets: byte ranges of a file and of a virtual clip, beside nginx on the same file.

Goal: at least 0.8 of nginx with 20 clients, a mark's p99 < 50 ms meanwhile, flat memory. The server runs in a
process of its own; every client asks for one 10 MB range after the other. nginx (Debian's) is left out where
it is not installed. Importable: `measure(...)` returns one row as a dict. Options: --json, --seconds N.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

FILE_BYTES = 64 << 20
RANGE_BYTES = 10_000_000
HEADER_BYTES = 30_000  # of a virtual clip: ftyp and moov of 12 s
VIRTUAL_PIECES = 60  # parts of 0.2 s
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
MARK_EVERY_S = 0.01


# -- the server's process ----------------------------------------------------------------------------


def serve(path: str) -> None:
    """The box's server with /file, /virtual and /plain (the fallback), and POST /mark: one commit."""
    import trio

    from appliance.kernel.clock import BoxClock
    from appliance.kernel.store import open_store
    from appliance.web.ranges import FileRange, Media, send_media
    from appliance.web.server import run_server

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
                    app, host="127.0.0.1", port=0, stop=trio.Event(), task_status=task_status
                )
            )
            print(bound.port, flush=True)
            await trio.to_thread.run_sync(sys.stdin.readline)
            nursery.cancel_scope.cancel()

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
    """nginx as it would be set up for this: one worker (the box has one process too), sendfile."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = path.parent
    (folder / "nginx.conf").write_text(
        f"worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;\n"
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


def measure(port: int, pid: int, path: str, *, clients: int, seconds: float, marks: bool) -> dict[str, Any]:
    """One run: {"gbit_s", "rss_mb", "mark_p50_ms", "mark_p99_ms"}."""
    players = [Player(port, path) for _ in range(clients)]
    watch = selectors.DefaultSelector()
    for player in players:
        watch.register(player.sock, selectors.EVENT_READ, player)
    scratch = bytearray(1 << 20)
    stop = threading.Event()
    took_s: list[float] = []
    marker = threading.Thread(target=_mark, args=(port, stop, took_s)) if marks else None
    if marker:
        marker.start()
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        for key, _ in watch.select(1):
            key.data.take(scratch)
    lasted = time.monotonic() - began
    rss_mb = _rss_mb(pid)
    stop.set()
    for player in players:
        player.sock.close()
    if marker:
        marker.join()
    row: dict[str, Any] = {
        "clients": clients,
        "gbit_s": round(sum(player.received for player in players) * 8 / lasted / 1e9, 1),
        "rss_mb": rss_mb,
    }
    if took_s:
        took_s.sort()
        row["mark_p50_ms"] = round(took_s[len(took_s) // 2] * 1e3, 1)
        row["mark_p99_ms"] = round(took_s[len(took_s) * 99 // 100] * 1e3, 1)
    return row


def _mark(port: int, stop: threading.Event, took_s: list[float]) -> None:
    """Press a mark every 10 ms on a connection of its own: request, commit, answer."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        while not stop.wait(MARK_EVERY_S):
            began = time.monotonic()
            sock.sendall(b"POST /mark HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
            answer = b""
            while not answer.endswith(b"{}"):
                answer += sock.recv(4096)
            took_s.append(time.monotonic() - began)


def _rss_mb(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) // 1024 if found else 0


def run(seconds: float) -> list[dict[str, Any]]:
    """Every way with 1, 8 and 20 clients; `of_nginx` is the ratio to nginx in the same run."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        path.write_bytes(os.urandom(1 << 20) * (FILE_BYTES >> 20))
        has_nginx = shutil.which("nginx") is not None
        with box_server(path) as box:
            alone = measure(*box, "/file", clients=0, seconds=seconds, marks=True)
            rows.append({"how": "marks alone", **alone})
            for clients in (1, 8, 20):
                beside = 0.0
                if has_nginx:
                    with nginx_server(path) as other:
                        row = measure(*other, "/film.mp4", clients=clients, seconds=seconds, marks=False)
                    beside = row["gbit_s"]
                    rows.append({"how": "nginx, file", **row})
                for how, name in (("file", "/file"), ("virtual clip", "/virtual"), ("plain ASGI", "/plain")):
                    row = measure(*box, name, clients=clients, seconds=seconds, marks=True)
                    ratio = round(row["gbit_s"] / beside, 2) if beside else None
                    rows.append({"how": how, **row, "of_nginx": ratio})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=2.0, help="per row")
    parser.add_argument("--quick", action="store_true", help="proves the code, not the figures")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.seconds = 0.5
    if options.serve:
        serve(options.serve)
        return
    rows = run(options.seconds)
    print(json.dumps({"delivery": rows}) if options.json else _table(rows))


def _table(rows: list[dict[str, Any]]) -> str:
    lines = ["delivery        clients   Gbit/s  of nginx  mark p50 ms  mark p99 ms  RSS MB"]
    for row in rows:
        shown = [row.get(key) if row.get(key) is not None else "-" for key in ("of_nginx", "mark_p50_ms")]
        last = row.get("mark_p99_ms", "-")
        lines.append(
            f"{row['how']:15} {row['clients']:>7} {row['gbit_s']:>8} {shown[0]:>9} {shown[1]:>12} {last:>12}"
            f" {row['rss_mb']:>7}"
        )
    lines.append("goal: 20 clients, file and virtual clip >= 0.8 of nginx, mark p99 < 50 ms, RSS flat")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
