"""A clips disk that is not mounted has lost nothing, whatever was written into its mount point since."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from appliance.box.clips.cutting.exports import Exports
from appliance.box.clips.cutting.from_own_file import OwnCuts
from appliance.box.clips.files.clips_disk import ClipsDisk, MountState, is_bare
from appliance.box.clips.files.delivery import ClipDelivery
from appliance.box.clips.health import clip_files_part
from appliance.box.clips.housekeeping.actor import ClipFiles, run_clip_files
from appliance.box.clips.housekeeping.strays import sweep
from appliance.box.clips.records.expiry import OwnFile
from appliance.box.clips.records.stored_plans import FileLost, StoredPlan, stored_plan
from appliance.box.clips.viewing.thumbnails import Pictures, exact_name
from appliance.kernel.actor import running
from appliance.kernel.errors import Unavailable
from appliance.kernel.store import Store
from tests.box.clips.cutting.test_exports import HandJobs
from tests.box.clips.cutting.test_from_own_file import recorded
from tests.box.clips.housekeeping.test_strays import NOW_US, clip_row, cut, mark, started
from tests.box.clips.test_http import no_worker
from tests.box.recordings.test_disk_away import mount, unmount
from tests.faults.disk import small_disk
from tests.kit.box import sim_store
from tests.kit.clock import HandClock
from tests.kit.fmp4_file import Recordings
from tests.kit.hand_footage import HandFootage, plan_of
from tests.kit.waiting import LIMIT_S, eventually

S = "/mnt/disk"

ENDS = "-m2.partial", "-m3.partial", "-m2.mp4"


class Recorded(HandFootage):
    """Footage access to these recordings."""

    def __init__(self, recordings: Recordings) -> None:
        super().__init__()
        self.recordings = recordings

    def open_fd(self, name: str) -> int:
        return os.open(self.recordings.folder / name, os.O_RDONLY)


@asynccontextmanager
async def filed(store: Store, recordings: Recordings, clips: Path) -> AsyncIterator[ClipFiles]:
    """The files' actor as at a start; the recordings exist."""
    footage = Recorded(recordings)
    async with running("clip files", run_clip_files, store=store, footage=footage, clips_dir=clips) as files:
        yield files


async def gone(store: Store, sql: str) -> None:
    """Wait until the query returns no row."""
    with trio.fail_after(LIMIT_S):
        while await store.read(lambda tx: tx.one(sql)) is not None:
            await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    ("place", "device", "root", "is_away"),
    [
        # recorded by an older version: only the system's disk is known to be the wrong one
        (None, 1, "/", True),
        (None, 2, S, False),
        (f"{S}/clips\n{S}", 1, "/", True),
        (f"{S}/clips\n{S}", 3, "/mnt", True),  # a disk around the mount point, not the system's
        (f"{S}/clips\n{S}", 2, S, False),  # replaced
        ("/var/clips\n/", 2, S, False),  # moved onto a disk
        (f"{S}/other\n{S}", 1, "/", False),  # moved off it
        (f"{S}/clips\n/", 2, S, False),  # mounted for the first time
        (f"{S}/clips\n/", 1, "/", False),  # the system was reinstalled
    ],
)
def test_a_folder_on_the_surrounding_disk_is_a_bare_mount_point(
    place: str | None, device: int, root: str, is_away: bool
) -> None:
    result = MountState("id", device, root, is_own=device != 1)
    assert is_bare(place, Path(S) / "clips", result) is is_away


@pytest.fixture
def clips(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "clips", 8) as folder:
        yield folder


