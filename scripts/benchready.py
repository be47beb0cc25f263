"""OUT -> clip_ready through the real daemon, while cameras are written in real time.

Timed from the last byte of OUT handed to the kernel to the arrival of the last clip_ready on /ws. The
cameras' writer is a separate process and reports when it closed which part, so that an OUT = now can be
separated from waiting for the footage. The next OUT is sent when the files of the previous one are written,
as in a game.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import benchbox
import benchkit
from benchbox import Daemon, Http, WebSocket
from benchkit import Options, Row

PAST_S = 20.0  # existing footage before the daemon starts
CLIP_S = 12.0
PART_S = 0.2  # what the box's own recorder writes
WAIT_S = 30.0
WARM_UP = 3  # the first cuts import modules and open files


def measure(options: Options) -> list[Row]:
    """Rows for 1 and 4 cameras, and the duration of one fdatasync here: three commits are included."""
    footage = benchkit.hd_footage(seconds=4 if options.quick else 12, quick=options.quick)
    rows: list[Row] = []
    for cameras in (2,) if options.quick else (1, 4):
        base = options.folder / f"{cameras}cameras"
        with _written(base, footage, cameras) as (names, log), benchbox.daemon(base, names) as box:
            rows += _marks(box, cameras, log, options)
    rows.append({"case": "one fdatasync of 4 KiB", **benchkit.spread_ms(_syncs(options.folder))})
    return rows


def _syncs(folder: Path, count: int = 60) -> list[float]:
    took = []
    fd = os.open(folder / "sync", os.O_WRONLY | os.O_CREAT)
    for _ in range(count):
        os.write(fd, bytes(4096))
        began = time.perf_counter()
        os.fdatasync(fd)
        took.append(time.perf_counter() - began)
    os.close(fd)
    return took


# -- the cameras --------------------------------------------------------------------------------------------


@contextmanager
def _written(base: Path, footage: Any, cameras: int) -> Iterator[tuple[list[str], Path]]:
    """Channels' names and the log of closed parts; the writer runs as long as the block."""
    names = [f"cam{n + 1}" for n in range(cameras)]
    log = base / "parts.log"
    base.mkdir(parents=True)
    spawn = multiprocessing.get_context("spawn")
    begun = spawn.Event()
    writer = spawn.Process(
        target=write_live, args=(base / "recordings", names, footage, log, begun), daemon=True
    )
    writer.start()
    try:
        if not begun.wait(WAIT_S):
            raise SystemExit("the cameras' writer did not start")
        yield names, log
    finally:
        writer.terminate()
        writer.join()


def write_live(recordings: Path, names: list[str], footage: Any, log: Path, begun: Any) -> None:
    """Write PAST_S at once and then each part when it is due, without end. Logs [channel, closed, until].

    `closed` is CLOCK_MONOTONIC s after the write; every frame captured before `until` (us) is on the disk.
    """
    from appliance.kernel.clock import wall_us
    from tests.kit.camera import RecordingWriter

    zero_us = wall_us() - round(PAST_S * 1e6)
    writers = [
        RecordingWriter(recordings / name, footage, zero_us + n * 47_000, part_s=PART_S, segment_s=60)
        for n, name in enumerate(names)
    ]
    for writer in writers:
        writer.write_until(wall_us())
    begun.set()
    with open(log, "w", buffering=1) as lines:
        while True:
            writer = min(writers, key=lambda writer: writer.next_due_us())
            time.sleep(max(0, writer.next_due_us() - wall_us()) / 1e6)
            writer.write_until(writer.next_due_us())
            entry = [names[writers.index(writer)], time.perf_counter(), _complete_until_us(writer)]
            lines.write(json.dumps(entry) + "\n")


def _complete_until_us(writer: Any) -> int:
    """Capture time of the first frame that is not on the disk yet (B-frames are out of order)."""
    newest = [frame.number for frame in writer.frames[-16:]]
    missing = next(n + 1 for n in newest if n + 1 not in newest)
    return int(writer.start_us + missing * 1_000_000 / writer.footage.fps)


# -- the marks ----------------------------------------------------------------------------------------------


