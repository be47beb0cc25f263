"""Children that a test made itself: other suites' browsers and boxes may still be ours to the kernel."""

from __future__ import annotations

import os

from tests.kit.waiting import children_of

BEFORE: set[int] = set()


def remember() -> None:
    BEFORE.clear()
    BEFORE.update(children_of(os.getpid()))


def own_children() -> list[int]:
    return [pid for pid in children_of(os.getpid()) if pid not in BEFORE]
