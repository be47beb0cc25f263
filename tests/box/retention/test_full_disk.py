"""A disk that is really full: database, recordings and clips on one small tmpfs."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.box.retention.actor import measure_space
from appliance.box.retention.model import Space
from appliance.box.retention.spare_space import MIB, SpareSpace
from appliance.kernel.store import Store, StoreFull
from appliance.kernel.tx import Tx
from tests.box.retention.disk import DAY_US, MINUTE_US, NO_LIMITS, Disk
from tests.kit.box import add_channel, sim_store
from tests.kit.clock import HandClock

SIZE = 44 * MIB
SPARE = 8 * MIB


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 44 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
async def disk(small: Path) -> AsyncIterator[Disk]:
    clock = HandClock()
    (small / "state").mkdir()
    async with sim_store(small / "state", clock) as store:
        await store.write(lambda tx: add_channel(tx, "cam1"))
        disk = Disk(small, store, clock)
        disk.space = measure_space  # type: ignore[method-assign]
        yield disk


def fill(disk: Disk) -> list[str]:
    """Footage of one MiB per file, oldest first, and then as much other data as fits."""
    names = []
    try:
        for number in range(100):
            names.append(disk.record(DAY_US - number * MINUTE_US, size=MIB))
    except OSError as error:
        assert error.errno == errno.ENOSPC
    left = disk.recordings / "cam1" / "rest"
    with left.open("ab", buffering=0) as rest:
        try:
            while True:
                rest.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC
    return names


def big(tx: Tx) -> None:
    """More than the free space in SQLite's files."""
    tx.run("INSERT OR REPLACE INTO meta VALUES ('big', ?)", (os.urandom(400_000).hex(),))


async def is_full(store: Store) -> bool:
    try:
        await store.write(big)
    except StoreFull:
        return True
    return False


async def test_a_full_box_frees_itself_and_takes_marks_again(disk: Disk) -> None:
    limits = replace(NO_LIMITS, reserve_bytes=12 * MIB)
    spare_space = SpareSpace(disk.root / "state", SPARE)
    async with disk.kept(limits) as handle:
        assert spare_space.is_there()
        names = fill(disk)
        assert len(names) > 30
        assert await is_full(disk.store)
        await handle.look_now()
        assert measure_space(disk.root).free_bytes >= 11 * MIB, "the database took a little of it"
        assert disk.removed == names[: len(disk.removed)], "the oldest, and no others"
        assert 3 <= len(disk.removed) <= 7, "the spare space and no more footage than that took"
        assert not await is_full(disk.store)
        events = disk.events("footage_deleted")
        assert {each["reason"] for each in events} == {"reserve_gb"}
        assert sum(each["bytes"] for each in events) == len(disk.removed) * MIB
        assert not handle.figures().has_spare_space
        for name in list(disk.segments):
            (disk.recordings / name).unlink()
        await handle.look_now()
        assert handle.figures().has_spare_space, "space has returned"


async def test_rows_are_deleted_with_the_room_of_the_spare_space(disk: Disk) -> None:
    """The disk fills up between the check and the transaction."""
    limits = replace(NO_LIMITS, reserve_bytes=12 * MIB)
    spare_space = SpareSpace(disk.root / "state", SPARE)
    async with disk.kept(limits) as handle:
        names = fill(disk)
        while not await is_full(disk.store):
            pass
        disk.space = lambda folder: Space(1, SPARE)  # type: ignore[method-assign]
        await handle.look_now()
        assert not spare_space.is_there()
        assert handle.figures().error == ""
        assert disk.removed == names[: len(disk.removed)] and disk.removed
        assert not await is_full(disk.store)
