"""A worker as a systemd unit: listens on one Unix socket and runs one fresh worker process per connection.

The daemon cannot signal a process of another unit, so it closes the connection to have the worker killed:
this keeper waits for that and sends SIGKILL, even to a worker that hangs or is stopped. Must not know: media;
it reads no message.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import stat
import subprocess
from pathlib import Path

from appliance.workers.spawn import spawn

SOCKET_DIR = Path("/run/appliance-workers")
"""Where appliance-worker@N.socket listens, as N.sock: `socket_dir` of the pool on a box."""

_FIRST_INHERITED = 3  # sd_listen_fds(3)


def open_listener(path: Path | None) -> socket.socket:
    """The socket passed by systemd, else a new one at `path`. Raises SystemExit when there is neither."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1":
        return socket.socket(fileno=_FIRST_INHERITED)
    if path is None:
        raise SystemExit("workers: neither --socket nor a socket from systemd")
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        path.unlink()  # left by an earlier process that was killed
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(path))
    path.chmod(0o660)
    listener.listen(4)
    return listener


def keep(listener: socket.socket) -> None:
    """Serve one connection after another, forever."""
    while True:
        connection, _ = listener.accept()
        with connection:
            _serve_one(connection)


def _serve_one(connection: socket.socket) -> None:
    """Run a worker on `connection` until either of them ends, then end the other."""
    worker = spawn(connection, as_unit=True)
    try:
        _wait_for_either(connection, worker)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        # ends the connection also while another descriptor refers to it; closing would not
        connection.shutdown(socket.SHUT_RDWR)


def _wait_for_either(connection: socket.socket, worker: subprocess.Popen[bytes]) -> None:
    exited = os.pidfd_open(worker.pid)
    try:
        poll = select.poll()
        poll.register(exited, select.POLLIN)
        poll.register(connection, select.POLLRDHUP)
        poll.poll()
    finally:
        os.close(exited)
