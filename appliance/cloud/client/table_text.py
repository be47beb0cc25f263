"""A table as columns of text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

_HEADS: Final = ("#", "Team", "P", "W", "D", "L", "Goals", "+/-", "Pts", "")
_LEFT: Final = frozenset({1, 9})
"""Columns that are aligned at their left side."""

Row = Mapping[str, Any]


def table_lines(rows: Sequence[Row]) -> list[str]:
    """One table for each stage and group, with a heading where it has a name."""
    lines: list[str] = []
    for (stage, group), own in groupby(rows, key=lambda row: (row["stage"], row["group"])):
        title = ", ".join(filter(None, (stage, group)))
        lines += [
            *([""] if lines else []),
            *([title] if title else []),
            *_aligned([_HEADS, *map(_cells, own)]),
        ]
    return lines


def _cells(row: Row) -> tuple[str, ...]:
    return (
        f"{row['position']}{'=' if row['shared'] else ''}",
        str(row["team"]),
        *(str(row[name]) for name in ("played", "won", "drawn", "lost")),
        f"{row['goals_for']}:{row['goals_against']}",
        f"{row['goal_difference']:+d}",
        f"{row['points']}{'*' if row['adjustment'] else ''}",
        str(row["zone"] or ""),
    )


def _aligned(table: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        padded = [
            cell.ljust(width) if at in _LEFT else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        yield "  ".join(padded).rstrip()
