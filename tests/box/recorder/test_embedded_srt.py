"""The embedded recorder with real processes: cameras over SRT, the synthetic one, and their end."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import pytest
import trio

from appliance.box.recorder.embedded import RecorderHandle, run_embedded_recorder
from appliance.kernel.clock import BoxClock, wall_us
from appliance.media.mp4.fmp4 import Mtxi, parse_init
from tests.box.recorder.family import own_children
from tests.kit.camera import SrtSender, burned_in, burned_so_far, has_pictures
from tests.kit.ports import free_udp_port
from tests.kit.waiting import children_of, eventually, is_alive

PROMPT_US = 200_000


@asynccontextmanager
async def recording(directory: Path, url: str) -> AsyncIterator[RecorderHandle]:
    clock = BoxClock.start(None, None)
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[RecorderHandle]) -> None:
            await run_embedded_recorder(
                channels={"cam1": url},
                recordings_dir=directory,
                part_s=0.2,
                segment_s=60,
                clock=clock,
                networks=[ip_network("127.0.0.0/8")],
                task_status=task_status,
            )

        yield await nursery.start(run)
        nursery.cancel_scope.cancel()


def has_grown(path: Path, size: int) -> bool:
    return path.stat().st_size > size


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("cam1/*.mp4"))


def all_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*/*.mp4"))


def runs(directory: Path) -> list[Mtxi]:
    results = [parse_init(path.read_bytes()).mtxi for path in files(directory)]
    return [mtxi for mtxi in results if mtxi is not None]


@pytest.mark.slow
async def test_the_synthetic_camera_is_recorded_at_once_and_stopping_closes_its_file(tmp_path: Path) -> None:
    begun_us = wall_us()
    async with recording(tmp_path, "synthetic:?size=320x180") as handle:
        [path] = await eventually(lambda: files(tmp_path), what="the file")
        await has_pictures(path, 10)
        newest = burned_in(path)[-1]
        assert newest is not None and begun_us < newest.instant_us < wall_us(), "of now"
        assert handle.facts()["cam1"].state == "receiving"
    assert parse_init(path.read_bytes()).duration > 0
    frames = [b.frame if b else None for b in burned_in(path)]
    assert frames == list(range(len(frames)))
    assert not own_children()


@pytest.mark.slow
@pytest.mark.parametrize("leaves", ["politely", "abruptly"])
async def test_a_camera_that_drops_and_returns_is_recorded_within_a_second(
    tmp_path: Path, leaves: str
) -> None:
    port = free_udp_port()
    sender = SrtSender(port, gop=10)  # the first may be sent during the handshake: the next is 0.4 s later
    async with recording(tmp_path, f"srt://:{port}?latency=80") as handle:
        sender.start()
        try:
            await eventually(lambda: files(tmp_path), what="the first run")
            sender.stop() if leaves == "politely" else sender.drop()
            sender.start()  # at once: the box may not know yet that the first connection is dead
            await eventually(lambda: len(files(tmp_path)) == 2, what="the second run")
        finally:
            sender.stop()
        await eventually(lambda: handle.facts()["cam1"].state == "waiting")
        assert handle.facts()["cam1"].restarts == 2
    before, after = runs(tmp_path)
    assert before.stream_id != after.stream_id and before.number == after.number == 0
    for path in files(tmp_path):
        assert None not in burned_in(path)
    first = burned_in(files(tmp_path)[1])[0]
    assert first is not None and first.frame < sender.fps, "less than a second of its pictures is lost"


@pytest.mark.slow
async def test_an_encrypted_stream_is_recorded_and_one_with_another_key_is_not(tmp_path: Path) -> None:
    port = free_udp_port()
    async with recording(tmp_path, f"srt://:{port}?latency=80&passphrase=correct-horse") as handle:
        with SrtSender(port, passphrase="battery-staple"):
            await eventually(lambda: handle.facts()["cam1"].state == "waiting")
            with trio.move_on_after(1):
                await eventually(lambda: files(tmp_path))
        assert not files(tmp_path)
        with SrtSender(port, passphrase="correct-horse"):
            await eventually(lambda: files(tmp_path), what="the recording")
        assert "correct-horse" not in repr(handle.facts())


DAEMON = """
import sys, trio
from pathlib import Path
from appliance.kernel.clock import BoxClock
from appliance.box.recorder.embedded import run_embedded_recorder
trio.run(lambda: run_embedded_recorder(
    channels={"cam1": "synthetic:?size=320x180", "cam2": f"srt://:{sys.argv[2]}"},
    recordings_dir=Path(sys.argv[1]), part_s=0.2, segment_s=60, clock=BoxClock.start(None, None)))
"""


@pytest.mark.slow
async def test_kill_9_of_the_daemon_leaves_no_process_and_a_readable_recording(tmp_path: Path) -> None:
    port = free_udp_port()
    argv = [sys.executable, "-c", DAEMON, str(tmp_path), str(port)]
    daemon = await trio.lowlevel.open_process(argv)
    try:
        with SrtSender(port):
            await eventually(lambda: len(all_files(tmp_path)) == 2, what="both")
            for path in all_files(tmp_path):
                await has_pictures(path, 5)
            pids = children_of(daemon.pid)
            assert len(pids) == 4 and all(is_alive(pid) for pid in pids)
            daemon.kill()
            await daemon.wait()
            await eventually(lambda: not any(is_alive(pid) for pid in pids), what="no orphan")
    finally:
        daemon.kill()
        await daemon.wait()
    counts = [len(frames) for frames in map(burned_in, all_files(tmp_path)) if None not in frames]
    assert len(counts) == 2 and min(counts) >= 5


@pytest.mark.slow
async def test_children_outlive_the_worker_threads_that_come_and_go(tmp_path: Path) -> None:
    """PR_SET_PDEATHSIG follows the thread that forked: it must be the main one."""
    async with recording(tmp_path, "synthetic:?size=320x180"):
        await eventually(lambda: files(tmp_path))
        pids = own_children()
        listed = await eventually(lambda: task_children(os.getpid()))
        assert len(pids) == 2 and set(pids) <= set(listed)


def task_children(thread: int) -> list[int]:
    """Processes forked by exactly this thread."""
    return [int(pid) for pid in Path(f"/proc/self/task/{thread}/children").read_text().split()]


@pytest.mark.slow
async def test_a_frame_is_on_disk_within_a_part_and_the_srt_latency_after_its_capture(tmp_path: Path) -> None:
    """No stage delays a picture: neither the sender's datagrams nor srt-live-transmit's output.

    One picture in 60 parts must be that young: a buffering stage delays all of them, a busy machine only
    some.
    """
    port = free_udp_port()
    ages_us: list[int] = []
    async with recording(tmp_path, f"srt://:{port}?latency=80"):
        with SrtSender(port, latency_ms=80):
            [path] = await eventually(lambda: files(tmp_path), what="the file")
            while min(ages_us, default=PROMPT_US) >= PROMPT_US and len(ages_us) < 60:
                seen = path.stat().st_size
                await eventually(partial(has_grown, path, seen), what="the next part")
                written_us = path.stat().st_mtime_ns // 1000
                newest = burned_so_far(path)[-1]
                assert newest is not None
                if (
                    path.stat().st_mtime_ns // 1000 == written_us
                ):  # no other part arrived while this one was read
                    ages_us.append(written_us - newest.instant_us)
    # 80 ms of SRT, 40 ms until the next picture begins; the rest is this machine
    assert 110_000 < min(ages_us) < PROMPT_US, ages_us
