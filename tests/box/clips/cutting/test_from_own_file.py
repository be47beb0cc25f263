"""A trim after the recording was deleted: the clip's own file is shortened, exactly."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio

from appliance.box.clips.cutting.cutter import run_cutter
from appliance.box.clips.cutting.exports import Exports
from appliance.box.clips.cutting.from_own_file import OwnCuts, source_of
from appliance.box.clips.cutting.planner import Planner
from appliance.box.clips.files.delivery import ClipDelivery
from appliance.box.clips.model import ClipIn, ClipPatch
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records import marks
from appliance.box.clips.records.cut_states import Job
from appliance.box.clips.records.stored_plans import StoredPlan, keep_file, stored_plan
from appliance.box.wiring.media import PoolJobs
from appliance.kernel.actor import running
from appliance.kernel.errors import Refused
from appliance.kernel.store import Store
from appliance.kernel.tx import Row, Tx
from appliance.media.cut.plan import make_plan
from tests.box.clips.test_exports_real import pool_of
from tests.kit.barcode import encode, play
from tests.kit.box import COACH, add_channel, add_session, mark_rules, sim_store
from tests.kit.clock import HandClock
from tests.kit.fmp4_file import START_US, Recordings
from tests.kit.hand_footage import HandFootage

S = 1_000_000


async def ready_clip(store: Store, recordings: Recordings, clips_dir: Path) -> str:
    """A clip of frames 30..90, cut and written to its file; its recording is deleted."""

    def mark(tx: Tx) -> Job:
        add_channel(tx, "cam1")
        body = ClipIn(session_id=add_session(tx), channel_id="cam1", duration_seconds=2.0)
        clip = marks.create_clip(tx, COACH, mark_rules(), body).resource
        tx.run("UPDATE clips SET start_us = ? WHERE id = ?", (START_US + 1 * S, clip["id"]))
        job = cuts.claim(tx, cuts.waiting_jobs(tx)[0])
        assert job is not None
        return job

    job = await store.write(mark)
    plan = make_plan(
        recordings.views, recordings.open_fd, start_us=job.start_us, end_us=job.end_us, latency_us=0
    )
    await store.write(partial(cuts.finish, job=job, plan=plan))
    stored = await store.read(lambda tx: stored_plan(tx, job.clip_id, 1))
    assert isinstance(stored, StoredPlan)
    (clips_dir / "old.mp4").write_bytes(recordings.bytes_of(plan))
    await store.write(partial(keep_file, plan=stored, path="old.mp4"))
    gone = {"channel_id": "cam1", "start_us": START_US, "end_us": START_US + 60 * S}
    await store.write(lambda tx: tx.insert("footage_gone", gone))
    return job.clip_id


def recorded(tmp_path: Path) -> tuple[Recordings, Path]:
    """A recording of 150 frames, and an empty folder for clips."""
    recordings, clips_dir = Recordings(tmp_path / "rec"), tmp_path / "clips"
    for folder in (clips_dir, recordings.folder):
        folder.mkdir(exist_ok=True)
    recordings.record(encode(150, bframes=2, gop=60))
    return recordings, clips_dir


async def trim(store: Store, clip_id: str, **fields: object) -> Row:
    body = ClipPatch.model_validate(fields)
    rules = mark_rules()
    await store.write(lambda tx: marks.change_clip(tx, COACH, rules, clip_id, body))
    row = await store.read(lambda tx: tx.one("SELECT * FROM clips WHERE id = ?", (clip_id,)))
    assert row is not None
    return row


async def test_a_trim_inside_the_clip_is_cut_from_its_own_file(tmp_path: Path) -> None:
    recordings, clips_dir = recorded(tmp_path)
    async with sim_store(tmp_path, HandClock(START_US + 60 * S)) as store:
        clip_id = await ready_clip(store, recordings, clips_dir)
        recordings.close()
        row = await trim(store, clip_id, start_time="2026-09-21T14:13:21.49Z", duration_seconds=1.0)
        assert (row["status"], row["media_rev"]) == ("pending", 2)

        job = await store.write(lambda tx: cuts.claim(tx, cuts.waiting_jobs(tx)[0]))
        assert job is not None
        own = await store.read(lambda tx: source_of(tx, job))
        assert own is not None and own.path == "old.mp4"
        await OwnCuts(store, clips_dir, trio.CapacityLimiter(1)).make(job, own)

        plan = await store.read(lambda tx: stored_plan(tx, clip_id, 2))
        assert plan is not None and plan.file_path is not None
        data = (clips_dir / plan.file_path).read_bytes()
        assert len(data) == plan.size
        assert play(data).numbers == list(range(45, 75))
        assert [each.name for each in (clips_dir / plan.file_path).parent.iterdir()] == [f"{clip_id}-m2.mp4"]
        row = await trim(store, clip_id, title="still here")
        assert (row["status"], row["ready_media_rev"]) == ("ready", 2)
        assert '"missing":[]' in row["coverage"]


@pytest.mark.parametrize(
    "fields",
    [
        {"duration_seconds": 4.0},
        {"start_time": "2026-09-21T14:13:20.5Z"},
        {"duration_seconds": 4.0, "mode": "exact"},
    ],
)
async def test_more_than_the_file_shows_is_refused(tmp_path: Path, fields: dict[str, object]) -> None:
    recordings, clips_dir = recorded(tmp_path)
    async with sim_store(tmp_path, HandClock(START_US + 60 * S)) as store:
        clip_id = await ready_clip(store, recordings, clips_dir)
        recordings.close()
        with pytest.raises(Refused, match="footage_gone"):
            await trim(store, clip_id, **fields)
        row = await trim(store, clip_id, title="unchanged")
        assert (row["status"], row["media_rev"]) == ("ready", 1)


def holds(file: Path) -> bool:
    """Whether this process has the file open."""
    places = Path("/proc/self/fd").iterdir()
    return any(place.is_symlink() and place.resolve() == file.resolve() for place in places)


@pytest.mark.slow
async def test_an_export_after_the_recording_was_deleted_is_made_from_the_clips_own_file(
    tmp_path: Path,
) -> None:
    recordings, clips_dir = recorded(tmp_path)
    async with sim_store(tmp_path, HandClock(START_US + 60 * S)) as store, pool_of(1) as pool:
        clip_id = await ready_clip(store, recordings, clips_dir)
        recordings.close()
        footage, threads = HandFootage(until_us=START_US + 60 * S), trio.CapacityLimiter(2)
        cutter = running(
            "cutter",
            run_cutter,
            store=store,
            footage=footage,
            source_down=lambda channel_id: False,
            rules=mark_rules(),
            clock=store.clock,
            plan_span=Planner(footage, threads).plan_span,
            exports=Exports(store, PoolJobs(pool), ClipDelivery(footage, clips_dir, threads), 1),
            own_cuts=OwnCuts(store, clips_dir, threads),
        )
        async with cutter:
            row = await trim(store, clip_id, start_time="2026-09-21T14:13:21.49Z", duration=1.0, mode="exact")
            while row["status"] not in ("ready", "failed"):
                await store.journal.changed.wait_past(store.journal.changed.count)
                row = await trim(store, clip_id, title="same")
            assert (row["status"], row["error_message"], row["ready_media_rev"]) == ("ready", None, 2)
        assert not holds(clips_dir / "old.mp4")
        plan = await store.read(lambda tx: stored_plan(tx, clip_id, 2))
        assert plan is not None and plan.file_path is not None and plan.is_file_only
        assert play((clips_dir / plan.file_path).read_bytes()).numbers == list(range(45, 75))
        with pytest.raises(Refused, match="footage_gone"):  # an encoded file is no source
            await trim(store, clip_id, duration=0.5)
