"""Heartbeats to the real daemon: the cost of 50 devices, and the effect of 1,000/s on marks.

Goals: 50 devices (one heartbeat each 5 s) cost < 2 % of a core; at 1,000/s over 200 connections a mark's p99
stays within twice its value without them. Open loop: latency counts from when a request was due. The cases
alternate in rounds, and rounds in which the box waited for a CPU are left out if there are others.
"""

from __future__ import annotations

import json
import selectors
import socket
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchbox
import benchkit
import benchwatch
from benchbox import Daemon, Http
from benchkit import Options, Row

BODY = {"ok": True, "resolution": "1920x1080", "framerate": 29.97, "bitrate": 6_000_000, "dropped_frames": 3}
MARKS_PER_S = 50.0
CHANNELS = 50


@dataclass(slots=True)
class Device:
    """One keep-alive connection; `due` says when each unanswered request should have been sent."""

    sock: socket.socket
    request: bytes
    due: list[float] = field(default_factory=list)
    rest: bytes = b""


def devices(port: int, count: int) -> list[Device]:
    body = json.dumps(BODY).encode()
    results = []
    for number in range(count):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        head = f"POST /channels/d{number % CHANNELS}/heartbeat HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        results.append(Device(sock, head.encode() + body))
    return results


def load(
    box: Daemon, senders: list[Device], rate: float, seconds: float, marks: bytes | None = None
) -> tuple[list[float], list[float]]:
    """Send `rate` heartbeats a second for `seconds`, and marks beside them; latencies of both in seconds."""
    watch = selectors.DefaultSelector()
    for device in senders:
        watch.register(device.sock, selectors.EVENT_READ, device)
    marker = Device(Http(box.port).sock, marks or b"")
    marker.sock.setblocking(False)
    watch.register(marker.sock, selectors.EVENT_READ, marker)
    beats: list[float] = []
    marked: list[float] = []
    begin = now = time.perf_counter()
    sent = sent_marks = 0
    while now < begin + seconds or any(device.due for device in (*senders, marker)):
        if now > begin + seconds + 10:
            raise SystemExit("heartbeats were not answered")
        while rate and sent < rate * seconds and (due := begin + sent / rate) <= now:
            _send(senders[sent % len(senders)], due)
            sent += 1
        # a person's next mark waits for the previous answer
        if marks and now < begin + seconds and not marker.due and begin + sent_marks / MARKS_PER_S <= now:
            _send(marker, now)
            sent_marks += 1
        soon = begin + sent / rate - now if rate and sent < rate * seconds else 0.005
        for key, _ in watch.select(max(0.0, min(soon, 0.005))):
            _receive(key.data, marked if key.data is marker else beats)
        now = time.perf_counter()
    marker.sock.close()
    return beats, marked


def _send(device: Device, due: float) -> None:
    device.due.append(due)
    device.sock.send(device.request)


def _receive(device: Device, took: list[float]) -> None:
    data = device.rest + device.sock.recv(1 << 16)
    while (end := data.find(b"\r\n\r\n")) >= 0:
        head = data[:end].lower()
        if not head.startswith(b"http/1.1 2"):
            raise SystemExit(f"refused: {data[:500]!r}")
        length = int(head[head.index(b"content-length:") + 15 :].split(b"\r\n", 1)[0])
        if len(data) < end + 4 + length:
            break
        data = data[end + 4 + length :]
        took.append(time.perf_counter() - device.due.pop(0))
    device.rest = data


@dataclass(frozen=True, slots=True)
class Slice:
    """One case in one round; times in seconds."""

    box: benchwatch.Usage
    load_s: float  # CPU of this process
    beats: list[float]
    marks: list[float]


def measure(options: Options) -> list[Row]:
    seconds, rounds = (0.4, 1) if options.quick else (2.0, 5)
    count, rate = (20, 100.0) if options.quick else (200, 1000.0)
    cases = {
        "idle": (0.0, False),
        "50 devices": (10.0, False),
        "marks alone": (0.0, True),
        f"{rate:.0f}/s": (rate, False),
        f"{rate:.0f}/s and marks": (rate, True),
    }
    report: dict[str, list[Slice]] = {case: [] for case in cases}
    with benchbox.daemon(options.folder / "box", [f"d{number}" for number in range(CHANNELS)]) as box:
        http = Http(box.port)
        session = http.call("POST", "/sessions", {"name": "Bench", "type": "game"})["id"]
        http.call("POST", f"/sessions/{session}/start")
        mark = _mark(session)
        senders = devices(box.port, count)
        load(box, senders, rate, 0.3, mark)  # every code path once; every channel alive
        for _ in range(rounds):
            for case, (per_s, with_marks) in cases.items():
                some = senders[: 50 if per_s == 10 else None]
                report[case].append(_slice(box, some, per_s, seconds, mark if with_marks else None))
    return _rows(report)


def _slice(box: Daemon, senders: list[Device], per_s: float, seconds: float, mark: bytes | None) -> Slice:
    watch, own_s = benchwatch.Watch(box.process.pid), time.process_time()
    beats, marks = load(box, senders, per_s, seconds, mark)
    return Slice(watch.taken(), time.process_time() - own_s, beats, marks)


def _rows(cases: dict[str, list[Slice]]) -> list[Row]:
    """Medians over rounds, latencies of all of them together; the goals of the second and the last case."""
    rounds = range(len(next(iter(cases.values()))))
    quiet = [n for n in rounds if all(slices[n].box.is_quiet for slices in cases.values())]
    rows: list[Row] = []
    for case, slices in cases.items():
        used = [slices[n] for n in quiet or rounds]
        row: Row = {"case": case, "rounds": len(used)}
        row["cpu_percent"] = round(statistics.median(each.box.cpu_percent for each in used), 2)
        row["load_cpu_percent"] = round(
            statistics.median(each.load_s / each.box.wall_s for each in used) * 100, 1
        )
        row["waited_percent"] = round(statistics.median(each.box.waited_percent for each in used), 1)
        for name in ("beats", "marks"):
            took = [item for each in used for item in getattr(each, name)]
            row |= {f"{name[:-1]}_{key}": value for key, value in benchkit.spread_ms(took).items() if took}
        rows.append(row)
    return _with_goals(rows)


def _mark(session: str) -> bytes:
    """A play on one channel: a play, a clip and two journal entries. It has an end: open marks are
    limited."""
    body = json.dumps({"session_id": session, "duration_seconds": 1, "channel_ids": ["d0"]}).encode()
    head = f"POST /plays HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: application/json\r\n\r\n"
    return head.encode() + body


def _with_goals(rows: list[Row]) -> list[Row]:
    idle, fifty, alone, _, both = rows
    cost = round(fifty["cpu_percent"] - idle["cpu_percent"], 2)
    fifty["over_idle_percent"] = cost
    fifty["goal"] = benchwatch.verdict(
        f"{cost} % over idle, goal < 2 %", met=cost < 2, waited_percent=fifty["waited_percent"]
    )
    ratio = round(both["mark_p99_ms"] / alone["mark_p99_ms"], 2)
    both["of_alone"] = ratio
    both["goal"] = benchwatch.verdict(
        f"mark's p99 {ratio}x, goal within 2x", met=ratio <= 2, waited_percent=both["waited_percent"]
    )
    return rows


def main() -> None:
    benchkit.run("heartbeats", __doc__, {"heartbeats": measure})


if __name__ == "__main__":
    main()
