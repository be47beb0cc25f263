"""The real daemon for benches: a separate process, and lightweight clients that do not distort the
figures."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
START_S = 60.0  # how long to wait for a daemon on a busy machine
BOX = [sys.executable, "-m", "appliance"]  # may be prefixed with a profiler


@dataclass(frozen=True)
class Daemon:
    """A running box; `base` is its folder."""

    process: subprocess.Popen[bytes]
    port: int
    base: Path
    ready_s: float  # process start to /readyz answering

    def cpu_s(self) -> float:
        """User and system time of the daemon so far, without its workers."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return round(int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024, 1)


def settings_file(base: Path, port: int, channels: Sequence[str], recordings: Path | None = None) -> Path:
    """Settings of a box that indexes external recordings and serves only this machine."""
    blocks = "".join(f'[[channels]]\nid = "{name}"\n' for name in channels)
    path = base / "appliance.toml"
    path.write_text(
        f'[server]\nport = {port}\nlocal_port = 0\n[recorder]\nmode = "external"\n'
        f'[storage]\nstate_dir = "{base / "state"}"\nrecordings_dir = "{recordings or base / "recordings"}"\n'
        f"reserve_gb = 0\n[retention]\nmin_free_gb = 0\n{blocks}"
    )
    return path


@contextmanager
def daemon(base: Path, channels: Sequence[str], recordings: Path | None = None) -> Iterator[Daemon]:
    """`appliance serve` from process start to SIGTERM; its log is base/log, shown when it fails to start."""
    base.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [*BOX, "serve", "--config", str(settings_file(base, port, channels, recordings))]
    with open(base / "log", "wb") as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=ROOT, env=compiled_once(), stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    try:
        ready_s = _ready(process, port, began, base / "log")
        yield Daemon(process, port, base, ready_s)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@cache
def compiled_once() -> dict[str, str]:
    """The environment in which .pyc files are kept, since an installed box is compiled at installation."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    if os.access(ROOT / "appliance", os.W_OK):
        return environment
    folder = tempfile.mkdtemp(prefix="bench-pyc-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return {**environment, "PYTHONPYCACHEPREFIX": folder}


def _ready(process: subprocess.Popen[bytes], port: int, began: float, log: Path) -> float:
    while time.perf_counter() - began < START_S and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as sock:
                sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                if sock.recv(12).startswith(b"HTTP/1.1 "):
                    return time.perf_counter() - began
        except OSError:
            time.sleep(0.002)
    raise SystemExit(f"the daemon did not answer on port {port}:\n{log.read_text()[-2000:]}")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Http:
    """One keep-alive connection with minimal overhead, so that it does not distort the measurement."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def send(self, method: str, path: str, body: Any = None) -> float:
        """Returns when the last byte was handed to the kernel (perf_counter)."""
        data = b"" if body is None else json.dumps(body).encode()
        kind = "Content-Type: application/json\r\n" if data else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{kind}Content-Length: {len(data)}\r\n\r\n"
        self.sock.sendall(head.encode() + data)
        return time.perf_counter()

    def receive(self) -> tuple[int, Any]:
        """(status, body) of the next answer."""
        data = self._rest
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        head = data[:end].lower()
        at = head.index(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        while len(data) < end + 4 + length:
            data += self._more()
        body, self._rest = data[end + 4 : end + 4 + length], data[end + 4 + length :]
        return int(head[9:12]), json.loads(body) if body else None

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's body; any status but 2xx ends the bench."""
        self.send(method, path, body)
        status, answer = self.receive()
        if status // 100 != 2:
            raise SystemExit(f"{method} {path}: {status} {answer}")
        return answer

    def _more(self) -> bytes:
        chunk = self.sock.recv(1 << 16)
        if not chunk:
            raise SystemExit("the daemon closed a connection")
        return chunk


class WebSocket:
    """One reader of /ws that answers pings."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.sendall(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        head = b""
        while b"\r\n\r\n" not in head:
            if not (byte := self.sock.recv(1)):
                raise SystemExit(f"/ws was refused: {head!r}")
            head += byte
        self.sock.setblocking(False)
        self._rest = b""

    def received(self) -> list[Any]:
        """Every message that has already arrived; does not wait."""
        while True:
            try:
                chunk = self.sock.recv(1 << 18)
            except BlockingIOError:
                break
            if not chunk:
                raise SystemExit("the daemon closed /ws")
            self._rest += chunk
        results = []
        while (message := self._take()) is not None:
            results += [json.loads(message)] if message else []
        return results

    def _take(self) -> bytes | None:
        """The next message; empty for a control frame, None when it has not arrived completely."""
        data = self._rest
        if len(data) < 2:
            return None
        length, at = data[1], 2
        if length >= 126:
            at = 4 if length == 126 else 10
            if len(data) < at:
                return None
            length = int.from_bytes(data[2:at], "big")
        if len(data) < at + length:
            return None
        self._rest = data[at + length :]
        if data[0] & 0x0F == 9:
            self.sock.send(b"\x8a\x80\0\0\0\0")
        return data[at : at + length] if data[0] & 0x0F == 1 else b""
