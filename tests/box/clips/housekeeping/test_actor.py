"""Clip files: written completely or not at all, and deleted at the end of their retention."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.box.clips.files.recovery import find_lost
from appliance.box.clips.files.write_plan import BytesLost, write_plan
from appliance.box.clips.housekeeping import actor as files
from appliance.box.clips.housekeeping.actor import ClipFiles, run_clip_files
from appliance.box.clips.housekeeping.strays import sweep
from appliance.box.clips.model import ClipIn
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records import marks
from appliance.box.clips.records.stored_plans import StoredPlan, file_name, stored_plan, unwritten_plans
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Tx
from appliance.media.cut.plan import Range
from tests.kit.box import COACH, add_channel, add_session, mark_rules, sim_store
from tests.kit.clock import KICKOFF_US, HandClock
from tests.kit.hand_footage import HandFootage, plan_of
from tests.kit.waiting import LIMIT_S


class DiskFootage(HandFootage):
    """Recordings in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def open_fd(self, name: str) -> int:
        return os.open(self.folder / name, os.O_RDONLY)


def opener(folder: Path) -> Callable[[str], int]:
    return DiskFootage(folder).open_fd


def stored(ranges: tuple[tuple[str, int, int], ...]) -> StoredPlan:
    return StoredPlan("clip", "session", 3, b"HEAD", ranges, 4 + sum(r[2] for r in ranges), None)


def test_a_file_is_the_header_and_the_ranges_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"0123456789")
    (tmp_path / "b.mp4").write_bytes(b"abcdefghij")
    plan = stored((("a.mp4", 2, 3), ("b.mp4", 0, 4)))
    target = tmp_path / "clips" / file_name(plan)
    write_plan(plan, target, opener(tmp_path))
    assert target.read_bytes() == b"HEAD234abcd"
    assert [each.name for each in target.parent.iterdir()] == ["clip-m3.mp4"], "nothing unfinished is left"


def test_short_writes_make_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    (tmp_path / "a.mp4").write_bytes(b"0123456789")
    target = tmp_path / "clips" / "clip.mp4"
    write_plan(stored((("a.mp4", 2, 3), ("a.mp4", 7, 2))), target, opener(tmp_path))
    assert target.read_bytes() == b"HEAD23478"


