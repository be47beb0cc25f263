"""Parts and keys of a segment kept as columns of numbers: a tenth of the memory of objects.

Owns: reading them as sequences. Must not know: how they are stored (table.py).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import overload

from appliance.media.index.view import Key, Part


class PartColumns(Sequence[Part]):
    """Parts kept as columns; a Part is made when asked for."""

    __slots__ = ("_columns",)

    def __init__(self, columns: Sequence[array[int]]) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns[0])

    @overload
    def __getitem__(self, index: int) -> Part: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Part]: ...
    def __getitem__(self, index: int | slice) -> Part | Sequence[Part]:
        if isinstance(index, slice):
            return PartColumns([column[index] for column in self._columns])
        return Part(*(column[index] for column in self._columns))

    def __iter__(self) -> Iterator[Part]:
        return (Part(*row) for row in zip(*self._columns, strict=True))


class KeyColumns(Sequence[Key]):
    """Keys kept as columns."""

    __slots__ = ("_columns",)

    def __init__(self, columns: Sequence[array[int]]) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns[0])

    @overload
    def __getitem__(self, index: int) -> Key: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Key]: ...
    def __getitem__(self, index: int | slice) -> Key | Sequence[Key]:
        if isinstance(index, slice):
            return KeyColumns([column[index] for column in self._columns])
        return Key(*(column[index] for column in self._columns))

    def __iter__(self) -> Iterator[Key]:
        return (Key(*row) for row in zip(*self._columns, strict=True))
