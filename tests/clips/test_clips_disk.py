"""A clips disk that is not mounted has lost nothing, whatever was written into its mount point meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio

from appliance.clips.delivery import Delivery
from appliance.clips.plans import stored_plan
from appliance.kernel.errors import Unavailable
from tests.clips.test_owncut import recorded
from tests.clips.test_strays import NOW_US, clip_row, cut, mark, started
from tests.faults.disk import small_disk
from tests.kit.box import HandClock, sim_store
from tests.kit.hand_footage import HandFootage
from tests.kit.waiting import eventually
from tests.recordings.test_disk_away import mount, unmount

pytestmark = pytest.mark.slow


@pytest.fixture
def clips(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "clips", 8) as folder:
        yield folder


async def test_an_export_on_a_disk_that_is_away_is_not_given_up(tmp_path: Path, clips: Path) -> None:
    recordings, _ = recorded(tmp_path)
    async with sim_store(tmp_path, HandClock(NOW_US)) as store:
        await mark(store)
        path = await cut(store, recordings, clips)
        await store.write(
            lambda tx: tx.run("UPDATE plans SET header = x'', ranges = '[]', media_spans = '[]'")
        )
        await store.write(lambda tx: tx.run("UPDATE clips SET mode = 'exact'"))
        async with started(store, clips):
            pass
        shutil.copytree(clips, tmp_path / "kept")
        unmount(clips)
        (clips / "new").mkdir()
        (clips / "new" / "clip.mp4").write_bytes(b"of another clip")
        for _ in range(2):
            async with started(store, clips) as files:
                assert files.disk.is_away and "not mounted" in str(files.troubles)
                row = await clip_row(store)
                assert (row["status"], row["media_rev"]) == ("ready", 1)
                delivery = Delivery(HandFootage(), clips, trio.CapacityLimiter(1), disk=files.disk)
                plan = await store.read(partial(stored_plan, clip_id=row["id"], media_rev=1))
                assert plan is not None
                with pytest.raises(Unavailable):
                    await delivery.pieces(plan)
        async with started(store, clips) as files:
            mount(clips)
            shutil.copytree(tmp_path / "kept", clips, dirs_exist_ok=True)
            await eventually(lambda: not files.disk.is_away and not files.troubles)
            assert path.exists()


async def test_an_export_that_is_lost_on_its_own_disk_is_made_again(tmp_path: Path, clips: Path) -> None:
    recordings, _ = recorded(tmp_path)
    async with sim_store(tmp_path, HandClock(NOW_US)) as store:
        await mark(store)
        path = await cut(store, recordings, clips)
        await store.write(
            lambda tx: tx.run("UPDATE plans SET header = x'', ranges = '[]', media_spans = '[]'")
        )
        async with started(store, clips):
            pass
        path.unlink()
        async with started(store, clips) as files:
            assert not files.disk.is_away and (await clip_row(store))["status"] == "pending"
