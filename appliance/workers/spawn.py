"""Start one worker process, the same way from the daemon and from a unit's keeper."""

from __future__ import annotations

import os
import socket
import subprocess
import sys


def spawn(connection: socket.socket, *, as_unit: bool) -> subprocess.Popen[bytes]:
    """A worker that serves `connection` (its end; the caller keeps or closes its own copy).

    Call it on the main thread: the worker's parent-death signal is tied to the THREAD that started it, and a
    pool thread ends when idle. No preexec_fn, which can deadlock in a process with threads: the worker sets
    everything itself. A separate session prevents the terminal's Ctrl-C from reaching it before the daemon
    has drained.
    """
    command = [sys.executable, "-I", "-m", "appliance.workers", "--fd", str(connection.fileno())]
    command += ["--parent", str(os.getpid()), *(["--unit"] if as_unit else [])]
    return subprocess.Popen(
        command,
        pass_fds=(connection.fileno(),),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        # One arena per core with 64 MB of address space each would use up the memory limit.
        env={"MALLOC_ARENA_MAX": "2", "LANG": "C.UTF-8", "TZ": "UTC"},
    )