def _marks(box: Daemon, cameras: int, log: Path, options: Options) -> list[Row]:
    http, ws = Http(box.port), WebSocket(box.port)
    session = http.call("POST", "/sessions", {"name": "Bench", "type": "game"})["id"]
    http.call("POST", f"/sessions/{session}/start")
    _wait_for_footage(http, cameras)
    past, answers, now_sent, now_closed = [], [], [], []
    rounds = 3 if options.quick else 40 if cameras == 4 else 20
    for turn in range(rounds + WARM_UP):
        sent, answered, ready, _ = _play(http, ws, session, in_past=True)
        if turn >= WARM_UP:
            past.append(ready - sent)
            answers.append(answered - sent)
    for _ in range(rounds // 2 + 1):
        sent, _, ready, out_us = _play(http, ws, session, in_past=False)
        now_sent.append(ready - sent)
        now_closed.append(ready - _closed_at(log, out_us, cameras))
    four = cameras == 4
    goal = "p50 <= 20 ms, p99 <= 80 ms" if four else None
    reports = [
        ("OUT of indexed footage -> last clip_ready", past, goal),
        ("OUT of indexed footage -> its own answer", answers, None),
        ("OUT = now: newest part closed -> last clip_ready", now_closed, "<= 150 ms" if four else None),
        ("OUT = now: OUT sent -> last clip_ready", now_sent, None),
    ]
    return [
        {"case": name, "cameras": cameras, **benchkit.spread_ms(took), "goal": goal}
        for name, took, goal in reports
    ]


def _wait_for_footage(http: Http, cameras: int) -> None:
    deadline = time.perf_counter() + WAIT_S
    while time.perf_counter() < deadline:
        channels = http.call("GET", "/channels")["items"]
        if sum(each["footage"] == "on" for each in channels) == cameras:
            return
        time.sleep(0.05)
    raise SystemExit("the daemon does not see the cameras' footage")


def _play(http: Http, ws: WebSocket, session: str, *, in_past: bool) -> tuple[float, float, float, int]:
    """One play: (OUT sent, OUT answered, last clip_ready, OUT in us)."""
    from appliance.kernel.clock import from_rfc3339, to_rfc3339, wall_us

    now_us = wall_us()
    start_us = now_us - round((CLIP_S + 2 * in_past) * 1e6)
    mark = {"session_id": session, "start_time": to_rfc3339(start_us), "duration_seconds": 0}
    play = http.call("POST", "/plays", mark)
    out = {"end_time": to_rfc3339(start_us + round(CLIP_S * 1e6))} if in_past else {}
    ws.received()
    sent = http.send("POST", f"/plays/{play['id']}/end", out)
    waiting = set(play["clip_ids"])
    answered = 0.0
    ended: Any = None
    while waiting or not answered:
        readable, _, _ = select.select([ws.sock, http.sock], [], [], WAIT_S)
        if not readable:
            raise SystemExit(f"no clip_ready within {WAIT_S} s of OUT")
        if http.sock in readable:
            answered = time.perf_counter()
            status, ended = http.receive()
            if status != 200:
                raise SystemExit(f"OUT: {status} {ended}")
        for event in ws.received() if ws.sock in readable else ():
            if event["type"] == "clip_failed":
                raise SystemExit(f"a clip failed: {event}")
            if event["type"] == "clip_ready" and event["clip_id"] in waiting:
                waiting.discard(event["clip_id"])
                ready = time.perf_counter()
    _wait_for_files(http, play["id"], len(play["clip_ids"]))
    return sent, answered, ready, from_rfc3339(ended["start_time"]) + round(ended["duration"] * 1e6)


def _wait_for_files(http: Http, play_id: str, clips: int) -> None:
    deadline = time.perf_counter() + WAIT_S
    while time.perf_counter() < deadline:
        rows = http.call("GET", f"/clips?play_id={play_id}")["items"]
        if sum(row["file_path"] is not None and row["thumbnail_path"] is not None for row in rows) == clips:
            return
        time.sleep(0.01)
    raise SystemExit("the clips' files were not written")


def _closed_at(log: Path, out_us: int, cameras: int) -> float:
    """When the last camera had every frame before OUT on the disk (perf_counter)."""
    closed: dict[str, float] = {}
    for line in log.read_text().splitlines():
        name, at, until_us = json.loads(line)
        if until_us >= out_us:
            closed.setdefault(name, at)
    assert len(closed) == cameras
    return max(closed.values())
