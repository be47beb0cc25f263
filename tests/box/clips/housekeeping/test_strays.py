"""Finished files without a row: nothing is deleted because the database lost its row."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from appliance.box.clips.health import clip_files_part
from appliance.box.clips.housekeeping.actor import ClipFiles, run_clip_files
from appliance.box.clips.housekeeping.strays import ASIDE_US
from appliance.box.clips.model import ClipIn, ClipPatch
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records import marks
from appliance.box.clips.records.cut_states import Job
from appliance.box.clips.records.stored_plans import file_name, keep_file, stored_plan
from appliance.kernel.actor import running
from appliance.kernel.rescue import install
from appliance.kernel.sqlite.engine import on_disk
from appliance.kernel.store import Store
from appliance.kernel.tx import Row, Tx
from appliance.media.cut.plan import make_plan
from tests.box.clips.cutting.test_from_own_file import recorded
from tests.kit.barcode import play
from tests.kit.box import COACH, add_channel, add_session, mark_rules, sim_store
from tests.kit.clock import HandClock
from tests.kit.fmp4_file import START_US, Recordings
from tests.kit.hand_footage import HandFootage
from tests.kit.unanswered import lose_first_answers
from tests.kit.waiting import eventually

S = 1_000_000
NOW_US = START_US + 60 * S
FRAMES = list(range(31, 91))  # frames in the plan of two seconds from START_US + 1 s


async def mark(store: Store) -> Job:
    """A clip of FRAMES that is not cut yet."""

    def change(tx: Tx) -> Job:
        add_channel(tx, "cam1")
        body = ClipIn(session_id=add_session(tx), channel_id="cam1", duration_seconds=2.0)
        clip = marks.create_clip(tx, COACH, mark_rules(), body).resource
        tx.run("UPDATE clips SET start_us = ? WHERE id = ?", (START_US + 1 * S, clip["id"]))
        return cuts.waiting_jobs(tx)[0]

    return await store.write(change)


async def cut(store: Store, recordings: Recordings, clips: Path, *, is_written: bool = True) -> Path:
    """The waiting clip, cut and written; returns its file."""
    job = await store.write(lambda tx: cuts.claim(tx, cuts.waiting_jobs(tx)[0]))
    assert job is not None
    plan = make_plan(
        recordings.views, recordings.open_fd, start_us=job.start_us, end_us=job.end_us, latency_us=0
    )
    await store.write(partial(cuts.finish, job=job, plan=plan))
    stored = await store.read(lambda tx: stored_plan(tx, job.clip_id, job.media_rev))
    assert stored is not None
    path = clips / file_name(stored)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(recordings.bytes_of(plan))
    if is_written:
        await store.write(partial(keep_file, plan=stored, path=file_name(stored)))
    return path


async def trim(store: Store, clip_id: str, seconds: float) -> None:
    rules, body = mark_rules(), ClipPatch(duration_seconds=seconds)
    await store.write(lambda tx: marks.change_clip(tx, COACH, rules, clip_id, body))


async def clip_row(store: Store) -> Row:
    row = await store.read(lambda tx: tx.one("SELECT * FROM clips"))
    assert row is not None
    return row


@asynccontextmanager
async def started(store: Store, clips: Path) -> AsyncIterator[ClipFiles]:
    """The files' actor as at a start; the recordings are deleted."""
    async with running(
        "clip files",
        run_clip_files,
        store=store,
        footage=HandFootage(),
        clips_dir=clips,
        garbage_every_s=0.01,
    ) as files:
        yield files


async def shown(store: Store, clips: Path) -> list[int | None]:
    """The frames of the ready clip, from its file."""
    row = await clip_row(store)
    assert row["status"] == "ready", row["error_message"]
    plan = await store.read(lambda tx: stored_plan(tx, row["id"], row["ready_media_rev"]))
    assert plan is not None and plan.file_path is not None and row["file_path"] == plan.file_path
    data = (clips / plan.file_path).read_bytes()
    assert len(data) == plan.size
    return list(play(data).numbers)