@pytest.mark.parametrize("content", [b"0123", None])
def test_bytes_that_are_gone_leave_no_file(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.mp4").write_bytes(content)
    plan = stored((("a.mp4", 2, 3),))
    target = tmp_path / "clips" / file_name(plan)
    with pytest.raises(BytesLost):
        write_plan(plan, target, opener(tmp_path))
    assert list(target.parent.iterdir()) == []


async def make_ready(store: Store, name: str, offset: int, length: int) -> str:
    """A ready clip of one range of a recording."""

    def change(tx: Tx) -> str:
        if tx.value("SELECT 1 FROM channels") is None:
            add_channel(tx, "cam1")
        body = ClipIn(session_id=add_session(tx), channel_id="cam1", duration_seconds=5.0)
        clip = marks.create_clip(tx, COACH, mark_rules(), body).resource
        job = cuts.claim(tx, cuts.waiting_jobs(tx)[0])
        assert job is not None
        plan = plan_of(job.start_us, job.end_us, job.end_us)
        object.__setattr__(plan, "ranges", (Range(name, offset, length),))
        object.__setattr__(plan, "size", len(plan.header) + length)
        assert cuts.finish(tx, job, plan)
        return str(clip["id"])

    return await store.write(change)


async def settled(store: Store, question: Callable[[ReadTx], object]) -> None:
    """Wait until the query returns a true value."""
    with trio.fail_after(LIMIT_S):
        while not await store.read(question):
            await trio.lowlevel.checkpoint()


async def test_ready_clips_get_their_file_without_an_event(tmp_path: Path) -> None:
    (tmp_path / "cam1.mp4").write_bytes(bytes(100) + b"x" * 50)
    async with sim_store(tmp_path, HandClock()) as store, trio.open_nursery() as nursery:
        clip_id = await make_ready(store, "cam1.mp4", 100, 50)
        head, rev = store.journal.head, await store.read(lambda tx: tx.value("SELECT rev FROM clips"))
        footage = DiskFootage(tmp_path)
        await nursery.start(
            lambda task_status: run_clip_files(
                store=store, footage=footage, clips_dir=tmp_path / "clips", task_status=task_status
            )
        )
        await settled(store, lambda tx: tx.value("SELECT file_path FROM clips WHERE id = ?", (clip_id,)))
        plan = await store.read(lambda tx: stored_plan(tx, clip_id, 1))
        assert plan is not None and plan.file_path is not None
        assert (tmp_path / "clips" / plan.file_path).read_bytes() == b"header" + b"x" * 50
        assert store.journal.head == head
        assert await store.read(lambda tx: tx.value("SELECT rev FROM clips")) == rev
        assert await store.read(unwritten_plans) == []
        nursery.cancel_scope.cancel()


async def test_a_clip_whose_recording_lost_bytes_is_cut_again(tmp_path: Path) -> None:  # V29 lost
    (tmp_path / "cam1.mp4").write_bytes(bytes(120))
    async with sim_store(tmp_path, HandClock()) as store, trio.open_nursery() as nursery:
        clip_id = await make_ready(store, "cam1.mp4", 100, 50)
        await nursery.start(
            lambda task_status: run_clip_files(
                store=store,
                footage=DiskFootage(tmp_path),
                clips_dir=tmp_path / "clips",
                task_status=task_status,
            )
        )
        row = await store.read(lambda tx: tx.one("SELECT * FROM clips WHERE id = ?", (clip_id,)))
        assert row is not None
        assert (row["status"], row["media_rev"], row["ready_media_rev"]) == ("pending", 2, None)
        nursery.cancel_scope.cancel()


async def test_a_clip_whose_plan_damage_has_taken_is_cut_again(tmp_path: Path) -> None:
    (tmp_path / "cam1.mp4").write_bytes(bytes(200))
    async with sim_store(tmp_path, HandClock()) as store:
        saved = await make_ready(store, "cam1.mp4", 100, 50)
        clip_id = await make_ready(store, "cam1.mp4", 100, 50)
        await store.write(lambda tx: tx.run("DELETE FROM plans WHERE clip_id = ?", (clip_id,)))
        await find_lost(store, DiskFootage(tmp_path), tmp_path / "clips", look_inside=False)
        rows = await store.read(lambda tx: {row["id"]: row for row in tx.all("SELECT * FROM clips")})
        assert rows[saved]["status"] == "ready"
        assert (rows[clip_id]["status"], rows[clip_id]["media_rev"]) == ("pending", 2)
        assert [job.clip_id for job in await store.read(cuts.waiting_jobs)] == [clip_id]


def give_picture(tx: Tx, clip_id: str, path: str) -> None:
    tx.run("UPDATE clips SET thumbnail_path = ? WHERE id = ?", (path, clip_id))


async def test_a_picture_that_is_not_there_is_forgotten_unless_the_disk_is_away(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    async with sim_store(tmp_path, HandClock()) as store:
        names = []
        for _ in range(2):
            clip_id = await make_ready(store, "cam1.mp4", 100, 50)
            names.append(f"thumbs/{clip_id}-m1.jpg")
            await store.write(partial(give_picture, clip_id=clip_id, path=names[-1]))
        clips.mkdir()
        await sweep(store, clips)
        there = "SELECT thumbnail_path FROM clips WHERE thumbnail_path IS NOT NULL"
        assert len(await store.read(lambda tx: tx.all(there))) == 2
        (clips / "thumbs").mkdir()
        (clips / names[0]).write_bytes(b"jpeg")
        await sweep(store, clips)
        assert [row["thumbnail_path"] for row in await store.read(lambda tx: tx.all(there))] == names[:1]
        assert (clips / names[0]).exists()


async def test_bytes_lost_again_at_once_are_not_reported_again(tmp_path: Path) -> None:
    """The index still lists data that the file no longer has: the clip must not be cut in a tight loop."""
    (tmp_path / "cam1.mp4").write_bytes(bytes(120))
    async with sim_store(tmp_path, HandClock()) as store:
        clip_id = await make_ready(store, "cam1.mp4", 100, 50)
        async with writing(store, tmp_path / "clips", DiskFootage(tmp_path)) as clip_files:
            await settled(store, lambda tx: tx.value("SELECT status FROM clips") == "pending")
            clip_files.lost.setdefault(clip_id, trio.current_time() + 300)  # as when a write fails

            def cut_the_same(tx: Tx) -> None:
                job = cuts.claim(tx, cuts.waiting_jobs(tx)[0])
                assert job is not None
                plan = plan_of(job.start_us, job.end_us, job.end_us)
                assert cuts.finish(tx, job, replace(plan, ranges=(Range("cam1.mp4", 100, 50),)))

            await store.write(cut_the_same)
            await until(lambda: (clip_id, 2) in clip_files.put_off)
            row = await store.read(lambda tx: tx.one("SELECT * FROM clips WHERE id = ?", (clip_id,)))
            assert row is not None and (row["status"], row["ready_media_rev"]) == ("ready", 2)


async def test_garbage_is_deleted_after_a_day(tmp_path: Path) -> None:
    clips_dir = tmp_path / "clips"
    clips_dir.mkdir()
    for name in ("old.mp4", "new.mp4"):
        (clips_dir / name).write_bytes(b"x")
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store, trio.open_nursery() as nursery:

        def fill(tx: Tx) -> None:
            tx.run("INSERT INTO garbage VALUES ('old.mp4', ?)", (KICKOFF_US,))
            tx.run("INSERT INTO garbage VALUES ('new.mp4', ?)", (KICKOFF_US + 3_600_000_000,))

        await store.write(fill)
        await nursery.start(
            lambda task_status: run_clip_files(
                store=store,
                footage=HandFootage(),
                clips_dir=clips_dir,
                garbage_every_s=0.01,
                task_status=task_status,
            )
        )
        await settled(store, lambda tx: tx.value("SELECT count(*) FROM garbage") == 1)
        assert [each.name for each in clips_dir.iterdir()] == ["new.mp4"]
        clock.advance(3601)
        await settled(store, lambda tx: tx.value("SELECT count(*) FROM garbage") == 0)
        assert list(clips_dir.iterdir()) == []
        nursery.cancel_scope.cancel()


async def test_unfinished_files_are_deleted_at_start_and_foreign_ones_stay(tmp_path: Path) -> None:
    recordings, clips = tmp_path / "recordings", tmp_path / "clips"
    recordings.mkdir()
    (recordings / "a.mp4").write_bytes(b"0123456789")
    async with sim_store(tmp_path, HandClock()) as store:
        clip_id = await make_ready(store, "a.mp4", 2, 4)
        stranger = "00000000-0000-7000-8000-000000000000"
        left = [f"{stranger}/{clip_id}-m7.partial", f"thumbs/{clip_id}-m1.partial"]
        remaining = [f"{stranger}/{stranger}-m1.mp4", f"thumbs/{stranger}-m1.jpg", "notes/readme.txt"]
        for path in (*left, *remaining):
            (clips / path).parent.mkdir(parents=True, exist_ok=True)
            (clips / path).write_bytes(b"x")
        async with trio.open_nursery() as nursery:
            await nursery.start(
                lambda task_status: run_clip_files(
                    store=store, footage=DiskFootage(recordings), clips_dir=clips, task_status=task_status
                )
            )
            assert [path for path in left if (clips / path).exists()] == []
            assert [path for path in remaining if (clips / path).exists()] == remaining
            nursery.cancel_scope.cancel()


# -- a disk that fails ------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "RETRY_S", 0.02)


def refusing(error: int) -> Callable[..., Any]:
    def refuse(*args: Any, **more: Any) -> Any:
        raise OSError(error, os.strerror(error))

    return refuse


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(LIMIT_S):
        while not condition():  # noqa: ASYNC110  # a thread sends no signal
            await trio.sleep(0.002)


@asynccontextmanager
async def writing(
    store: Store, clips_dir: Path, footage: HandFootage, **more: Any
) -> AsyncIterator[ClipFiles]:
    async with trio.open_nursery() as nursery:
        yield await nursery.start(
            lambda task_status: run_clip_files(
                store=store,
                footage=footage,
                clips_dir=clips_dir,
                garbage_every_s=0.01,
                task_status=task_status,
                **more,
            )
        )
        nursery.cancel_scope.cancel()


async def test_a_disk_that_refuses_to_delete_keeps_the_row_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "old.mp4").write_bytes(b"x")
    async with sim_store(tmp_path, HandClock()) as store:
        await store.write(lambda tx: tx.run("INSERT INTO garbage VALUES ('old.mp4', ?)", (KICKOFF_US,)))
        with monkeypatch.context() as broken:
            broken.setattr(files, "unlink", refusing(errno.EROFS))
            async with writing(store, tmp_path / "clips", HandFootage()) as clip_files:
                await until(lambda: "Read-only file system" in str(clip_files.disk_errors))
                assert await store.read(lambda tx: tx.value("SELECT count(*) FROM garbage")) == 1
                broken.undo()
                await until(lambda: not clip_files.disk_errors)
        assert await store.read(lambda tx: tx.value("SELECT count(*) FROM garbage")) == 0
        assert not (tmp_path / "clips" / "old.mp4").exists()


async def test_a_clips_folder_that_cannot_be_made_is_reported_until_it_can(tmp_path: Path) -> None:
    place = tmp_path / "disk"
    place.write_bytes(b"not a folder")
    async with (
        sim_store(tmp_path, HandClock()) as store,
        writing(store, place / "clips", HandFootage()) as clip_files,
    ):
        assert clip_files.disk_errors
        place.unlink()
        await until(lambda: not clip_files.disk_errors)
    assert (place / "clips").is_dir()


async def test_an_unreadable_recording_delays_no_other_clip(tmp_path: Path) -> None:
    (tmp_path / "good.mp4").write_bytes(b"0123456789")

    class BadSector(DiskFootage):
        def open_fd(self, name: str) -> int:
            if name == "bad.mp4":
                raise OSError(errno.EIO, "Input/output error")
            return super().open_fd(name)

    async with sim_store(tmp_path, HandClock()) as store:
        bad = await make_ready(store, "bad.mp4", 0, 5)
        good = await make_ready(store, "good.mp4", 0, 5)
        async with writing(store, tmp_path / "clips", BadSector(tmp_path)) as clip_files:
            await settled(store, lambda tx: tx.value("SELECT file_path FROM clips WHERE id = ?", (good,)))
            await until(lambda: "read: Input/output error" in str(clip_files.disk_errors))
        row = await store.read(lambda tx: tx.one("SELECT * FROM clips WHERE id = ?", (bad,)))
        assert row is not None and (row["status"], row["file_path"]) == ("ready", None), "nothing is lost yet"


async def test_zeros_a_power_cut_left_are_bytes_that_are_lost(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x" * 100 + bytes(600) + b"x" * 100)
    async with sim_store(tmp_path, HandClock()) as store:
        await make_ready(store, "a.mp4", 50, 700)
        status = "SELECT status FROM clips"
        async with writing(store, tmp_path / "none", NoFiles(tmp_path)):
            assert await store.read(lambda tx: tx.value(status)) == "ready", "its length is all that is asked"
        async with writing(store, tmp_path / "none", NoFiles(tmp_path), look_inside=True):
            assert await store.read(lambda tx: tx.value(status)) == "pending"


class NoFiles(DiskFootage):
    """Recordings that can be checked once per start and cannot be copied."""

    asked = 0

    def open_fd(self, name: str) -> int:
        self.asked += 1
        if self.asked > 1:
            raise OSError(errno.EIO, "Input/output error")
        return super().open_fd(name)
