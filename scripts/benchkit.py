"""What every bench shares: timing side by side, tables, 1080p footage, the real daemon in its own process.

A bench is a file of scripts/benches whose parts are functions from Options to rows; `run` gives it a command
line. Methods that are compared take turns inside one round, so a noisy neighbour hits them alike; ratios are
to the first method, ours. Everything is made in a temporary folder (TMPDIR chooses the disk) and removed at
the end.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

Row = dict[str, Any]
START_S = 20.0
BOX = [sys.executable, "-m", "appliance"]  # a profiler may be put in front


@dataclass(frozen=True)
class Options:
    """`quick`: small pictures and few rounds; the figures are of no use, the code is the same."""

    quick: bool
    folder: Path
    only: frozenset[str]  # empty: everything

    def wants(self, part: str) -> bool:
        return not self.only or part in self.only


def run(name: str, doc: str | None, parts: Mapping[str, Callable[[Options], list[Row]]]) -> None:
    """The command line of a bench: --json, --quick, --only PART."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--quick", action="store_true", help="a few seconds; proves the code, not the figures"
    )
    parser.add_argument("--only", action="append", choices=list(parts), default=[])
    asked = parser.parse_args()
    tables: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
        options = Options(asked.quick, Path(folder), frozenset(asked.only))
        for part, measure in parts.items():
            if options.wants(part):
                tables[part] = measure(options)
                if not asked.json:
                    print(table(f"{name}: {part}", tables[part]), flush=True)
    if asked.json:
        print(json.dumps({name: tables}), flush=True)


# -- figures ------------------------------------------------------------------------------------------------


def quantile(values: Sequence[float], share: float) -> float:
    order = sorted(values)
    return order[min(len(order) - 1, int(len(order) * share))]


def spread_ms(values_s: Sequence[float]) -> Row:
    """Least, p50, p99 and greatest in ms, and of how many. On a busy machine the least says what is ours."""
    if not values_s:
        return {"min_ms": None, "p50_ms": None, "p99_ms": None, "max_ms": None, "n": 0}
    told = {"min_ms": min(values_s), "p50_ms": quantile(values_s, 0.5)}
    told |= {"p99_ms": quantile(values_s, 0.99), "max_ms": max(values_s)}
    return {key: round(value * 1000, 2) for key, value in told.items()} | {"n": len(values_s)}


def race(
    methods: Mapping[str, Callable[[int], object]],
    rounds: int,
    *,
    warm_up: int = 1,
    tidy: Callable[[], object] = lambda: None,
) -> list[Row]:
    """Run every method once a round; rows of median and min ms with the ratio to the first method.

    The first `warm_up` calls of each are thrown away: they open libraries and warm caches. `tidy` runs after
    every call and is not timed.
    """
    took: dict[str, list[float]] = {name: [] for name in methods}
    for turn in range(rounds + warm_up):
        for name, method in methods.items():
            began = time.perf_counter()
            method(turn)
            took_s = time.perf_counter() - began
            tidy()
            if turn >= warm_up:
                took[name].append(took_s)
    ours = statistics.median(next(iter(took.values())))
    return [
        {
            "method": name,
            "median_ms": round(statistics.median(times) * 1000, 3),
            "min_ms": round(min(times) * 1000, 3),
            "ratio": round(statistics.median(times) / ours, 1),
        }
        for name, times in took.items()
    ]


