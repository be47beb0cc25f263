"""Queries made for every mark and by every tablet read few rows, however many clips exist."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import apsw
import pytest

from appliance.box.clips.housekeeping.actor import replaced_cuts
from appliance.box.clips.records.open_marks import refuse_too_many
from appliance.box.clips.records.stored_plans import plans_to_write
from appliance.box.clips.settings import ClipsSettings
from appliance.box.snapshot import snapshot
from appliance.kernel.operation import Caller
from appliance.kernel.store import open_store
from appliance.kernel.tx import ReadTx
from tests.kit.clock import HandClock

GROW = re.compile(r"SCAN (plans|clips|plays|tags|journal)$")  # without an index: all rows
HOT: dict[str, Callable[[ReadTx], object]] = {
    "what gets a file next": plans_to_write,
    "cuts that are to go": replaced_cuts,
    "a tablet's start": snapshot,
    "open marks": lambda tx: refuse_too_many(tx, ClipsSettings(), Caller("t1"), tx.now_us, ["cam1"]),
}


def scans(db: apsw.Connection, ask: Callable[[], object]) -> list[str]:
    """Every statement of `ask` that reads all rows of a growing table."""
    requests: list[tuple[str, Any]] = []

    def note(cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
        requests.append((sql, bindings))
        return True

    db.exec_trace = note
    try:
        ask()
    finally:
        db.exec_trace = None
    assert requests
    return [
        f"{step[3]}: {sql}"
        for sql, bindings in requests
        for step in db.execute(f"EXPLAIN QUERY PLAN {sql}", bindings)
        if GROW.match(step[3])
    ]


@pytest.mark.parametrize("name", HOT)
async def test_no_query_looks_at_every_row(tmp_path: Path, name: str) -> None:
    async with open_store(tmp_path / "box.db", HandClock()) as store:
        assert await store.read(lambda tx: scans(cast(apsw.Connection, tx.db), lambda: HOT[name](tx))) == []
