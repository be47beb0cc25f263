"""The organisers' published tables of which best third goes into which slot, read from best_thirds.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

Groups = frozenset[str]
_FILE: Final = Path(__file__).with_name("best_thirds.toml")


def published(groups: Collection[str], slots: Mapping[str, Sequence[str]]) -> dict[str, str] | None:
    """The group of each slot, when the thirds of these groups go on; None: no table is known for a bracket
    with these slots. Groups are letters in lower case; `slots`: the groups of each slot by its name."""
    table = _tables().get(frozenset(frozenset(each) for each in slots.values()))
    row = None if table is None else table.get(frozenset(groups))
    return None if row is None else {name: row[frozenset(each)] for name, each in slots.items()}


@cache
def _tables() -> dict[frozenset[Groups], dict[Groups, dict[Groups, str]]]:
    """By the slots' groups: by the groups whose thirds go on: each slot's group."""
    tables: dict[frozenset[Groups], dict[Groups, dict[Groups, str]]] = {}
    for table in tomllib.loads(_FILE.read_text())["tables"]:
        slots = [frozenset(each.lower()) for each in table["slots"]]
        tables[frozenset(slots)] = {
            frozenset(row): dict(zip(slots, row, strict=True)) for row in table["rows"].lower().split()
        }
    return tables
