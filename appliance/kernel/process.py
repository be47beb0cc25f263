"""A child process that must not outlive its parent."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def request_parent_death_signal() -> None:
    """Ask the kernel to kill this process when the thread that started it ends. A change of credentials
    clears the request. Raises OSError when the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def die_with_parent(parent_pid: int) -> bool:
    """`request_parent_death_signal`, also for a parent that is already dead. False: the parent has ended.

    The parent is checked after the request: if it had ended before, the signal would never arrive.
    """
    request_parent_death_signal()
    return os.getppid() == parent_pid
