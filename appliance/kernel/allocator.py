"""Configure the C library's malloc for a process that runs for weeks, and return unused memory to the system.

Owns: three settings of malloc and a trim once a minute. Why, measured over four minutes of mixed load (marks,
media, 10 sockets, two cameras): memory in use grew from 21 to 34 MB and then stayed (the newest journal
entries, plans, part lists: all bounded), but memory that was free and not returned grew from 3 to 40 MB and
went on growing. glibc raises its mmap threshold whenever a mapped block is freed; after that, media buffers
and long lists are allocated from the heap, and small objects that outlive them keep its pages. With a fixed
threshold and the trim, RSS was 109 MB after three minutes instead of 133 (with a trim each 30 s); a trim
takes about 1 ms. Each thread may start an arena, and each arena keeps 3.5 to 5 MB of partly used pages: after
a short burst of work there were nine, 22 MB that were never returned. Two arenas are enough under Python's
lock. With another C library than glibc nothing is done.
"""

from __future__ import annotations

import ctypes
from typing import Final

import trio

from appliance.kernel.threads import in_thread

EVERY_S: Final = 60.0
MAP_FROM_BYTES: Final = 128 * 1024  # glibc's initial value; setting it turns off the dynamic threshold
_M_TRIM_THRESHOLD: Final = -1  # malloc.h
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
ARENAS: Final = 2
_LIBC = ctypes.CDLL(None)  # loaded once: each CDLL() creates a new class and a reference cycle


def configure() -> bool:
    """Set thresholds and arenas; call before threads and large allocations. False: not glibc."""
    mallopt = getattr(_LIBC, "mallopt", None)
    if mallopt is None:
        return False
    wanted = {
        _M_MMAP_THRESHOLD: MAP_FROM_BYTES,
        _M_TRIM_THRESHOLD: MAP_FROM_BYTES,
        _M_ARENA_MAX: ARENAS,
    }
    return all(mallopt(setting, value) for setting, value in wanted.items())


def trim() -> None:
    """Return whole free pages to the system. Blocks for milliseconds, without holding Python's lock."""
    trim = getattr(_LIBC, "malloc_trim", None)
    if trim is not None:
        trim(0)


async def run_trimming(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Trim once a minute, until cancelled."""
    task_status.started()
    while True:
        await trio.sleep(EVERY_S)
        await in_thread(trim)
