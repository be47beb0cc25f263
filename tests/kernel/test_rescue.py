"""A database that is damaged, missing or truncated: detected, moved aside, rebuilt from what can be read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import apsw
import pytest
import trio

from appliance.kernel import json
from appliance.kernel.migrate import WrongDatabase
from appliance.kernel.rescue import find_damage, finish_swap, install, is_good, rescue
from appliance.kernel.schema import newest_schema
from appliance.kernel.sqlite.connection import backup_file
from appliance.kernel.store import Store, StoreBroken, open_store
from appliance.kernel.tx import Tx
from appliance.kernel.witness import Witness, log_bytes, read_witness, write_witness
from appliance.ops.snapshots import take_snapshot
from tests.kit.box import add_channel, add_session
from tests.kit.clock import HandClock

NOW_US = 1_795_203_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "box.db"


def names(path: Path) -> set[str]:
    db = apsw.Connection(str(path))
    try:
        return {str(name) for (name,) in db.execute("SELECT name FROM sessions")}
    finally:
        db.close()


async def fill(store: Store, wanted: Sequence[str]) -> None:
    def change(tx: Tx, name: str) -> None:
        session_id = add_session(tx)
        tx.update("sessions", session_id, {"name": name})
        tx.append("session_updated", f"session:{session_id}", {"name": name})

    for name in wanted:
        await store.write(partial(change, name=name))


def make(path: Path, before: Sequence[str], after: Sequence[str] = ()) -> tuple[Path, Witness]:
    """A database with a snapshot of the sessions `before`; `after` came later. And its witness."""

    async def run() -> tuple[Path, Witness]:
        async with open_store(path, HandClock()) as store:
            await store.write(lambda tx: add_channel(tx, "cam1"))
            await fill(store, before)
            snapshot = path.parent / "snapshots" / "box-1.db"
            await take_snapshot(store, snapshot)
            await fill(store, after)
            return snapshot, Witness("stadium", store.journal.epoch, store.journal.head, newest_schema())

    return trio.run(run)


def scribble(path: Path, at: int, count: int = 4096) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xa5" * count)


def page_of(path: Path, table: str) -> int:
    db = apsw.Connection(str(path))
    try:
        root = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).get
        return (int(root) - 1) * int(db.pragma("page_size"))
    finally:
        db.close()


def opened(path: Path) -> tuple[str, int, list[str]]:
    """Epoch, head and event types of the database, as a daemon would read them."""

    async def run() -> tuple[str, int, list[str]]:
        async with open_store(path, HandClock()) as store:
            entries = await store.journal.read(0)
            return store.journal.epoch, store.journal.head, [entry.type for entry in entries]

    return trio.run(run)


def test_neither_a_good_database_nor_a_first_start_is_damage(path: Path) -> None:
    assert find_damage(path, None) is None
    _, witness = make(path, ["a"])
    assert find_damage(path, witness) is None
    assert find_damage(path, None) is None


@pytest.mark.parametrize("at", [0, 4096 * 3])
def test_damage_is_noticed_and_what_can_be_read_is_kept(path: Path, at: int) -> None:
    snapshot, witness = make(path, ["a", "b"], ["c"])
    scribble(path, at or 0)
    reason = find_damage(path, witness)
    assert reason is not None and "damaged" in reason
    report = rescue(path, [snapshot], reason, NOW_US, witness)
    assert names(path) >= {"a", "b"}, "nothing older than the snapshot is lost"
    assert report.snapshot == "box-1.db" and (path.parent / report.aside).exists()
    epoch, head, types = opened(path)
    assert epoch != witness.epoch and head > witness.head and types == ["database_restored"]
    assert find_damage(path, None) is None and is_good(path)


def test_rows_newer_than_the_snapshot_are_read_out_of_the_damaged_file(path: Path) -> None:
    snapshot, witness = make(path, ["a"], ["b", "c"])
    scribble(path, page_of(path, "journal"))
    reason = find_damage(path, witness)
    assert reason is not None
    report = rescue(path, [snapshot], reason, NOW_US, witness)
    assert names(path) == {"a", "b", "c"} and report.rows >= 3


def test_without_a_snapshot_the_damaged_file_alone_gives_what_it_can(path: Path) -> None:
    _, witness = make(path, ["a"], ["b"])
    scribble(path, page_of(path, "journal"))
    report = rescue(path, [], "test", NOW_US, witness)
    assert names(path) == {"a", "b"} and report.snapshot == ""


@pytest.mark.parametrize("how", ["gone", "empty", "rubbish"])
def test_a_database_that_is_not_there_any_more_comes_from_the_snapshot(path: Path, how: str) -> None:
    snapshot, witness = make(path, ["a", "b"], ["c"])
    path.unlink()
    if how != "gone":
        path.write_bytes(b"" if how == "empty" else b"no database" * 900)
    reason = find_damage(path, witness)
    assert reason is not None
    rescue(path, [snapshot], reason, NOW_US, witness)
    assert names(path) == {"a", "b"} and opened(path)[1] > witness.head


def test_a_database_restored_from_before_an_update_is_no_damage(path: Path) -> None:
    snapshot, witness = make(path, ["A"])
    newer = replace(witness, schema=newest_schema() + 1)  # of the release that was rolled back
    assert "header" in str(find_damage(path, newer))
    install(path, snapshot, NOW_US)
    assert find_damage(path, newer) is None


def test_a_database_without_its_log_is_noticed_by_its_witness(path: Path, tmp_path: Path) -> None:
    snapshot, _ = make(path, ["a"])

    async def lose_the_log() -> Witness:
        async with open_store(path, HandClock()) as store:
            await fill(store, ["b", "c"])
            shutil.copyfile(path, tmp_path / "without.db")
            return Witness("stadium", store.journal.epoch, store.journal.head, newest_schema())

    witness = trio.run(lose_the_log)
    shutil.copyfile(tmp_path / "without.db", path)
    reason = find_damage(path, witness)
    assert reason is not None and "missing" in reason
    rescue(path, [snapshot], reason, NOW_US, witness)
    assert names(path) >= {"a"} and opened(path)[1] > witness.head
    assert find_damage(path, Witness("stadium", "another epoch", 10**9)) is None, (
        "a restored one is not cut short"
    )


def killed(path: Path, folder: Path) -> Path:
    """The database in `folder` as a kill leaves it right after a change not yet in the witness."""

    async def run() -> None:
        async with open_store(path, HandClock()) as store:
            await fill(store, ["b"])
            head, log = store.journal.head, log_bytes(path)
            await fill(store, ["c"])
            for name in ("box.db", "box.db-wal"):
                shutil.copyfile(path.with_name(name), folder / name)
            write_witness(folder, Witness("stadium", store.journal.epoch, head, newest_schema(), log))

    folder.mkdir()
    trio.run(run)
    return folder / "box.db"


@pytest.mark.parametrize("how", ["gone", "empty", "with all files of it"])
def test_a_log_that_is_gone_is_noticed_however_new_its_changes_are(
    path: Path, tmp_path: Path, how: str
) -> None:
    make(path, ["a"])
    there = killed(path, tmp_path / "killed")
    witness = read_witness(there.parent)
    assert witness is not None and witness.log > 0
    shutil.copyfile(there, tmp_path / "as it was.db")
    # everything in the witness is in the database: its head alone proves nothing
    at_witness = replace(witness, head=0)
    there.with_name("box.db-wal").unlink()
    if how == "empty":
        there.with_name("box.db-wal").touch()
    if how == "with all files of it":
        there.with_name("box.db-shm").touch()
    reason = find_damage(there, at_witness)
    assert reason is not None and "log" in reason
    report = rescue(there, [], reason, NOW_US, witness)
    assert report.rows and opened(there)[1] > witness.head


def test_a_log_that_a_close_removed_is_not_missed(path: Path, tmp_path: Path) -> None:
    make(path, ["a"])
    there = killed(path, tmp_path / "killed")
    backup_file(there, tmp_path / "copy.db")  # a tool beside the stopped box: its close removes the log
    assert log_bytes(there) < 0 and find_damage(there, read_witness(there.parent)) is None

    again = killed(path, tmp_path / "again")
    # a check, and a start that does nothing else
    assert find_damage(again, read_witness(again.parent)) is None
    assert find_damage(again, read_witness(again.parent)) is None

    third = killed(path, tmp_path / "third")

    async def look() -> None:
        async with open_store(third, HandClock()):
            pass

    trio.run(look)
    assert find_damage(third, read_witness(third.parent)) is None and names(third) >= {"a", "b", "c"}


def test_a_file_older_than_the_snapshot_gives_no_rows(path: Path, tmp_path: Path) -> None:
    _, witness = make(path, ["a"])
    shutil.copyfile(path, tmp_path / "older.db")

    async def go_on() -> None:
        async with open_store(path, HandClock()) as store:
            await fill(store, ["b"])
            await store.write(lambda tx: tx.run("UPDATE sessions SET location = 'later'"))  # rev is unchanged
            await take_snapshot(store, path.parent / "snapshots" / "box-2.db")

    trio.run(go_on)
    shutil.copyfile(tmp_path / "older.db", path)
    rescue(path, [path.parent / "snapshots" / "box-2.db"], "log gone", NOW_US, witness)
    db = apsw.Connection(str(path))
    assert [place for (place,) in db.execute("SELECT location FROM sessions")] == ["later", "later"]
    db.close()


def test_a_bad_snapshot_is_passed_over(path: Path) -> None:
    snapshot, witness = make(path, ["a"])
    worse = snapshot.with_name("box-2.db")
    shutil.copyfile(snapshot, worse)
    scribble(worse, 4096)
    path.unlink()
    assert rescue(path, [worse, snapshot], "gone", NOW_US, witness).snapshot == "box-1.db"
    assert names(path) == {"a"}


def test_a_row_whose_parent_is_lost_does_not_break_the_rest(path: Path) -> None:
    _, witness = make(path, ["a"])
    db = apsw.Connection(str(path))
    db.execute("INSERT INTO session_channels VALUES ('nobody', 'cam1')")
    db.close()
    rescue(path, [], "test", NOW_US, witness)
    check = apsw.Connection(str(path))
    assert list(check.execute("PRAGMA foreign_key_check")) == []
    check.close()
    assert names(path) == {"a"}


def test_a_backup_is_installed_with_a_new_epoch_and_the_old_one_kept(path: Path) -> None:
    snapshot, witness = make(path, ["a"], ["b"])
    aside = install(path, snapshot, NOW_US)
    assert names(path) == {"a"} and names(aside) == {"a", "b"}
    epoch, head, _ = opened(path)
    assert epoch != witness.epoch and head > 1000
    with pytest.raises(ValueError, match="not a whole database"):
        install(path, Path(__file__), NOW_US)


def test_the_event_of_a_rescue_contains_its_sources(path: Path) -> None:
    snapshot, witness = make(path, ["a"])
    path.unlink()
    rescue(path, [snapshot], "gone", NOW_US, witness)
    db = apsw.Connection(str(path))
    body = json.decode(str(db.execute("SELECT body FROM journal").get).encode())
    db.close()
    assert body == {"reason": "gone", "snapshot": "box-1.db"}


@pytest.mark.parametrize("at", [47, 60, 63, 68, 71])  # file format, user_version, application_id
@pytest.mark.parametrize("value", [0x03, 0xA5])
def test_a_damaged_header_is_damage_and_not_another_program(path: Path, at: int, value: int) -> None:
    snapshot, witness = make(path, ["a"], ["b"])
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes([value]))
    reason = find_damage(path, witness)
    if at == 47 and value == 0x03:
        assert reason is None and names(path) == {"a", "b"}, "an older format that SQLite reads as well"
        return
    assert reason is not None and "damaged" in reason
    rescue(path, [snapshot], reason, NOW_US, witness)
    assert names(path) >= {"a"} and opened(path)[0] != witness.epoch
    assert find_damage(path, None) is None


def test_a_file_too_short_for_a_header_is_damage_and_not_a_first_start(path: Path) -> None:
    snapshot, witness = make(path, ["a"])
    path.write_bytes(b"\0")
    reason = find_damage(path, witness)
    assert reason is not None
    rescue(path, [snapshot], reason, NOW_US, witness)
    assert names(path) == {"a"}


def test_the_database_of_a_newer_release_is_refused_and_not_made_again(path: Path) -> None:
    _, witness = make(path, ["a"])
    newer = replace(witness, schema=newest_schema() + 1)
    db = apsw.Connection(str(path))
    db.execute(f"PRAGMA user_version={newer.schema}")
    db.close()
    assert find_damage(path, newer) is None
    with pytest.raises(WrongDatabase, match="newer"):
        opened(path)


def break_index(path: Path) -> None:
    """As many keys in the journal's time index as before, all of them wrong."""
    db = apsw.Connection(str(path))
    wanted = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'journal_by_time'").get
    for sql in (str(wanted).replace("ts_us", "seq"), wanted):
        db.execute("PRAGMA writable_schema=ON")
        db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'journal_by_time'", (sql,))
        db.execute("PRAGMA writable_schema=RESET")
        if sql != wanted:
            db.execute("REINDEX journal_by_time")
    db.close()