@pytest.mark.parametrize("back_to", ["pending", "processing", "failed", "virtual", "without its plan"])
async def test_a_database_older_than_the_file_takes_the_file_back(tmp_path: Path, back_to: str) -> None:
    recordings, clips = recorded(tmp_path)
    async with sim_store(tmp_path, HandClock(NOW_US)) as store:
        await mark(store)
        if back_to == "processing":
            await store.write(lambda tx: cuts.claim(tx, cuts.waiting_jobs(tx)[0]))
        on_disk(store).backup(tmp_path / "older.db")
        if back_to == "processing":
            await store.write(cuts.recover)
        await cut(store, recordings, clips, is_written=back_to != "virtual")
        if back_to in ("virtual", "without its plan"):
            on_disk(store).backup(tmp_path / "older.db")
    install(tmp_path / "box.db", tmp_path / "older.db", NOW_US)
    recordings.close()
    async with sim_store(tmp_path, HandClock(NOW_US)) as store:
        if back_to == "failed":
            await store.write(lambda tx: tx.run("UPDATE clips SET status = 'failed', error_message = 'no'"))
        if back_to == "without its plan":
            await store.write(lambda tx: tx.run("DELETE FROM plans"))
        async with started(store, clips) as files:
            assert await shown(store, clips) == FRAMES
            assert not files.kept.aside and clip_files_part(files.kept).status == "ok"


async def test_an_export_whose_plan_is_lost_plays_on(tmp_path: Path) -> None:
    """Its row has the file name and its duration; the content of encoded files is not compared."""
    recordings, clips = recorded(tmp_path)
    async with sim_store(tmp_path, HandClock(NOW_US)) as store:
        await mark(store)
        path = await cut(store, recordings, clips)
        path.write_bytes(b"encoded")
        await store.write(lambda tx: tx.run("UPDATE clips SET mode = 'exact'"))
        await store.write(lambda tx: tx.run("DELETE FROM plans"))
        async with started(store, clips):
            row = await clip_row(store)
            plan = await store.read(lambda tx: stored_plan(tx, row["id"], 1))
            assert row["status"] == "ready" and plan is not None
            assert plan.is_file_only and plan.size == len(b"encoded") and path.exists()


async def test_a_cut_unknown_to_the_restored_database_is_kept_aside_for_a_week(tmp_path: Path) -> None:
    recordings, clips = recorded(tmp_path)
    clock = HandClock(NOW_US)
    async with sim_store(tmp_path, clock) as store:
        job = await mark(store)
        first = await cut(store, recordings, clips)
        on_disk(store).backup(tmp_path / "older.db")
        await trim(store, job.clip_id, 1.0)
        second = await cut(store, recordings, clips)
        assert second.name.endswith("-m2.mp4")
    install(tmp_path / "box.db", tmp_path / "older.db", NOW_US)
    saved = clips / "aside" / second.relative_to(clips)
    bytes_of_second = second.read_bytes()
    async with sim_store(tmp_path, clock) as store:
        async with started(store, clips) as files:
            assert await shown(store, clips) == FRAMES and first.exists()
            assert saved.read_bytes() == bytes_of_second and not second.exists(), "out of the way of a new m2"
            part = clip_files_part(files.kept)
            assert part.status == "warn" and "1 finished file" in part.detail, part
        clock.advance(ASIDE_US / 1e6 - 1)
        async with started(store, clips) as files:  # the week continues across a restart
            assert files.kept.aside == 1 and saved.exists()
            clock.advance(2)
            await eventually(lambda: not saved.exists() and not files.kept.aside)
            assert first.exists()


