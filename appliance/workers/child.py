"""One worker process: enters its sandbox, sends hello, does one job after another until the connection
closes.

Blocking code without trio, because its imports are the start-up time of every fresh worker. An exception that
is not about media or the request is a bug and ends the process; the daemon detects the end of the connection
and reports the job.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable

import av

from appliance.kernel.process import die_with_parent
from appliance.media.decode.thumbnail import DECODERS, BadMedia
from appliance.workers import protocol, sandbox
from appliance.workers.perform import perform
from appliance.workers.preload import rehearse
from appliance.workers.protocol import Json, WorkerHello, WorkerProtocolError, WorkerRequest

REPORT_EVERY_S = 0.5

_ENCODERS = ("libx264", "aac", "mjpeg")


def serve(connection: socket.socket, *, parent_pid: int, as_unit: bool) -> None:
    """Work until the daemon closes `connection`."""
    if not die_with_parent(parent_pid):
        return
    rehearse()
    layers = sandbox.enter(as_unit=as_unit)
    _silence()
    connection.send(protocol.encode(protocol.hello_message(_hello(layers))))
    while (message := _receive(connection)) is not None:
        packet, descriptors = message
        try:
            answer = _answer(packet, descriptors, connection)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        connection.send(protocol.encode(answer))


def _hello(layers: protocol.Sandbox) -> WorkerHello:
    versions = {"python": sys.version.split()[0], "pyav": av.__version__, "ffmpeg": av.ffmpeg_version_info}
    codecs = tuple(name for name in (*DECODERS, *_ENCODERS) if name in av.codecs_available)
    return WorkerHello(os.getpid(), layers, versions, codecs)


def _receive(connection: socket.socket) -> tuple[bytes, list[int]] | None:
    """The next request, or None at the end. A truncated message raises ProtocolError: the connection is
    unusable."""
    packet, descriptors, flags, _ = socket.recv_fds(
        connection, protocol.MAX_MESSAGE_BYTES, protocol.MAX_DESCRIPTORS
    )
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        raise WorkerProtocolError("a message was cut short")
    return (packet, descriptors) if packet else None


def _answer(packet: bytes, descriptors: list[int], connection: socket.socket) -> Json:
    request = protocol.parse_request(protocol.decode(packet))
    sandbox.limit_job(cpu_s=request.cpu_s, output_bytes=request.output_bytes)
    try:
        return {
            "id": request.id,
            "result": perform(request, descriptors, _progress_report(request, connection)),
        }
    except BadMedia as exc:
        return _failure(request, "bad_media", str(exc))
    except WorkerProtocolError as exc:
        return _failure(request, "bad_request", str(exc))
    except OSError as exc:
        return _failure(request, "io", str(exc))


def _progress_report(request: WorkerRequest, connection: socket.socket) -> Callable[[float], None]:
    """A function that reports the job's progress to the daemon, at most once in REPORT_EVERY_S."""
    due_s = time.monotonic() + REPORT_EVERY_S

    def report(second: float) -> None:
        nonlocal due_s
        if time.monotonic() >= due_s:
            due_s = time.monotonic() + REPORT_EVERY_S
            connection.send(protocol.encode({"id": request.id, "progress": second}))

    return report


def _failure(request: WorkerRequest, code: str, detail: str) -> Json:
    return {"id": request.id, "error": {"code": code, "detail": detail[: protocol.MAX_DETAIL_CHARS]}}


def _silence() -> None:
    """FFmpeg writes many messages about hostile files. Until here stderr was the daemon's, so that a failing
    start is visible.
    """
    # spawned with stdout at /dev/null; that path can no longer be opened
    os.dup2(sys.stdout.fileno(), sys.stderr.fileno())
