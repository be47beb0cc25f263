"""Files of games and plays as plain values: {"game_ids": [...]}, and rows of `plays` as CSV or JSON.

Owns: the forms of these files, and an error that says what is wrong with a whole file. Must not know: which
row is a usable play (checked.py). Pure.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any, Final

COLUMNS: Final = ("id", "game_id", "angle", "start_timestamp", "end_timestamp")
"""Those that every row of `plays` has; all others are metadata."""

Row = Mapping[str, Any]


class BadInput(Exception):
    """A file of games or plays that cannot be used at all; the message says what to change."""


def read_games(text: str) -> list[str]:
    """The ids of {"game_ids": [...]}, each once, in their order. Raises BadInput."""
    value = _json(text, "the file of games")
    ids = value.get("game_ids") if isinstance(value, dict) else None
    if not isinstance(ids, list):
        raise BadInput('the file of games must be {"game_ids": [...]}: game_ids is not an array')
    return checked_ids(ids)


def checked_ids(ids: list[Any]) -> list[str]:
    """Each id once. Raises BadInput for what is no id."""
    for game_id in ids:
        if not isinstance(game_id, str) or not is_id(game_id):
            raise BadInput(
                f"game_ids: {str(game_id)[:80]!r} is no id of a game (letters, digits, - and _; 128 at most)"
            )
    return list(dict.fromkeys(ids))


def is_id(text: str) -> bool:
    """Whether it may be part of a path and of a file name of a shard, where a dot would end the name."""
    return 0 < len(text) <= 128 and text.isascii() and all(char.isalnum() or char in "-_" for char in text)


def read_rows(text: str, name: str) -> list[Row]:
    """The rows of a file by its ending: .csv with a header line, .json (an array, or {"data": [...]}),
    .jsonl. Raises BadInput."""
    text = text.removeprefix("\N{BYTE ORDER MARK}")
    ending = name.rpartition(".")[2].lower()
    if ending == "csv":
        return _csv(text)
    if ending == "jsonl":
        return _of_objects([_json(line, f"{name}, line {at}") for at, line in _lines(text)], name)
    if ending == "json":
        value = _json(text, name)
        return _of_objects(value.get("data") if isinstance(value, dict) else value, name)
    raise BadInput(f"{name}: plays are a .csv, .json or .jsonl file")


def _csv(text: str) -> list[Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise BadInput(f"the header line of the plays has no column {', '.join(missing)}")
    try:
        rows = list(reader)
    except csv.Error as error:
        raise BadInput(f"the plays are no CSV: line {reader.line_num}: {error}") from None
    # None: cells beyond the header, or missing at the end of a line
    return [
        {name: cell for name, cell in row.items() if name is not None and cell not in (None, "")}
        for row in rows
    ]


def _of_objects(values: Any, name: str) -> list[Row]:
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise BadInput(f'{name}: plays are an array of objects, or {{"data": [...]}}')
    return values


def _lines(text: str) -> list[tuple[int, str]]:
    return [(at, line) for at, line in enumerate(text.splitlines(), 1) if line.strip()]


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name} is not JSON: {error}") from None