@pytest.mark.slow
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
                assert files.disk.is_away and "not mounted" in str(files.disk_errors)
                row = await clip_row(store)
                assert (row["status"], row["media_rev"]) == ("ready", 1)
                delivery = ClipDelivery(HandFootage(), clips, trio.CapacityLimiter(1), disk=files.disk)
                plan = await store.read(partial(stored_plan, clip_id=row["id"], media_rev=1))
                assert plan is not None
                with pytest.raises(Unavailable):
                    await delivery.pieces(plan)
        async with started(store, clips) as files:
            mount(clips)
            shutil.copytree(tmp_path / "kept", clips, dirs_exist_ok=True)
            await eventually(lambda: not files.disk.is_away and not files.disk_errors)
            assert path.exists()


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("is_running", [False, True])
async def test_an_empty_disk_at_the_same_path_is_accepted_and_its_files_are_made_again(
    tmp_path: Path, clips: Path, is_running: bool
) -> None:
    recordings, _ = recorded(tmp_path)
    async with sim_store(tmp_path, HandClock(NOW_US)) as store:
        await mark(store)
        path = await cut(store, recordings, clips)
        recordings.close()
        await store.write(
            lambda tx: tx.run("UPDATE plans SET header = x'', ranges = '[]', media_spans = '[]'")
        )
        async with started(store, clips):
            await store.write(lambda tx: tx.run("INSERT INTO garbage VALUES ('old.mp4', ?)", (NOW_US,)))
            await gone(store, "SELECT 1 FROM garbage")
        unmount(clips)
        if not is_running:
            mount(clips)
        async with started(store, clips) as files:
            if is_running:
                assert files.disk.is_away
                mount(clips)
            await gone(store, "SELECT 1 FROM clips WHERE status = 'ready'")
            await eventually(lambda: not files.disk.is_away and not files.disk_errors)
            assert not path.exists() and (await clip_row(store))["status"] == "pending"
            part = clip_files_part(files.kept)
            assert part.status == "warn" and "another disk" in part.detail
            await store.write(lambda tx: tx.run("INSERT INTO garbage VALUES ('old.mp4', ?)", (NOW_US,)))
            await gone(store, "SELECT 1 FROM garbage")
        async with started(store, clips) as files:
            assert files.disk.is_there and "another disk" not in clip_files_part(files.kept).detail


@pytest.mark.slow
async def test_clips_that_recordings_hold_get_their_files_on_the_new_disk(
    tmp_path: Path, clips: Path
) -> None:
    recordings, _ = recorded(tmp_path)
    async with sim_store(tmp_path, HandClock(NOW_US)) as store:
        await mark(store)
        path = await cut(store, recordings, clips)
        async with filed(store, recordings, clips):
            data = path.read_bytes()
        unmount(clips)
        mount(clips)
        async with filed(store, recordings, clips):
            await gone(store, "SELECT 1 FROM plans WHERE file_path IS NULL")
            assert path.read_bytes() == data
            row = await clip_row(store)
            assert (row["status"], row["media_rev"]) == ("ready", 1) and clips / row["file_path"] == path


@pytest.mark.slow
async def test_the_folder_is_not_made_at_a_bare_mount_point(tmp_path: Path, clips: Path) -> None:
    inner = clips / "clips"
    recordings, _ = recorded(tmp_path)
    async with sim_store(tmp_path, HandClock(NOW_US)) as store:
        await mark(store)
        await cut(store, recordings, inner)
        async with started(store, inner) as files:
            assert files.disk.is_there
            unmount(clips)
            await eventually(lambda: files.disk.is_away and files.disk_errors)
            with pytest.raises(OSError, match="not mounted"):
                await files.look_again()
            assert os.listdir(clips) == []
            mount(clips)
            await eventually(lambda: files.disk.is_there and not files.disk_errors)
            assert inner.is_dir()


