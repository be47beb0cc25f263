"""How the C library's allocator is set for a process that runs for weeks, and giving back what it hoards.

Owns: three settings of malloc and a trim once a minute. Measured under mixed load (marks, media, 10 sockets,
two cameras) for four minutes: what was in use grew from 21 to 34 MB and stayed (the newest journal entries,
plans, part lists: all bounded), what was free but not given back from 3 to 40 MB and went on. glibc raises
the size from which a block is a mapping of its own whenever such a block is freed; after that media buffers
and long lists come from the heap, and the small things that outlive them keep its pages. With both
RSS was 109 MB after three minutes instead of 133 (a trim each 30 s); a trim takes about 1 ms. Each new thread
begins an arena of its own, and each arena keeps 3.5 to 5 MB of pages with something on them: a machine that
was busy for a moment had nine of them, 22 MB more for good. Two are enough under Python's lock. Elsewhere
than with glibc nothing is done.
"""

from __future__ import annotations

import ctypes
from typing import Final

import trio

from appliance.kernel.threads import in_thread

EVERY_S: Final = 60.0
MAP_FROM_BYTES: Final = 128 * 1024  # glibc's own first value; setting it ends its rising
_M_TRIM_THRESHOLD: Final = -1  # malloc.h
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
ARENAS: Final = 2
_LIBC = ctypes.CDLL(None)  # once: each one is a new class, and a circle


def begin() -> bool:
    """Fix sizes and arenas, before threads or anything large. False: not this C library."""
    mallopt = getattr(_LIBC, "mallopt", None)
    if mallopt is None:
        return False
    wanted = {
        _M_MMAP_THRESHOLD: MAP_FROM_BYTES,
        _M_TRIM_THRESHOLD: MAP_FROM_BYTES,
        _M_ARENA_MAX: ARENAS,
    }
    return all(mallopt(setting, value) for setting, value in wanted.items())


def give_back() -> None:
    """Return whole free pages to the system. Blocks for milliseconds, without Python's lock."""
    trim = getattr(_LIBC, "malloc_trim", None)
    if trim is not None:
        trim(0)


async def run_giving_back(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Once a minute, until cancelled."""
    task_status.started()
    while True:
        await trio.sleep(EVERY_S)
        await in_thread(give_back)
