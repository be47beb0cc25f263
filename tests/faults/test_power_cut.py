"""Power cuts while marks are made: what was answered exists, and no number is used twice."""

from __future__ import annotations

from pathlib import Path
from random import Random

import apsw
import pytest

from appliance.kernel.sqlite.engine import SqliteEngine
from tests.faults import power_cut
from tests.faults.power_cut import power_cuts, record
from tests.faults.tape import Op, Tape


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_every_answer_and_every_published_event_survives_a_power_cut(tmp_path: Path, seed: int) -> None:
    tally = await power_cuts(20, seed, tmp_path)
    assert tally.violations == [] and tally.lost == 0
    assert tally.rounds == 20 and tally.acknowledged > 100


async def test_the_simulator_finds_a_store_that_does_not_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With synchronous=NORMAL acknowledged commits are lost; if none were, the test above would prove
    nothing."""
    usual = SqliteEngine._connect

    def lazy(self: SqliteEngine, flags: int) -> apsw.Connection:
        db = usual(self, flags)
        if self._vfs is not None:
            db.execute("PRAGMA synchronous=NORMAL")
        return db

    monkeypatch.setattr(SqliteEngine, "_connect", lazy)
    monkeypatch.setattr(power_cut, "_SURVIVALS", ("dropped",))
    tally = await power_cuts(5, 3, tmp_path)
    assert tally.lost > 0


async def test_the_tape_holds_what_the_disk_holds(tmp_path: Path) -> None:
    recording = await record(tmp_path, Random(4), steps=16)
    disk = recording.tape.disk_at(len(recording.tape.ops), "kept", Random(0))
    assert disk["box.db"] == (tmp_path / "box.db").read_bytes()
    assert "box.db-wal" not in disk, "a clean close leaves no log"


def test_unsynced_writes_are_dropped_kept_or_torn() -> None:
    tape = Tape([Op("write", "f", 0, b"a" * 1024), Op("sync", "f"), Op("write", "f", 0, b"b" * 1024)])
    assert tape.disk_at(3, "dropped", Random(0))["f"] == b"a" * 1024
    assert tape.disk_at(3, "kept", Random(0))["f"] == b"b" * 1024
    results = {bytes(tape.disk_at(3, "torn", Random(seed))["f"]) for seed in range(40)}
    assert b"a" * 512 + b"b" * 512 in results and b"b" * 512 + b"a" * 512 in results
