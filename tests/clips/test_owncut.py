"""A trim after the recording was deleted: the clip's own file is shortened, exactly."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio

from appliance.clips import cuts, marks
from appliance.clips.cuts import Job
from appliance.clips.model import ClipIn, ClipPatch
from appliance.clips.owncut import OwnCuts, source_of
from appliance.clips.plans import StoredPlan, keep_file, stored_plan
from appliance.kernel.errors import Refused
from appliance.kernel.store import Store
from appliance.kernel.tx import Row, Tx
from appliance.media.plan import make_plan
from tests.kit.barcode import encode, play
from tests.kit.box import COACH, HandClock, add_channel, add_session, mark_rules, sim_store
from tests.kit.fmp4_file import START_US, Recordings

S = 1_000_000


async def ready_clip(store: Store, recordings: Recordings, clips_dir: Path) -> str:
    """A clip of frames 30..90, cut, written and alone: its recording is gone."""

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
    kept = await store.read(lambda tx: stored_plan(tx, job.clip_id, 1))
    assert isinstance(kept, StoredPlan)
    (clips_dir / "old.mp4").write_bytes(recordings.bytes_of(plan))
    await store.write(partial(keep_file, plan=kept, path="old.mp4"))
    gone = {"channel_id": "cam1", "start_us": START_US, "end_us": START_US + 60 * S}
    await store.write(lambda tx: tx.insert("footage_gone", gone))
    return job.clip_id


async def trim(store: Store, clip_id: str, **fields: object) -> Row:
    body = ClipPatch.model_validate(fields)
    rules = mark_rules()
    await store.write(lambda tx: marks.change_clip(tx, COACH, rules, clip_id, body))
    row = await store.read(lambda tx: tx.one("SELECT * FROM clips WHERE id = ?", (clip_id,)))
    assert row is not None
    return row


async def test_a_trim_inside_the_clip_is_cut_from_its_own_file(tmp_path: Path) -> None:
    recordings, clips_dir = Recordings(tmp_path / "rec"), tmp_path / "clips"
    for folder in (clips_dir, recordings.folder):
        folder.mkdir(exist_ok=True)
    recordings.record(encode(150, bframes=2, gop=60))
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
        {"duration_seconds": 1.0, "mode": "exact"},
    ],
)
async def test_more_than_the_file_shows_is_refused(tmp_path: Path, fields: dict[str, object]) -> None:
    recordings, clips_dir = Recordings(tmp_path / "rec"), tmp_path / "clips"
    for folder in (clips_dir, recordings.folder):
        folder.mkdir(exist_ok=True)
    recordings.record(encode(150, bframes=2, gop=60))
    async with sim_store(tmp_path, HandClock(START_US + 60 * S)) as store:
        clip_id = await ready_clip(store, recordings, clips_dir)
        recordings.close()
        with pytest.raises(Refused, match="footage_gone"):
            await trim(store, clip_id, **fields)
        row = await trim(store, clip_id, title="unchanged")
        assert (row["status"], row["media_rev"]) == ("ready", 1)
