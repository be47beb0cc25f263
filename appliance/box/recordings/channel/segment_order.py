"""The segments of a channel by start time.

Owns: the sorted list and finding the segments around a span. Must not know: the content of a segment.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from typing import Final

_NEIGHBOURS: Final = 20


class Order:
    """Names sorted by start (wall us), then by name."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, str]] = []
        self._start_of: dict[str, int] = {}
        self._moved_us: set[int] = set()

    def place(self, name: str, start_us: int) -> None:
        """Insert a name at its place, or move it there."""
        if self._start_of.get(name) != start_us:
            self.drop(name)
            insort(self._rows, (start_us, name))
            self._start_of[name] = start_us
            self._moved_us.add(start_us)

    def drop(self, name: str) -> None:
        start_us = self._start_of.pop(name, None)
        if start_us is not None:
            del self._rows[bisect_left(self._rows, (start_us, name))]
            self._moved_us.add(start_us)

    def note_moved(self, name: str) -> None:
        """The content after its start has been moved."""
        self._moved_us.add(self._start_of[name])

    def take_moved(self) -> list[int]:
        """Starts (wall us) where names were added, removed or moved from or to, since the last call."""
        taken, self._moved_us = sorted(self._moved_us), set()
        return taken

    def start_us(self, name: str) -> int:
        return self._start_of[name]

    def newest_first(self) -> Iterable[str]:
        return (name for _, name in reversed(self._rows))

    def before(self, name: str) -> Iterable[str]:
        """The names before this one, the nearest first."""
        return (each for _, each in reversed(self._rows[: self._at(name)]))

    def after(self, name: str) -> str | None:
        """The next name."""
        at = self._at(name) + 1
        return self._rows[at][1] if at < len(self._rows) else None

    def near(self, name: str, count: int) -> list[str]:
        """The `count` names before this one and after it, the nearest first."""
        at = self._at(name)
        around = [*self._rows[max(0, at - count) : at][::-1], *self._rows[at + 1 : at + 1 + count]]
        return [each for _, each in around]

    def _at(self, name: str) -> int:
        return bisect_left(self._rows, (self._start_of[name], name))

    def around(
        self,
        start_us: int,
        end_us: int,
        longest_us: int,
        reaches: Callable[[str], bool],
        shows: Callable[[str], bool],
    ) -> list[str]:
        """Names that begin before `end_us` and reach into the span, and a neighbour on each side.

        `longest_us`: no segment lasts longer. The neighbour before is one for which `shows` is True.
        """
        right = bisect_left(self._rows, (end_us, ""))
        left = bisect_left(self._rows, (start_us - longest_us, ""))
        while left < right and not reaches(self._rows[left][1]):
            left += 1
        for _ in range(_NEIGHBOURS):  # past empty and broken files to one with video
            left = max(0, left - 1)
            if left == 0 or shows(self._rows[left][1]):
                break
        return [name for _, name in self._rows[left : right + 1]]
