"""Open recordings by name: each file once, all closed together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def open_once(open_fd: Callable[[str], int]) -> Iterator[Callable[[str], int]]:
    """`open_fd` that opens each recording once; all are closed at the end of the block."""
    opened: dict[str, int] = {}

    def get(name: str) -> int:
        if name not in opened:
            opened[name] = open_fd(name)
        return opened[name]

    try:
        yield get
    finally:
        for fd in opened.values():
            os.close(fd)
