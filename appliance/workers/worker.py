"""One worker from the daemon's side: its connection, and a way to end it for certain.

A child process in development, a unit (unit.py behind a Unix socket) on a box. Must not know: queues.
"""

from __future__ import annotations

import os
import signal
import socket as stdlib_socket
import subprocess
from array import array
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from appliance.workers import protocol
from appliance.workers.protocol import Done, Failed, Progress, WorkerHello, WorkerProtocolError, WorkerRequest
from appliance.workers.spawn import spawn

START_S = 20.0
"""From start to hello. 0.1 s here; a cold SD card needs seconds."""
_GRACE_S = 1.0
"""For an idle worker to exit by itself once its connection is closed."""
_REAP_S = 2.0
"""For SIGKILL to take effect. Longer only when a disk blocks the process in the kernel."""


class WorkerLost(Exception):
    """The worker is gone, or sends invalid messages and must be ended. The text has the reason."""


class Worker:
    """Sends hello once, then does one job at a time. Make it with open_worker."""

    def __init__(self, socket: trio.socket.SocketType, process: subprocess.Popen[bytes] | None) -> None:
        self._socket = socket
        self._process = process
        self._busy = False
        self.hello: WorkerHello

    async def greet(self) -> None:
        """Wait for the hello. Raises WorkerLost."""
        try:
            with trio.fail_after(START_S):
                self.hello = protocol.parse_hello(protocol.decode(await self._receive()))
        except trio.TooSlowError as exc:
            raise WorkerLost(f"no sign of life in {START_S:g} s") from exc
        except WorkerProtocolError as exc:
            raise WorkerLost(f"talks nonsense: {exc}") from exc

    async def run(
        self, request: WorkerRequest, descriptors: Sequence[int], on_progress: Callable[[float], None]
    ) -> Done | Failed:
        """Do one job. Raises WorkerLost. If cancelled, the worker is in the middle of it: open_worker then
        kills it.
        """
        self._busy = True
        try:
            await self._send(protocol.encode(protocol.request_message(request)), descriptors)
            while isinstance(reply := await self._reply(request.id), Progress):
                on_progress(reply.second)
        except WorkerProtocolError as exc:
            raise WorkerLost(f"talks nonsense: {exc}") from exc
        self._busy = False
        return reply

    async def end(self) -> None:
        """Close, wait, reap; a worker in the middle of a job is killed. Closing makes a unit's keeper kill
        it.
        """
        self._socket.close()
        if self._process is None:
            return
        with trio.move_on_after(0 if self._busy else _GRACE_S, shield=True):
            await self._wait_exit()
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            with trio.move_on_after(_REAP_S, shield=True):
                await self._wait_exit()

    async def wait_end(self) -> None:
        """Return when an idle worker's connection ends, or when it sends something, which is an error too."""
        await trio.lowlevel.wait_readable(self._socket.fileno())

    async def last_words(self) -> str:
        """How the process ended. Its end of the connection closes a moment before it can be reaped."""
        if self._process is None:
            return "the worker unit ended the connection"
        with trio.move_on_after(_REAP_S):
            await self._wait_exit()
        code = self._process.poll()
        if code is None:
            return "closed its connection"
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    async def _reply(self, job_id: int) -> protocol.Reply:
        return protocol.parse_reply(protocol.decode(await self._receive()), job_id=job_id)

    async def _send(self, packet: bytes, descriptors: Sequence[int]) -> None:
        rights = (stdlib_socket.SOL_SOCKET, stdlib_socket.SCM_RIGHTS, _as_ints(descriptors))
        try:
            await self._socket.sendmsg([packet], [rights] if descriptors else [])
        except OSError as exc:
            raise WorkerLost(await self.last_words()) from exc

    async def _receive(self) -> bytes:
        """One packet; one byte more than allowed is read, so that a truncated packet is detected as too
        long."""
        try:
            packet = await self._socket.recv(protocol.MAX_MESSAGE_BYTES + 1)
        except OSError as exc:
            raise WorkerLost(await self.last_words()) from exc
        if not packet:
            raise WorkerLost(await self.last_words())
        return packet

    async def _wait_exit(self) -> None:
        assert self._process is not None
        if self._process.poll() is not None:
            return
        exited = os.pidfd_open(self._process.pid)
        try:
            await trio.lowlevel.wait_readable(exited)
        finally:
            os.close(exited)
        self._process.wait()


@asynccontextmanager
async def open_worker(socket_path: Path | None) -> AsyncIterator[Worker]:
    """A worker that has sent hello: of the unit listening at `socket_path`, or without one a child process.

    Raises WorkerLost when there is none. Leaving the block ends it, by SIGKILL when it is in the middle of a
    job.
    """
    worker = await _connect(socket_path) if socket_path is not None else _start_child()
    try:
        await worker.greet()
        yield worker
    finally:
        await worker.end()


async def _connect(path: Path) -> Worker:
    socket = trio.socket.socket(stdlib_socket.AF_UNIX, stdlib_socket.SOCK_SEQPACKET)
    try:
        await socket.connect(str(path))
    except OSError as exc:
        socket.close()
        raise WorkerLost(f"{path.name}: {exc.strerror}") from exc
    return Worker(socket, None)


def _start_child() -> Worker:
    """Not in a thread: see spawn. It blocks the loop for 0.3 ms."""
    ours, theirs = stdlib_socket.socketpair(stdlib_socket.AF_UNIX, stdlib_socket.SOCK_SEQPACKET)
    with theirs:
        try:
            process = spawn(theirs, as_unit=False)
        except OSError as exc:
            ours.close()
            raise WorkerLost(f"cannot be started: {exc.strerror}") from exc
    return Worker(trio.socket.from_stdlib_socket(ours), process)


def _as_ints(descriptors: Sequence[int]) -> bytes:
    """SCM_RIGHTS contains C ints."""
    return array("i", descriptors).tobytes()
