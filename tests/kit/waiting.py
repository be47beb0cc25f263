"""Waiting for real processes: a condition and a deadline, never a guessed sleep."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import trio

Found = TypeVar("Found")
_LOOK_S = 0.005

LIMIT_S: Final = 60.0
"""Timeout for a process, a browser, a socket or a disk. Not a requirement: a slow machine may need much of
it, and a hang fails with a message of its own."""
PLAIN: Final[dict[str, Any]] = {"timeout": LIMIT_S, "trust_env": False, "verify": False}
"""Of httpx clients. Without TLS: reading the machine's certificates takes longer than a request."""


async def eventually(look: Callable[[], Found], *, within_s: float = LIMIT_S, what: str = "") -> Found:
    """The first true value of `look`, called every 5 ms. Fails the test after `within_s`."""
    deadline = time.monotonic() + within_s
    while not (result := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what or look}")
        await trio.sleep(_LOOK_S)
    return result


def is_alive(pid: int) -> bool:
    """Is there a process `pid` that has not ended? A zombie has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children_of(pid: int) -> list[int]:
    """Processes whose parent is `pid`, started by any of its threads."""
    results = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                stat = Path(entry.path, "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(stat.rpartition(")")[2].split()[1]) == pid:
                results.append(int(entry.name))
    return results
