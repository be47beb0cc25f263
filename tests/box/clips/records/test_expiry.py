"""What happens to clips whose recordings are deleted, and to cuts that were replaced by a newer one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
import trio

from appliance.box.clips.files.delivery import PlanCache, find_plan
from appliance.box.clips.files.readers import Readers
from appliance.box.clips.housekeeping.actor import READ_S, UNREAD_US, ClipFiles
from appliance.box.clips.model import ClipPatch, PlayPatch
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records import marks, plays
from appliance.box.clips.records.expiry import is_kept
from appliance.box.clips.records.stored_plans import stored_plan
from appliance.kernel.errors import Refused
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.box.clips.conftest import Bench
from tests.box.clips.housekeeping.test_actor import DiskFootage
from tests.kit.box import COACH, types
from tests.kit.hand_footage import plan_of, with_header

S = 1_000_000


async def cut(store: Store, clip_id: str) -> None:
    """Does what the cutter does with a clip whose footage is complete."""

    def change(tx: Tx) -> None:
        job = next(each for each in cuts.waiting_jobs(tx) if each.clip_id == clip_id)
        claimed = cuts.claim(tx, job)
        plan = plan_of(job.start_us, job.end_us, job.end_us)
        plan = with_header(plan, b"%d us of" % (job.end_us - job.start_us))
        assert claimed is not None and cuts.finish(tx, claimed, plan)

    await store.write(change)


def trim(tx: Tx, bench: Bench, clip_id: str, seconds: float) -> None:
    marks.change_clip(tx, COACH, bench.rules, clip_id, ClipPatch(duration_seconds=seconds))


async def make_gone(store: Store, start_us: int, end_us: int) -> None:
    await store.write(
        lambda tx: tx.insert("footage_gone", {"channel_id": "cam1", "start_us": start_us, "end_us": end_us})
    )


async def pins(store: Store) -> list[tuple[str, int]]:
    rows = await store.read(lambda tx: tx.all("SELECT recording, media_rev FROM pins ORDER BY media_rev"))
    return [(row["recording"], row["media_rev"]) for row in rows]


async def test_a_trim_whose_footage_is_gone_is_refused_and_changes_nothing(bench: Bench) -> None:
    clip = await bench.clip(duration_seconds=10.0, start_time="2026-11-20T18:00:00Z")
    await cut(bench.store, clip["id"])
    before, head = await bench.row("clips", clip["id"]), bench.store.journal.head
    start_us = before["start_us"] + 120_000  # cam1 has 120 ms of latency
    await make_gone(bench.store, start_us + 4 * S, start_us + 8 * S)
    with pytest.raises(Refused) as refused:
        await bench.store.write(partial(trim, bench=bench, clip_id=clip["id"], seconds=6.0))
    assert (refused.value.status, refused.value.code) == (409, "footage_gone")
    assert refused.value.extra == {
        "gone_from": "2026-11-20T18:00:04.000000Z",
        "gone_until": "2026-11-20T18:00:08.000000Z",
    }
    assert refused.value.hint
    assert await bench.row("clips", clip["id"]) == before
    assert bench.store.journal.head == head
    assert await bench.store.read(lambda tx: stored_plan(tx, clip["id"], 1)), "it plays on"


async def test_an_export_of_deleted_footage_is_refused_too(bench: Bench) -> None:
    clip = await bench.clip(duration_seconds=10.0, start_time="2026-11-20T18:00:00Z")
    await cut(bench.store, clip["id"])
    row = await bench.row("clips", clip["id"])
    await make_gone(bench.store, row["start_us"], row["start_us"] + 4 * S)
    with pytest.raises(Refused, match="footage_gone"):
        await bench.store.write(
            lambda tx: marks.change_clip(tx, COACH, bench.rules, clip["id"], ClipPatch(mode="exact"))
        )
    assert await bench.row("clips", clip["id"]) == row


async def test_a_trim_to_what_is_still_recorded_is_cut(bench: Bench) -> None:
    clip = await bench.clip(duration_seconds=10.0, start_time="2026-11-20T18:00:00Z")
    await cut(bench.store, clip["id"])
    start_us = (await bench.row("clips", clip["id"]))["start_us"] + 120_000
    await make_gone(bench.store, start_us + 4 * S, start_us + 8 * S)
    await bench.store.write(partial(trim, bench=bench, clip_id=clip["id"], seconds=4.0))
    assert (await bench.row("clips", clip["id"]))["status"] == "pending"


async def test_a_trim_of_a_play_is_refused_whole(bench: Bench) -> None:
    play = await bench.play(duration_seconds=10.0, start_time="2026-11-20T18:00:00Z")
    rows = await bench.clips_of(play["id"])
    await make_gone(bench.store, rows[0]["start_us"], rows[0]["start_us"] + 5 * S)
    body = PlayPatch(duration_seconds=4.0)
    with pytest.raises(Refused, match="footage_gone"):
        await bench.store.write(lambda tx: plays.change_play(tx, COACH, bench.rules, play["id"], body))
    assert await bench.clips_of(play["id"]) == rows


async def test_a_plan_pins_its_recordings_until_it_has_a_file(bench: Bench, tmp_path: Path) -> None:
    clip = await bench.clip(duration_seconds=5.0, start_time="2026-11-20T18:00:00Z")
    await cut(bench.store, clip["id"])
    assert await pins(bench.store) == [("cam1/a.mp4", 1)]
    (tmp_path / "cam1").mkdir()
    (tmp_path / "cam1" / "a.mp4").write_bytes(bytes(200))
    files = ClipFiles(bench.store, DiskFootage(tmp_path), tmp_path / "clips", trio.Lock())
    assert await files.write_now(clip["id"], 1)
    assert await pins(bench.store) == []
    assert await files.write_now(clip["id"], 1), "there is nothing to do any more"
    await bench.store.write(lambda tx: tx.run("UPDATE plans SET file_path = NULL"))
    assert await pins(bench.store) == [("cam1/a.mp4", 1)], "fsck found the file gone"


async def test_a_file_the_disk_refuses_leaves_the_pins(bench: Bench, tmp_path: Path) -> None:
    clip = await bench.clip(duration_seconds=5.0, start_time="2026-11-20T18:00:00Z")
    await cut(bench.store, clip["id"])
    (tmp_path / "cam1").mkdir()
    (tmp_path / "cam1" / "a.mp4").write_bytes(bytes(200))
    (tmp_path / "clips").write_text("in the way")
    files = ClipFiles(bench.store, DiskFootage(tmp_path), tmp_path / "clips", trio.Lock())
    assert not await files.write_now(clip["id"], 1)
    assert await pins(bench.store) == [("cam1/a.mp4", 1)]
    assert (await bench.row("clips", clip["id"]))["status"] == "ready"


@dataclass
class Cuts:
    """A clip that is cut from a recording, trimmed and cut again."""

    bench: Bench
    files: ClipFiles
    clip_id: str

    async def trim(self, seconds: float, *, write: bool = True) -> None:
        """The next cut, with its file."""
        await self.bench.store.write(partial(trim, bench=self.bench, clip_id=self.clip_id, seconds=seconds))
        await self.cut(write=write)

    async def cut(self, *, write: bool = True) -> None:
        await cut(self.bench.store, self.clip_id)
        row = await self.bench.row("clips", self.clip_id)
        if write:
            await self.files.write_now(self.clip_id, row["ready_media_rev"])

    async def pass_s(self, seconds: float) -> list[str]:
        """Time passes, garbage is collected; returns the remaining files."""
        self.bench.clock.advance(seconds)
        await self.files.collect_now()
        return sorted(path.name[-6:] for path in self.files.clips_dir.glob("*/*.mp4"))


@pytest.fixture
async def clip_cuts(bench: Bench, tmp_path: Path) -> Cuts:
    clip = await bench.clip(duration_seconds=5.0, start_time="2026-11-20T18:00:00Z")
    (tmp_path / "cam1").mkdir()
    (tmp_path / "cam1" / "a.mp4").write_bytes(bytes(200))
    readers = Readers(lambda: bench.clock.now_us() / S)
    files = ClipFiles(bench.store, DiskFootage(tmp_path), tmp_path / "clips", trio.Lock(), readers=readers)
    made = Cuts(bench, files, clip["id"])
    await made.cut()
    return made


UNREAD_S = UNREAD_US / S


async def test_a_replaced_cut_without_readers_is_deleted_after_a_minute_and_the_newest_never(
    clip_cuts: Cuts,
) -> None:
    await clip_cuts.trim(4.0, write=False)  # the second is replaced before it has a file
    await clip_cuts.trim(3.0)
    store = clip_cuts.bench.store
    assert await clip_cuts.pass_s(UNREAD_S - 1) == ["m1.mp4", "m3.mp4"]
    assert await pins(store) == [("cam1/a.mp4", 2)]
    assert await clip_cuts.pass_s(2) == ["m3.mp4"]
    assert await pins(store) == []
    assert await clip_cuts.pass_s(1e6) == ["m3.mp4"]
    plan = await store.read(lambda tx: stored_plan(tx, clip_cuts.clip_id, 3))
    assert plan is not None and plan.file_path is not None


async def test_a_replaced_cut_stays_while_it_is_read_and_for_its_players_pause(clip_cuts: Cuts) -> None:
    readers, clip_id = clip_cuts.files.readers, clip_cuts.clip_id
    with readers.reading(clip_id, 1):
        await clip_cuts.trim(4.0)
        with readers.reading(clip_id, 1):
            assert await clip_cuts.pass_s(2 * READ_S) == ["m1.mp4", "m2.mp4"]
        assert await clip_cuts.pass_s(2 * READ_S) == ["m1.mp4", "m2.mp4"], "one of two has ended"
    assert await clip_cuts.pass_s(READ_S - 1) == ["m1.mp4", "m2.mp4"]
    assert await clip_cuts.pass_s(2) == ["m2.mp4"]


async def test_a_cut_read_before_a_restart_is_kept_for_the_same_time(clip_cuts: Cuts) -> None:
    await clip_cuts.trim(4.0)
    clip_cuts.bench.clock.advance(1)
    clip_cuts.files = replace(clip_cuts.files, begun_us=clip_cuts.bench.clock.now_us())
    assert await clip_cuts.pass_s(READ_S - 1) == ["m1.mp4", "m2.mp4"]
    assert await clip_cuts.pass_s(2) == ["m2.mp4"]


async def test_a_replaced_cut_that_has_gone_is_not_served_from_memory(clip_cuts: Cuts) -> None:
    cache, clip_id = PlanCache(clip_cuts.bench.store), clip_cuts.clip_id
    assert (await cache.get(clip_id, 1)).media_rev == 1
    await clip_cuts.trim(4.0)
    assert (await cache.get(clip_id, 1)).media_rev == 1, "it plays on"
    await clip_cuts.pass_s(UNREAD_S + 1)
    with pytest.raises(Refused, match="replaced"):
        await cache.get(clip_id, 1)
    assert (clip_id, 1) not in cache.kept


async def test_twenty_trims_leave_two_files_at_the_most(clip_cuts: Cuts) -> None:
    for tenths in range(49, 20, -1):
        await clip_cuts.trim(tenths / 10)
        assert len(await clip_cuts.pass_s(UNREAD_S + 1)) <= 2


async def test_a_trim_that_is_undone_is_the_cut_before(clip_cuts: Cuts) -> None:
    """Its bytes are the same: URL, file and players' caches stay valid."""
    first = await clip_cuts.bench.row("clips", clip_cuts.clip_id)
    await clip_cuts.trim(4.0)
    await clip_cuts.trim(5.0)
    row = await clip_cuts.bench.row("clips", clip_cuts.clip_id)
    assert (row["media_rev"], row["ready_media_rev"], row["file_path"]) == (3, 1, first["file_path"])
    assert await clip_cuts.pass_s(UNREAD_S + 1) == ["m1.mp4"], "the one between has gone"
    read = clip_cuts.bench.store.read
    for rev in (None, 1, 3):
        assert (await read(partial(find_plan, clip_id=clip_cuts.clip_id, media_rev=rev))).media_rev == 1
    with pytest.raises(Refused) as refused:
        await read(partial(find_plan, clip_id=clip_cuts.clip_id, media_rev=2))
    assert (refused.value.status, refused.value.code) == (410, "replaced")
    assert str(refused.value.extra["stream_url"]).endswith("/m1/cam1.mp4")
    with pytest.raises(Refused, match="not_found"):
        await read(partial(find_plan, clip_id=clip_cuts.clip_id, media_rev=4))