@pytest.mark.slow
async def test_nothing_is_written_or_deleted_at_a_bare_mount_point(tmp_path: Path, clips: Path) -> None:
    recordings, _ = recorded(tmp_path)
    async with sim_store(tmp_path, HandClock(NOW_US)) as store:
        job = await mark(store)
        await cut(store, recordings, clips)
        async with started(store, clips) as files:
            unmount(clips)
            left = clips / "old.mp4"
            left.write_bytes(b"x")
            await store.write(lambda tx: tx.run("INSERT INTO garbage VALUES ('old.mp4', ?)", (NOW_US,)))
            threads = trio.CapacityLimiter(1)
            row, footage = await clip_row(store), HandFootage()
            delivery = ClipDelivery(footage, clips, threads, disk=files.disk)
            own = OwnFile("old.mp4", job.start_us, job.end_us)
            pictures = Pictures(store, footage, no_worker, clips, threads, disk=files.disk)
            for ask in (
                files.collect_now,
                partial(pictures._keep, row, exact_name(row), b"jpeg"),
                partial(OwnCuts(store, clips, threads, files.disk).make, job, own),
                partial(Exports(store, HandJobs(), delivery, 1).make, job, plan_of(0, 1, 1)),
            ):
                with pytest.raises(OSError, match="not mounted"):
                    await ask()
            assert files.disk.is_away and os.listdir(clips) == [left.name]
            assert not files.disk.under_way
        mount(clips)


async def test_a_sweep_leaves_alone_what_jobs_are_making(tmp_path: Path) -> None:
    recordings, clips = recorded(tmp_path)
    async with sim_store(tmp_path, HandClock(NOW_US)) as store:
        await mark(store)
        path = await cut(store, recordings, clips)
        draft, other, named = (path.with_name(path.name.replace("-m1.mp4", end)) for end in ENDS)
        for each in (draft, other, named):
            each.write_bytes(b"begun")
        disk = ClipsDisk()
        async with disk.writing(clips, f"{path.parent.name}/{draft.stem}.mp4"):
            await sweep(store, clips, disk.under_way)
            assert draft.exists() and named.exists() and not other.exists()
        await sweep(store, clips, disk.under_way)
        assert not draft.exists() and not named.exists() and path.exists()


async def test_a_disk_that_is_back_is_swept_before_it_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clips").mkdir()
    seen = []

    async def watched(store: Store, clips_dir: Path, under_way: object) -> int:
        seen.append((turn.locked(), disk.is_away))
        return 0

    monkeypatch.setattr("appliance.box.clips.housekeeping.actor.sweep", watched)
    turn, disk = trio.Lock(), ClipsDisk(is_away=True)
    async with sim_store(tmp_path, HandClock(NOW_US)) as store:
        await ClipFiles(store, HandFootage(), tmp_path / "clips", turn, disk=disk).settle()
    assert seen == [(True, True)] and not disk.is_away and not turn.locked()


async def test_an_export_is_not_given_up_before_the_disk_was_looked_at(tmp_path: Path) -> None:
    (tmp_path / "clips" / "other").mkdir(parents=True)
    plan = StoredPlan("clip", "session", 1, b"", (), 5, "session/clip-m1.mp4")
    delivery = ClipDelivery(HandFootage(), tmp_path / "clips", trio.CapacityLimiter(1))
    with pytest.raises(Unavailable):
        await delivery.pieces(plan)
    delivery.disk.is_known = True
    with pytest.raises(FileLost):
        await delivery.pieces(plan)


@pytest.mark.slow
@pytest.mark.parametrize("is_mounted", [True, False])
async def test_safe_mode_writes_nothing_to_a_bare_mount_point(
    tmp_path: Path, clips: Path, is_mounted: bool
) -> None:
    recordings, _ = recorded(tmp_path)
    async with sim_store(tmp_path, HandClock(NOW_US)) as store:
        await mark(store)
        await cut(store, recordings, clips)
        async with started(store, clips):
            pass
        if not is_mounted:
            unmount(clips)
        run = partial(run_clip_files, store=store, footage=HandFootage(), clips_dir=clips, hold=trio.Event())
        async with running("clip files", run) as files:
            if is_mounted:
                await eventually(lambda: files.disk.is_there)
            async with files.turn:
                await trio.testing.wait_all_tasks_blocked()
            if is_mounted:
                await files.disk.require(clips)
                return
            for _ in range(3):
                with pytest.raises(OSError, match="not mounted"):
                    await files.disk.require(clips)
        assert os.listdir(clips) == []
        mount(clips)
