"""Two children with a pipe between them: one receives a transport stream, one records it.

Owns: their start, their status lines, their end. Must not know: why they run, when to run them again.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, Final

import trio

from appliance.box.recorder import children

_F_SETPIPE_SZ: Final = 1031
_PIPE_BYTES: Final = 1 << 20  # a second of video while the remuxer's disk is slow
_LINE_BYTES: Final = 1 << 16
STOP_S: Final = 2.0  # seconds for writing the last part and closing the file
_SOURCE_STOP_S: Final = 0.5  # the SRT receiver checks every 0.05 s
_LAST_WORDS_S: Final = 1.0  # EOF of stderr follows the end at once, unless a grandchild holds it

Heard = Callable[[dict[str, Any]], None]


async def run_chain(source: Sequence[str], remux: Sequence[str], heard: Heard, settings: bytes = b"") -> None:
    """Run `source | remux` until either ends, then end the other; `heard` is called with each status line.

    `settings` (at most 4 KiB): what the source reads on its stdin, values that must not be on a command line.
    Start: both processes run when this first waits. Stop: cancel; the source is stopped, the remuxer gets EOF
    and has STOP_S to finish the file. Neither process runs on return. Raises OSError when one cannot be
    started. Call on the main thread (see children.py).
    """
    first, second = _start(source, remux, settings)
    ended = trio.Event()

    async def watch(process: subprocess.Popen[bytes]) -> None:
        await _wait(process)
        ended.set()

    try:
        async with trio.open_nursery() as nursery:
            for process in (first, second):
                nursery.start_soon(_listen, process, heard)
                nursery.start_soon(watch, process)
            await ended.wait()
            await _stop(first, second)
            nursery.cancel_scope.deadline = trio.current_time() + _LAST_WORDS_S
    finally:
        with trio.move_on_after(_SOURCE_STOP_S + STOP_S + 1, shield=True):
            await _stop(first, second)
        for process in (first, second):
            if process.returncode is None:
                children.signal_group(process, signal.SIGKILL)
                process.wait()  # killed: returns at once
            assert process.stderr is not None
            process.stderr.close()


def _start(
    source: Sequence[str], remux: Sequence[str], settings: bytes
) -> tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]:
    readable, writable = os.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    stdin = _pipe_with(settings)
    try:
        try:
            fcntl.fcntl(writable, _F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:
            pass  # over the user's pipe limit: the usual 64 KiB are enough
        second = children.start(remux, stdin=readable, stdout=null)
        try:
            return children.start(source, stdin=stdin, stdout=writable), second
        except OSError:
            second.kill()
            second.wait()
            assert second.stderr is not None
            second.stderr.close()
            raise
    finally:
        for descriptor in (readable, writable, null, stdin):
            os.close(descriptor)


def _pipe_with(data: bytes) -> int:
    """A descriptor from which `data` and then EOF is read."""
    readable, writable = os.pipe()
    os.write(writable, data)  # less than a page: never blocks
    os.close(writable)
    return readable


async def _stop(first: subprocess.Popen[bytes], second: subprocess.Popen[bytes]) -> None:
    """Stop both: signal, wait, kill; the source first, so that the remuxer gets a clean EOF."""
    await _end(first, _SOURCE_STOP_S, ask=True)
    await _end(second, STOP_S, ask=False)


async def _end(process: subprocess.Popen[bytes], patience_s: float, *, ask: bool) -> None:
    if ask:
        children.signal_group(process, signal.SIGTERM)
    with trio.move_on_after(patience_s):
        await _wait(process)
    if process.poll() is None:
        children.signal_group(process, signal.SIGKILL)
        await _wait(process)


async def _wait(process: subprocess.Popen[bytes]) -> None:
    """Return when the process has ended, reaped. No thread: a pidfd becomes readable."""
    if process.poll() is not None:
        return
    descriptor = os.pidfd_open(process.pid)
    try:
        while process.poll() is None:
            await trio.lowlevel.wait_readable(descriptor)
    finally:
        os.close(descriptor)


async def _listen(process: subprocess.Popen[bytes], heard: Heard) -> None:
    """Status lines until EOF; a line without end is truncated."""
    assert process.stderr is not None
    async with trio.lowlevel.FdStream(os.dup(process.stderr.fileno())) as stream:
        rest = b""
        async for data in stream:
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if line.strip():
                    heard(children.parse_status(line))
            rest = rest[-_LINE_BYTES:]
