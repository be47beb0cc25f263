"""A state disk that becomes read-only: data is readable, changes are refused, and it recovers by itself."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest
import trio

from appliance.kernel import state_disk
from appliance.kernel.batch import StoreReadOnly
from appliance.kernel.sqlite import engine
from appliance.kernel.sqlite.engine import on_disk
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import Tx
from tests.faults.disk import Ext4, ext4_disk
from tests.kit.clock import HandClock
from tests.kit.waiting import LIMIT_S

pytestmark = pytest.mark.slow


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Ext4]:
    with ext4_disk(tmp_path / "disk", 16) as disk:
        yield disk


def note(tx: Tx, key: str) -> None:
    tx.run("INSERT INTO meta VALUES (?, 'x')", (key,))
    tx.append("noted", key, {"key": key})


async def keys(store: Store) -> set[str]:
    rows = await store.read(lambda tx: tx.all("SELECT key FROM meta WHERE value = 'x'"))
    return {row["key"] for row in rows}


async def attached(store: Store) -> None:
    """Once the store can write to its disk again; any write checks it."""
    with trio.fail_after(LIMIT_S):
        while store.detached is not None:
            await store.write(lambda tx: None)
            await trio.sleep(0.05)


async def test_a_disk_that_turns_read_only_under_the_store_is_read_from_and_mends(disk: Ext4) -> None:
    async with open_store(disk.folder / "box.db", HandClock()) as store:
        await store.write(lambda tx: note(tx, "before"))
        disk.break_down()
        with pytest.raises(StoreReadOnly) as refused:
            await store.write(lambda tx: note(tx, "lost"))
        assert refused.value.status == 503
        assert store.detached and store.refused
        assert await keys(store) >= {"before"}
        assert await store.write(lambda tx: tx.value("SELECT 7")) == 7, "what changes nothing is answered"
        with pytest.raises(StoreReadOnly):
            await store.write(lambda tx: note(tx, "lost too"))
        disk.mend()
        await attached(store)
        await store.write(lambda tx: note(tx, "after"))
        assert await keys(store) >= {"before", "after"} and "lost too" not in await keys(store)
        assert store.refused == ""
        entries = await store.journal.read(0)
        assert [entry.seq for entry in entries] == list(range(1, store.journal.head + 1)), (
            "no hole for readers"
        )
    async with open_store(disk.folder / "box.db", HandClock()) as store:
        assert await keys(store) >= {"before", "after"}


async def test_a_start_on_a_read_only_disk_serves_what_is_there_and_mends(disk: Ext4) -> None:
    database = disk.folder / "box.db"
    connection = apsw.Connection(str(database))  # stays open, so that the log is not merged at the end
    async with open_store(database, HandClock()) as store:
        await store.write(lambda tx: note(tx, "in the log"))
        epoch = store.journal.epoch
        connection.execute("SELECT count(*) FROM meta").fetchall()
    disk.break_down()
    async with open_store(database, HandClock()) as store:
        assert store.detached and (store.journal.epoch, store.journal.head) == (epoch, 1)
        assert await keys(store) == {"in the log"}
        copy = on_disk(store).file
        assert copy.exists() and not copy.is_relative_to(disk.folder)
        with pytest.raises(StoreReadOnly):
            await store.write(lambda tx: note(tx, "lost"))
        connection.close(True)
        disk.mend()
        await attached(store)
        assert not copy.exists()
        await store.write(lambda tx: note(tx, "after"))
        assert (await store.journal.read(0))[-1].seq == 2


async def test_the_copy_is_deleted_when_the_store_is_closed(disk: Ext4) -> None:
    async with open_store(disk.folder / "box.db", HandClock()):
        pass
    disk.break_down()
    async with open_store(disk.folder / "box.db", HandClock()) as store:
        copy = on_disk(store).file
        assert copy.exists()
    assert not copy.parent.exists()


def test_a_writable_folder_is_not_refused_and_no_file_stays_in_it(tmp_path: Path) -> None:
    assert state_disk.refusal(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    assert state_disk.refusal(tmp_path / "absent") is None, "that is not the disk's fault"
    assert engine.ATTACH_S <= 2


def test_the_copy_lies_in_memory_where_temporary_files_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "box.db").write_bytes(b"rows")
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "read only, as the state disk is"))
    copy = state_disk.copy_database(tmp_path / "box.db")
    try:
        assert copy.path.read_bytes() == b"rows"
    finally:
        state_disk.discard_copy(copy)


_COPY_AND_WAIT = """
import sys
from pathlib import Path
from appliance.kernel.state_disk import copy_database
print(copy_database(Path(sys.argv[1])).path.parent, flush=True)
sys.stdin.read()
"""


def copying(database: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process that has made a copy and uses it."""
    command = [sys.executable, "-c", _COPY_AND_WAIT, str(database)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_the_next_start_deletes_the_copy_of_a_killed_process_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "box.db").write_bytes(b"rows")
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(memory))
    strange = memory / f"{state_disk.PREFIX}strange"
    strange.mkdir()
    (strange / "notes").write_bytes(b"somebody's")
    linked = memory / f"{state_disk.PREFIX}linked"
    killed, left = copying(tmp_path / "box.db")
    running, used = copying(tmp_path / "box.db")
    linked.symlink_to(used)
    with killed, running:
        assert (left / "box.db").exists() and left.parent == memory
        killed.kill()
        killed.wait()
        removed = state_disk.remove_left_copies()
        assert left in removed and used not in removed
        assert not left.exists() and (used / "box.db").exists() and (strange / "notes").exists()
        running.kill()
    assert used in state_disk.remove_left_copies()