def test_an_index_with_wrong_keys_is_found_by_the_start_after_it_ended_the_box(path: Path) -> None:
    snapshot, witness = make(path, ["a"], ["b"])
    break_index(path)
    shutil.copyfile(path, snapshot)
    assert find_damage(path, witness) is None, "the quick check compares no index with its table"

    async def use_it() -> None:
        with pytest.RaisesGroup(StoreBroken):
            async with open_store(path, HandClock()) as store:
                with pytest.raises(StoreBroken):
                    await store.write(lambda tx: tx.run("DELETE FROM journal WHERE seq > 0"))
                await trio.sleep_forever()

    trio.run(use_it)
    reason = find_damage(path, witness)
    assert reason is not None and "index" in reason
    rescue(path, [snapshot], reason, NOW_US, witness)
    assert names(path) == {"a", "b"}, "a snapshot of the same damage is passed over"
    assert opened(path)[2] == ["database_restored"]
    assert find_damage(path, None) is None


def test_a_rescue_that_is_interrupted_anywhere_is_completed_by_the_next_start(path: Path) -> None:
    """The power fails after each rename of the swap."""
    for steps in range(6):
        shutil.rmtree(path.parent, ignore_errors=True)
        snapshot, witness = make(path, ["a"], ["b"])
        scribble(path, page_of(path, "journal"))
        # garbage that must not be combined with the new one
        shutil.copyfile(path, path.with_name("box.db-wal"))
        reason = find_damage(path, witness)
        assert reason is not None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "replace", PowerCut(steps))
            try:
                rescue(path, [snapshot], reason, NOW_US, witness)
            except KeyboardInterrupt:
                pass
        finish_swap(path, NOW_US + 1_000_000)
        if (again := find_damage(path, witness)) is not None:
            rescue(path, [snapshot], again, NOW_US + 1_000_000, witness)
        assert names(path) == {"a", "b"}, steps
        assert find_damage(path, None) is None and opened(path)[0] != witness.epoch, steps


class PowerCut:
    """`os.replace` that succeeds this many times."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def __call__(self, source: Path, target: Path) -> None:
        if self.steps == 0:
            raise KeyboardInterrupt
        self.steps -= 1
        source.rename(target)
