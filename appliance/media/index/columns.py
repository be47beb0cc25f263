"""Parts and keys of a segment stored as columns of numbers: a tenth of the memory of objects.

Owns: reading them as sequences. Must not know: how they are stored (table.py).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, overload

from appliance.media.index.view import Key, Part

Row = TypeVar("Row")


class Columns(Sequence[Row]):
    """Rows stored as one array per field; `make` creates a row object on access."""

    __slots__ = ("_columns", "_make")

    def __init__(self, make: Callable[..., Row], columns: Sequence[array[int]]) -> None:
        self._make, self._columns = make, columns

    def __len__(self) -> int:
        return len(self._columns[0])

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return Columns(self._make, [column[index] for column in self._columns])
        return self._make(*(column[index] for column in self._columns))

    def __iter__(self) -> Iterator[Row]:
        return (self._make(*row) for row in zip(*self._columns, strict=True))


PartColumns = Columns[Part]
KeyColumns = Columns[Key]