def table(title: str, rows: Sequence[Row]) -> str:
    """Columns in the order of their first use, the goal last; a missing value is a dash."""
    columns: list[str] = []
    for row in rows:
        columns += [key for key in row if key not in columns]
    columns.sort(key="goal".__eq__)
    cells = [columns, *([_cell(row.get(key)) for key in columns] for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(columns))]
    lines = [
        "  ".join(
            cell.rjust(width) if n and not cell[:1].isalpha() else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    return f"\n== {title}\n" + "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _cell(value: object) -> str:
    return "-" if value is None else str(value)


# -- footage ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def hd_footage(*, seconds: int, quick: bool, b_frames: int = 2) -> Any:
    """Barcoded 1080p30 of about 6 Mbit/s with a 2 s GOP and sound; with `quick` 320x180.

    Ultrafast, because only its size and structure matter. A few seconds of work for 20 s of footage.
    """
    from tests.kit.camera import Footage, _tone, make_footage

    if quick:
        return make_footage(frames=seconds * 30, fps=Fraction(30), gop=60, b_frames=b_frames)
    sets, video = _encode_hd(seconds * 30, b_frames)
    return Footage("h264", Fraction(30), 1920, 1080, sets, video, tuple(_tone(seconds * 48_000)))


def _encode_hd(frames: int, b_frames: int) -> tuple[tuple[bytes, ...], tuple[Any, ...]]:
    import av
    from av.video.codeccontext import VideoCodecContext

    from appliance.media import annexb
    from appliance.media.fragment import Sample

    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 1920, 1080, "yuv420p"
    encoder.framerate, encoder.time_base, encoder.bit_rate = Fraction(30), Fraction(1, 90_000), 6_000_000
    params = f"keyint=60:min-keyint=60:scenecut=0:bframes={b_frames}:b-adapt=0:repeat-headers=1"
    encoder.options = {"preset": "ultrafast", "x264-params": params + ":vbv-maxrate=7000:vbv-bufsize=7000"}
    video: list[Sample] = []
    sets: tuple[bytes, ...] = ()
    pictures = _pictures(frames)
    for packet in [packet for frame in [*pictures, None] for packet in encoder.encode(frame)]:
        assert packet.pts is not None and packet.dts is not None
        unit = annexb.access_unit("h264", annexb.split(bytes(packet)))
        own = tuple(nal for group in unit.sets for nal in group)
        sets = sets or own
        data = annexb.length_prefixed(own + unit.nals)
        video.append(Sample(packet.dts, packet.pts, 3000, unit.sync, data))
    return sets, tuple(video)


def _pictures(frames: int) -> Iterator[Any]:
    """A grainy field that moves unevenly, with the frame's number in it."""
    from av.video.frame import VideoFrame

    from appliance.media import barcode

    size = 1920 * 1080
    soft = bytes(
        96 + level // 4 for level in range(256)
    )  # like grass under floodlight: detail, little contrast
    field = Random(7).randbytes(1920 * 1400).translate(soft)
    for number in range(frames):
        frame = VideoFrame(1920, 1080, "yuv420p")
        luma = frame.planes[0]
        assert luma.line_size == 1920
        at = (number * number * 37 % 300) * 1920 + number * 3 % 64
        plane = bytearray(field[at : at + size])
        barcode.draw(plane, 1920, 1920, number, number * 1_000_000 // 30)
        luma.update(bytes(plane))
        for colour in frame.planes[1:]:
            colour.update(bytes([128]) * colour.buffer_size)
        frame.pts, frame.time_base = number * 3000, Fraction(1, 90_000)
        yield frame


# -- the daemon ---------------------------------------------------------------------------------------------


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
    """Settings of a box that indexes what others record, and serves this machine alone."""
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
    """The environment with a folder for .pyc files: an installed box compiles when it is installed."""
    folder = tempfile.mkdtemp(prefix="bench-pyc-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    told = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**told, "PYTHONPYCACHEPREFIX": folder}


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
    """One keep-alive connection, as thin as can be: it must not be what is measured."""

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
        """Every message that is there now; does not wait."""
        while True:
            try:
                chunk = self.sock.recv(1 << 18)
            except BlockingIOError:
                break
            if not chunk:
                raise SystemExit("the daemon closed /ws")
            self._rest += chunk
        found = []
        while (message := self._take()) is not None:
            found += [json.loads(message)] if message else []
        return found

    def _take(self) -> bytes | None:
        """The next message; empty for a control frame, None when it is not there whole."""
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


def ffmpeg() -> str | None:
    """The CLI to compare with, where it is installed."""
    return shutil.which("ffmpeg")


def quiet(*command: str) -> bytes:
    """Run to its end; what it wrote to stdout."""
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True).stdout
