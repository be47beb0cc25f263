"""Child processes of the test itself: other suites' browsers and boxes may also be our children."""

from __future__ import annotations

import os

from tests.kit.waiting import children_of

BEFORE: set[int] = set()


def remember() -> None:
    BEFORE.clear()
    BEFORE.update(children_of(os.getpid()))


def own_children() -> list[int]:
    return [pid for pid in children_of(os.getpid()) if pid not in BEFORE]
