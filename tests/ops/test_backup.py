"""A backup is the complete database in one file; a restore starts a new epoch."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from appliance.kernel.store import open_store
from appliance.ops.backup import NoBackup, backup_to, restore_from
from appliance.ops.lock import StateBusy, hold_state
from tests.kit.box import add_channel
from tests.kit.clock import HandClock
from tests.ops.box import settings_in


async def fill(state_dir: Path, channel_id: str) -> str:
    async with open_store(state_dir / "box.db", HandClock()) as store:
        await store.write(lambda tx: add_channel(tx, channel_id))
        return store.journal.epoch


async def channels(state_dir: Path) -> tuple[str, list[str]]:
    async with open_store(state_dir / "box.db", HandClock()) as store:
        rows = await store.read(lambda tx: tx.all("SELECT id FROM channels ORDER BY id"))
        return store.journal.epoch, [row["id"] for row in rows]


def test_what_was_backed_up_comes_back_with_a_new_epoch(tmp_path: Path) -> None:
    settings, file = settings_in(tmp_path), tmp_path / "b.db"
    state_dir = settings.storage.state_dir
    epoch = trio.run(fill, state_dir, "cam1")
    assert backup_to(settings, file) == file.stat().st_size > 0
    assert file.stat().st_mode & 0o777 == 0o600, "passphrases are in it"
    trio.run(fill, state_dir, "cam2")
    previous = restore_from(settings, file)
    assert previous is not None and previous.exists()
    assert trio.run(channels, state_dir)[1] == ["cam1"] and trio.run(channels, state_dir)[0] != epoch


def test_a_running_box_is_backed_up_and_not_restored(tmp_path: Path) -> None:
    settings, file = settings_in(tmp_path), tmp_path / "b.db"
    trio.run(fill, settings.storage.state_dir, "cam1")
    with hold_state(settings.storage.state_dir):
        backup_to(settings, file)
        with pytest.raises(StateBusy):
            restore_from(settings, file)


def test_what_is_no_backup_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with pytest.raises(NoBackup, match="no database"):
        backup_to(settings, tmp_path / "b.db")
    trio.run(fill, settings.storage.state_dir, "cam1")
    with pytest.raises(NoBackup, match="not a whole database"):
        restore_from(settings, Path(__file__))
    assert trio.run(channels, settings.storage.state_dir)[1] == ["cam1"]
