"""Two children and the pipe between them: start, end, cancellation."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.box.recorder.process_pair import run_chain
from tests.box.recorder.family import own_children
from tests.kit.waiting import LIMIT_S, eventually

COPY = [
    sys.executable,
    "-c",
    "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, open(sys.argv[1], 'wb'))",
]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); signal.pause()",
]


def no_children() -> bool:
    return not own_children()


async def test_bytes_go_through_and_the_end_of_the_source_is_the_end(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with trio.fail_after(LIMIT_S):
        await run_chain(["seq", "200000"], [*COPY, str(copy)], lambda _: None)
    assert copy.read_bytes() == b"".join(b"%d\n" % n for n in range(1, 200_001)) and no_children()


async def test_status_lines_of_both_are_heard(tmp_path: Path) -> None:
    received: list[dict[str, Any]] = []
    say = 'import os; os.write(2, b\'plain words\\n{"event":"hello"}\\nno newline\')'
    with trio.fail_after(LIMIT_S):
        await run_chain([sys.executable, "-c", say], ["cat"], received.append)
    assert received == [{"event": "stderr", "line": "plain words"}, {"event": "hello"}]


async def test_when_the_recorder_ends_the_source_is_ended_too() -> None:
    with trio.fail_after(LIMIT_S):
        await run_chain(["sleep", "1000"], ["true"], lambda _: None)
    assert no_children()


async def test_cancellation_lets_the_recorder_finish(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    source = [sys.executable, "-c", "import sys, signal; print('x' * 99, flush=True); signal.pause()"]
    slow_end = (
        f"import sys; data = sys.stdin.buffer.read(); open({str(copy)!r}, 'wb').write(data + b'finished')"
    )
    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_chain, source, [sys.executable, "-c", slow_end], lambda _: None)
            await eventually(lambda: len(own_children()) == 2)
            await eventually(lambda: any(b"pause" in cmdline(pid) for pid in own_children()))
            nursery.cancel_scope.cancel()
    assert copy.read_bytes().endswith(b"finished") and no_children()


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


@pytest.mark.slow
async def test_children_that_do_not_listen_are_killed() -> None:
    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_chain, DEAF, DEAF, lambda _: None)
            await eventually(lambda: len(own_children()) == 2)
            nursery.cancel_scope.cancel()
    assert no_children(), "deaf to SIGTERM, they would stay for ever"


async def test_a_failed_start_leaves_no_process() -> None:
    with pytest.raises(FileNotFoundError):
        await run_chain(["no-such-program"], ["cat"], lambda _: None)
    with pytest.raises(FileNotFoundError):
        await run_chain(["cat"], ["no-such-program"], lambda _: None)
    assert no_children()


async def test_no_descriptor_stays_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        await run_chain(["true"], ["cat"], lambda _: None)
    assert len(os.listdir("/proc/self/fd")) == before