async def test_the_cut_that_plays_while_a_trim_waits_is_not_replaced_yet(clip_cuts: Cuts) -> None:
    bench = clip_cuts.bench
    await bench.store.write(partial(trim, bench=bench, clip_id=clip_cuts.clip_id, seconds=4.0))
    assert await clip_cuts.pass_s(1e6) == ["m1.mp4"]


async def test_a_delete_keeps_what_its_undo_needs(clip_cuts: Cuts) -> None:
    await clip_cuts.trim(4.0)
    bench = clip_cuts.bench
    await bench.store.write(lambda tx: marks.delete_clip(tx, COACH, bench.rules, clip_cuts.clip_id))
    assert await clip_cuts.pass_s(1) == ["m2.mp4"]
    assert await clip_cuts.pass_s(marks.KEEP_DELETED_US / S - 2) == ["m2.mp4"]
    assert await clip_cuts.pass_s(2) == []


async def test_retention_deletes_a_clip_at_once_with_its_reason(bench: Bench) -> None:
    clip = await bench.clip(duration_seconds=5.0, start_time="2026-11-20T18:00:00Z")
    assert await bench.store.write(lambda tx: marks.expire_clip(tx, bench.rules, clip["id"], "clip_days"))
    assert types(bench.store)[-1] == "clip_deleted"
    assert b'"reason":"clip_days"' in (bench.store.journal.recent(0, 100) or [])[-1].event
    assert not await bench.store.write(lambda tx: marks.expire_clip(tx, bench.rules, clip["id"], "clip_days"))


async def test_favourites_and_what_was_made_for_sharing_are_kept(bench: Bench) -> None:
    starred = await bench.clip(duration_seconds=5.0)
    play = await bench.play(duration_seconds=5.0)
    shared, plain = await bench.clip(duration_seconds=5.0), await bench.clip(duration_seconds=5.0)
    await bench.store.write(lambda tx: marks.star_clip(tx, COACH, starred["id"], True))
    await bench.store.write(lambda tx: plays.star_play(tx, COACH, play["id"], True))
    await bench.store.write(lambda tx: tx.update("clips", shared["id"], {"mode": "exact"}))
    ids = [starred["id"], *(row["id"] for row in await bench.clips_of(play["id"])), shared["id"]]
    for clip_id in ids:
        row = await bench.row("clips", clip_id)
        assert await bench.store.read(partial(is_kept, row=row))
        assert not await bench.store.write(
            partial(marks.expire_clip, rules=bench.rules, clip_id=clip_id, reason="x")
        )
    row = await bench.row("clips", plain["id"])
    assert not await bench.store.read(partial(is_kept, row=row))