async def test_a_file_of_another_length_than_the_clip_is_not_taken_for_its_cut(tmp_path: Path) -> None:
    recordings, clips = recorded(tmp_path)
    async with sim_store(tmp_path, HandClock(NOW_US)) as store:
        await mark(store)
        path = await cut(store, recordings, clips)
        await store.write(lambda tx: tx.run("DELETE FROM plans"))
        await store.write(lambda tx: tx.run("UPDATE clips SET status = 'pending', ready_media_rev = NULL"))
        await store.write(lambda tx: tx.run("UPDATE clips SET duration_us = 3000000, file_path = NULL"))
        async with started(store, clips) as files:
            assert (await clip_row(store))["status"] == "pending"
            assert files.kept.aside == 1 and not path.exists()


async def test_an_incomplete_file_is_not_taken_for_a_cut(tmp_path: Path) -> None:
    recordings, clips = recorded(tmp_path)
    async with sim_store(tmp_path, HandClock(NOW_US)) as store:
        await mark(store)
        path = await cut(store, recordings, clips, is_written=False)
        path.write_bytes(path.read_bytes()[:-1])
        async with started(store, clips) as files:
            assert files.kept.aside == 1


async def test_pictures_find_their_clip_again_or_wait_too(tmp_path: Path) -> None:
    recordings, clips = recorded(tmp_path)
    async with sim_store(tmp_path, HandClock(NOW_US)) as store:
        await mark(store)
        await cut(store, recordings, clips)
        row = await clip_row(store)
        (clips / "thumbs").mkdir()
        names = [f"thumbs/{row['id']}-m{tail}.jpg" for tail in ("1", "1-key", "7")]
        for name in names:
            (clips / name).write_bytes(name.encode())
        async with started(store, clips) as files:
            assert (await clip_row(store))["thumbnail_path"] == names[0]
            assert files.kept.aside == 1 and (clips / "aside" / names[2]).exists()
            await eventually(lambda: not (clips / names[1]).exists())


async def test_a_file_that_is_garbage_in_the_restored_database_is_kept_for_a_week_too(tmp_path: Path) -> None:
    """A delete that was undone after the copy was made."""
    recordings, clips = recorded(tmp_path)
    clock = HandClock(NOW_US)
    async with sim_store(tmp_path, clock) as store:
        await mark(store)
        path = await cut(store, recordings, clips)
        clip_id = (await clip_row(store))["id"]
        await store.write(lambda tx: marks.delete_clip(tx, COACH, mark_rules(), clip_id))
        on_disk(store).backup(tmp_path / "older.db")
    clock.advance(30 * 24 * 3600)
    install(tmp_path / "box.db", tmp_path / "older.db", clock.now_us())
    async with sim_store(tmp_path, clock) as store:
        async with started(store, clips) as files:
            await files.collect_now()
            assert path.exists()
        clock.advance(ASIDE_US / 1e6 + 1)
        async with started(store, clips) as files:
            await files.collect_now()
            assert not path.exists()


async def test_files_of_unknown_clips_are_counted_and_stay(tmp_path: Path) -> None:
    recordings, clips = recorded(tmp_path)
    (tmp_path / "lost").mkdir()
    async with sim_store(tmp_path / "lost", HandClock(NOW_US)) as store:
        await mark(store)
        path = await cut(store, recordings, clips)
    async with sim_store(tmp_path, HandClock(NOW_US)) as store, started(store, clips) as files:
        assert path.exists()
        part = clip_files_part(files.kept)
        assert part.status == "warn" and "1 files are of clips" in part.detail, part


async def test_a_sweep_whose_commits_are_not_answered_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_first_answers(monkeypatch)
    recordings, clips = recorded(tmp_path)
    async with sim_store(tmp_path, HandClock(NOW_US)) as store:
        await mark(store)
        path = await cut(store, recordings, clips)
        await store.write(lambda tx: tx.run("DELETE FROM plans"))
        picture = f"thumbs/{(await clip_row(store))['id']}-m1.jpg"
        (clips / "thumbs").mkdir()
        (clips / picture).write_bytes(b"picture")
        async with started(store, clips) as files:
            assert await shown(store, clips) == FRAMES
            assert (await clip_row(store))["thumbnail_path"] == picture
            await files.collect_now()
            assert not files.kept.aside and path.exists() and (clips / picture).exists()
