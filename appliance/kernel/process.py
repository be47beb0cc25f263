"""A process that must not outlive the one that started it."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def request_parent_death_signal() -> None:
    """Have the kernel kill this process when the thread that started it ends. A change of credentials clears
    it. Raises OSError when the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def die_with_parent(parent_pid: int) -> bool:
    """The same, from the first moment on. False: the parent is gone already.

    The parent is looked at after the request: had it died in between, the signal would never come.
    """
    request_parent_death_signal()
    return os.getppid() == parent_pid
