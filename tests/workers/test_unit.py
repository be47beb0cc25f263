"""workers/unit.py: a worker behind a Unix socket, as on a box. The daemon kills by closing the connection."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from appliance.workers.jobs import ThumbnailJob
from appliance.workers.pool import WorkerPoolHandle, run_worker_pool
from tests.workers.film import first_keyframe, make_film, open_file
from tests.workers.test_pool_processes import DEADLINE_S, pids, thumbnail_by_the_next, wait_for_workers

COMMAND = [sys.executable, "-I", "-m", "appliance.workers"]


_AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""


@contextmanager
def unit(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A keeper on `<directory>/1.sock`, started as by systemd: the socket is descriptor 3."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(directory / "1.sock"))
        listener.listen(4)
        command = [sys.executable, "-c", _AS_SYSTEMD, str(listener.fileno()), *COMMAND]
        keeper = subprocess.Popen(command, pass_fds=(listener.fileno(),))
    try:
        yield keeper
    finally:
        keeper.kill()
        keeper.wait()


@pytest.fixture
def job() -> ThumbnailJob:
    key = first_keyframe(make_film(frames=1))
    return ThumbnailJob(key.codec, key.extradata, 0, len(key.sample), 160)


@pytest.fixture
def recording(tmp_path: Path) -> int:
    return open_file(tmp_path / "r.mp4", first_keyframe(make_film(frames=1)).sample)


async def start(
    directory: Path, task_status: trio.TaskStatus[WorkerPoolHandle] = trio.TASK_STATUS_IGNORED
) -> None:
    await run_worker_pool(count=1, socket_dir=directory, task_status=task_status)


async def test_the_pool_uses_the_unit_where_there_is_one(
    tmp_path: Path, job: ThumbnailJob, recording: int
) -> None:
    with unit(tmp_path), trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            pool: WorkerPoolHandle = await nursery.start(start, tmp_path)
            assert (await pool.thumbnail(job, recording)).width == 160
            hello = pool.statistics().slots[0].hello
            assert hello is not None
            assert hello.sandbox.as_unit
            assert hello.sandbox.dies_with_parent
            nursery.cancel_scope.cancel()


@pytest.mark.slow
async def test_hanging_up_kills_even_a_stopped_worker(
    tmp_path: Path, job: ThumbnailJob, recording: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ThumbnailJob, "wall_s", 0.2)
    with unit(tmp_path), trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            pool: WorkerPoolHandle = await nursery.start(start, tmp_path)
            await wait_for_workers(pool)
            (victim,) = pids(pool)
            os.kill(victim, signal.SIGSTOP)
            await thumbnail_by_the_next(pool, job, recording, monkeypatch)  # of the same unit
            assert pids(pool) != [victim]
            with pytest.raises(ProcessLookupError):
                os.kill(victim, 0)
            nursery.cancel_scope.cancel()


async def test_the_death_of_a_units_worker_is_seen_by_the_daemon(
    tmp_path: Path, job: ThumbnailJob, recording: int
) -> None:
    with unit(tmp_path), trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            pool: WorkerPoolHandle = await nursery.start(start, tmp_path)
            await wait_for_workers(pool)
            (victim,) = pids(pool)
            os.kill(victim, signal.SIGKILL)
            while pids(pool) == [victim]:  # noqa: ASYNC110 - processes send no event
                await trio.sleep(0.005)
            await pool.thumbnail(job, recording)
            nursery.cancel_scope.cancel()


async def test_a_killed_keeper_ends_its_worker(tmp_path: Path) -> None:
    with unit(tmp_path) as keeper, trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            pool: WorkerPoolHandle = await nursery.start(start, tmp_path)
            await wait_for_workers(pool)
            worker = os.pidfd_open(pids(pool)[0])
            nursery.cancel_scope.cancel()
            keeper.kill()
            with trio.CancelScope(shield=True), trio.fail_after(DEADLINE_S):
                await trio.lowlevel.wait_readable(worker)
            os.close(worker)


def test_a_socket_left_by_a_killed_predecessor_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "1.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as old:
        old.bind(str(path))
    with subprocess.Popen([*COMMAND, "--socket", str(path)]) as keeper:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as daemon:
            daemon.settimeout(DEADLINE_S)
            _connect(daemon, path)
            assert b'"hello":1' in daemon.recv(65536)
        keeper.kill()


def _connect(daemon: socket.socket, path: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        try:
            daemon.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            os.sched_yield()
        else:
            return
    raise AssertionError("the keeper does not listen")


def test_without_any_socket_the_keeper_says_what_is_missing() -> None:
    run = subprocess.run(COMMAND, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert run.returncode == 1
    assert "neither --socket nor a socket from systemd" in run.stderr
