"""The actor at work: what is deleted, what is published about it, and the state after a disk error."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from appliance.box.clips.model import ClipIn, ClipPatch
from appliance.box.clips.records import marks
from appliance.box.clips.records.stored_plans import stored_plan
from appliance.box.retention import actor
from appliance.box.retention import store as rows
from appliance.box.retention.actor import measure_space
from appliance.box.retention.spare_space import SpareSpace, spare_bytes
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.errors import Refused
from appliance.kernel.store import StoreFull
from appliance.kernel.tx import Tx
from tests.box.retention.disk import DAY_US, HOUR_US, MINUTE_US, NO_LIMITS, Disk
from tests.kit.box import COACH, add_channel, add_session, sim_store
from tests.kit.clock import HandClock
from tests.kit.waiting import LIMIT_S


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store:
        yield Disk(tmp_path, store, clock)


async def session(disk: Disk, **fields: Any) -> str:
    def change(tx: Tx) -> str:
        add_channel(tx, "cam1", latency_ms=200)
        add_channel(tx, "cam2")
        session_id = add_session(tx)
        if fields:
            tx.update("sessions", session_id, fields)
        return session_id

    return await disk.store.write(change)


async def condemned(disk: Disk) -> list[str]:
    return await disk.store.read(rows.left)


async def test_old_footage_is_deleted_and_reported_once_for_each_stretch(disk: Disk) -> None:
    await session(disk)
    old = [disk.record(8 * DAY_US + number * MINUTE_US) for number in (2, 1, 0)]
    alone = disk.record(9 * DAY_US, channel="cam2")
    young = disk.record(DAY_US)
    async with disk.kept(replace(NO_LIMITS, raw_us=7 * DAY_US)):
        assert sorted(disk.removed) == sorted([*old, alone])
    assert set(disk.segments) == {young}
    events = disk.events("footage_deleted")
    assert [(each["channel_id"], each["segments"], each["bytes"], each["reason"]) for each in events] == [
        ("cam1", 3, 3000, "raw_days"),
        ("cam2", 1, 1000, "raw_days"),
    ]
    assert (events[0]["start"], events[0]["end"]) == (
        "2026-11-12T18:56:59.800000Z",
        "2026-11-12T18:59:59.800000Z",
    )
    assert await condemned(disk) == []
    gone = await disk.store.read(lambda tx: tx.all("SELECT * FROM footage_gone ORDER BY channel_id"))
    assert [each["end_us"] - each["start_us"] for each in gone] == [3 * MINUTE_US, MINUTE_US]


async def test_space_is_made_until_there_is_enough_and_not_beyond(disk: Disk) -> None:
    await session(disk)
    names = [disk.record(age * HOUR_US) for age in range(1, 7)]
    disk.room = 8500
    async with disk.kept(replace(NO_LIMITS, min_free_bytes=4000)) as handle:
        assert disk.removed == names[:-3:-1]
        assert disk.space(disk.recordings).free_bytes == 4500
        figures = handle.figures()
        assert (figures.free_bytes, figures.deletable_bytes, figures.deleted_bytes) == (4500, 4000, 2000)
        await handle.look_now()
        assert len(disk.removed) == 2, "there is enough now"
    assert {item["reason"] for item in disk.events("footage_deleted")} == {"min_free_gb"}


async def test_a_running_session_keeps_its_footage_until_the_reserve_is_touched(disk: Disk) -> None:
    now_us = disk.clock.now_us()
    await session(disk, status="paused", actual_start_us=now_us - 2 * HOUR_US)
    inside, lead, before = (
        disk.record(HOUR_US),
        disk.record(2 * HOUR_US + 30 * MINUTE_US),
        disk.record(4 * HOUR_US),
    )
    disk.room = 3000
    async with disk.kept(replace(NO_LIMITS, min_free_bytes=3000)) as handle:
        assert disk.removed == [before]
        assert handle.figures().short_bytes == 2000
    async with disk.kept(replace(NO_LIMITS, reserve_bytes=2000)):
        assert disk.removed == [before, lead]
    assert disk.events("footage_deleted")[-1]["reason"] == "reserve_gb"
    assert set(disk.segments) == {inside}


async def test_an_ended_session_is_guarded_for_its_hours(disk: Disk) -> None:
    now_us = disk.clock.now_us()
    ended = {
        "status": "completed",
        "actual_start_us": now_us - 14 * HOUR_US,
        "actual_end_us": now_us - 11 * HOUR_US,
    }
    await session(disk, **ended)
    name = disk.record(12 * HOUR_US)
    disk.room = 5000
    async with disk.kept(replace(NO_LIMITS, min_free_bytes=10_000)) as handle:
        assert disk.removed == []
        disk.clock.advance(2 * 3600)
        await handle.look_now()
        assert disk.removed == [name]


async def test_a_session_of_other_channels_guards_nothing_here(disk: Disk) -> None:
    session_id = await session(
        disk, status="active", actual_start_us=disk.clock.now_us() - HOUR_US, all_channels=0
    )
    first, two = disk.record(HOUR_US // 2), disk.record(HOUR_US // 2, channel="cam2")
    disk.room = 5000
    await disk.store.write(
        lambda tx: tx.insert("session_channels", {"session_id": session_id, "channel_id": "cam2"})
    )
    async with disk.kept(replace(NO_LIMITS, min_free_bytes=10_000)):
        assert disk.removed == [first]
    assert set(disk.segments) == {two}


async def test_a_growing_file_and_the_footage_of_an_open_mark_never_go(disk: Disk) -> None:
    session_id = await session(disk)
    disk.record(0, is_growing=True)
    disk.room = 5000
    marked = disk.record(MINUTE_US, channel="cam2")
    body = {"session_id": session_id, "channel_id": "cam2", "start_time": "2026-11-20T18:59:00Z"}
    mark = ClipIn.model_validate(body)
    await disk.store.write(lambda tx: marks.create_clip(tx, COACH, disk.rules, mark))
    async with disk.kept(replace(NO_LIMITS, min_free_bytes=10_000, reserve_bytes=10_000, raw_us=1)):
        assert disk.removed == []
    assert marked in disk.segments


async def test_a_clip_gets_its_file_before_its_recording_is_deleted(disk: Disk) -> None:
    session_id = await session(disk)
    name, younger = disk.record(9 * DAY_US), disk.record(DAY_US)
    wanted = (disk.recordings / name).read_bytes()[100:600]
    clip_id = await disk.ready_clip(session_id, name)
    disk.room = 2500
    async with disk.kept(replace(NO_LIMITS, min_free_bytes=900)):
        assert disk.removed == [name]
    assert younger in disk.segments
    plan = await disk.store.read(lambda tx: stored_plan(tx, clip_id, 1))
    assert plan is not None and plan.file_path is not None
    assert (disk.clips / plan.file_path).read_bytes() == b"header" + wanted
    assert not [element for element in disk.events("clip_updated") if element["clip_id"] == clip_id], (
        "nobody noticed"
    )


async def test_on_a_disk_too_full_to_write_a_clip_its_recording_is_kept_and_reported(disk: Disk) -> None:
    session_id = await session(disk)
    source, younger = disk.record(9 * DAY_US), disk.record(DAY_US)
    clip_id = await disk.ready_clip(session_id, source)
    disk.clips.mkdir()
    (disk.clips / session_id).write_text("no folder can be made here")
    disk.room = 2500
    async with disk.kept(replace(NO_LIMITS, min_free_bytes=1500, reserve_bytes=1500)) as handle:
        assert disk.removed == [younger]
        assert handle.figures().stuck == (clip_id,)
        (disk.clips / session_id).unlink()
        await handle.look_now()
        assert disk.removed == [younger], "there is room enough now"
        disk.room = 1500
        await handle.look_now()
        assert disk.removed == [younger, source]
        assert handle.figures().stuck == ()


async def test_old_clips_but_no_favourites_are_deleted_when_no_footage_is_left(disk: Disk) -> None:
    session_id = await session(disk)
    source = disk.record(9 * DAY_US, size=4000)
    old_us = disk.clock.now_us() - 91 * DAY_US
    plain = await disk.ready_clip(session_id, source, created_us=old_us)
    starred = await disk.ready_clip(session_id, source, created_us=old_us, is_favorite=1)
    young = await disk.ready_clip(session_id, source)
    disk.room = 6000
    async with disk.kept(replace(NO_LIMITS, min_free_bytes=2500)):
        assert disk.removed == [source]
        assert disk.events("clip_deleted") == [], "what the footage gave is enough"
        assert len(disk.files("clips")) == 3
    async with disk.kept(replace(NO_LIMITS, min_free_bytes=6000)) as handle:
        events = disk.events("clip_deleted")
        assert [(entry["clip_id"], entry["reason"]) for entry in events] == [(plain, "clip_days")]
        left = {path.name for path in disk.files("clips")}
        assert left == {f"{clip_id}-m1.mp4" for clip_id in (starred, young)}
        assert handle.figures().short_bytes == 2 * 506


async def test_an_export_of_more_than_its_file_shows_is_refused_and_the_clip_plays_on(disk: Disk) -> None:
    session_id = await session(disk)
    source = disk.record(8 * DAY_US)
    clip_id = await disk.ready_clip(session_id, source)
    await disk.store.write(
        lambda tx: tx.run("UPDATE clips SET start_us = start_us - ?", (8 * DAY_US + 30_000_000,))
    )
    async with disk.kept(replace(NO_LIMITS, raw_us=7 * DAY_US)):
        assert disk.removed == [source]
    start_us = int(await disk.store.read(lambda tx: tx.value("SELECT start_us FROM clips")))
    more = ClipPatch(mode="exact", start_time=to_rfc3339(start_us - 5_000_000))
    with pytest.raises(Refused, match="footage_gone"):
        await disk.store.write(lambda tx: marks.change_clip(tx, COACH, disk.rules, clip_id, more))
    plan = await disk.store.read(lambda tx: stored_plan(tx, clip_id, 1))
    assert plan is not None and plan.file_path is not None and (disk.clips / plan.file_path).exists()


async def test_a_failing_disk_is_reported_and_published_deletions_are_done_later_without_another_event(
    disk: Disk,
) -> None:
    await session(disk)
    name = disk.record(8 * DAY_US)
    disk.refuse = OSError(errno.EROFS, "Read-only file system")
    async with disk.kept(replace(NO_LIMITS, raw_us=7 * DAY_US)) as handle:
        assert "Read-only" in handle.figures().error
        assert await condemned(disk) == [name]
        await handle.look_now()
        disk.refuse = None
        await handle.look_now()
        assert handle.figures().error == ""
    assert disk.removed == [name]
    assert await condemned(disk) == []
    assert len(disk.events("footage_deleted")) == 1


async def test_what_a_crash_left_between_row_and_disk_is_deleted_at_the_next_start(disk: Disk) -> None:
    await session(disk)
    name = disk.record(DAY_US)
    await disk.store.write(lambda tx: tx.insert("condemned", {"recording": name}))
    async with disk.kept(NO_LIMITS):
        assert disk.removed == [name]
    assert await condemned(disk) == []


async def test_a_disk_that_is_away_has_lost_nothing(disk: Disk) -> None:
    await session(disk)
    disk.record(8 * DAY_US)
    disk.recordings.rename(disk.root / "elsewhere")
    async with disk.kept(replace(NO_LIMITS, raw_us=7 * DAY_US)):
        assert disk.removed == []
    assert disk.events("footage_deleted") == []
    assert await condemned(disk) == []


async def test_a_folder_that_cannot_be_asked_ends_nothing(disk: Disk) -> None:
    await session(disk)
    usual = disk.space

    def gone(folder: Path) -> Any:
        raise OSError(errno.EIO, "Input/output error", str(folder))

    disk.space = gone  # type: ignore[method-assign]
    async with disk.kept(NO_LIMITS) as handle:
        assert "Input/output error" in handle.figures().error
        disk.space = usual  # type: ignore[method-assign]
        await handle.look_now()
        assert handle.figures().error == ""
        assert handle.figures().free_bytes == 10**9


async def test_the_spare_space_is_given_up_when_the_database_is_full(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await session(disk)
    name = disk.record(8 * DAY_US)
    limits = replace(NO_LIMITS, raw_us=7 * DAY_US, reserve_bytes=1)
    spare_space = SpareSpace(disk.root / "state", spare_bytes(1))
    usual = disk.store.write

    async def write(closure: Callable[[Tx], Any]) -> Any:
        if spare_space.is_there():
            disk.room = 20_000_000
            raise StoreFull
        return await usual(closure)

    disk.room = 10**9
    monkeypatch.setattr(disk.store, "write", write)
    async with disk.kept(limits) as handle:
        assert disk.removed == [name]
        assert not handle.figures().has_spare_space
        assert not spare_space.is_there()
        monkeypatch.setattr(disk.store, "write", usual)
        disk.room = 10**9
        await handle.look_now()
        assert handle.figures().has_spare_space, "space is back"


async def test_a_database_without_room_and_spare_space_is_reported_and_tried_again(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await session(disk)
    name = disk.record(8 * DAY_US)
    disk.room = 1000
    usual = disk.store.write

    async def write(closure: Callable[[Tx], Any]) -> Any:
        await trio.lowlevel.checkpoint()
        raise StoreFull

    monkeypatch.setattr(disk.store, "write", write)
    async with disk.kept(replace(NO_LIMITS, min_free_bytes=1)) as handle:
        assert "full" in handle.figures().error
        assert disk.removed == []
        monkeypatch.setattr(disk.store, "write", usual)
        await handle.look_now()
        assert disk.removed == [name]
        assert handle.figures().error == ""


async def test_a_date_that_was_set_makes_nothing_old_for_a_day(disk: Disk, mock_clock: MockClock) -> None:
    """A typing error in the year: it must not delete a week of footage."""
    await session(disk)
    name = disk.record(DAY_US)
    async with disk.kept(replace(NO_LIMITS, raw_us=7 * DAY_US)) as handle:
        disk.clock.advance(365 * 24 * 3600)
        mock_clock.jump(actor.WHOLE_S)
        await handle.look_now()
        assert handle.figures().doubts_ages
        assert disk.removed == []
        disk.clock.advance(actor.DOUBT_S)
        mock_clock.jump(actor.DOUBT_S)
        await handle.look_now()
        assert disk.removed == [name], "a day later it is believed"
        assert not handle.figures().doubts_ages


async def test_due_deletes_are_found_by_the_regular_check(disk: Disk, mock_clock: MockClock) -> None:
    await session(disk)
    name = disk.record(7 * DAY_US - MINUTE_US)
    async with disk.kept(replace(NO_LIMITS, raw_us=7 * DAY_US)):
        assert disk.removed == []
        disk.clock.advance(actor.WHOLE_S)
        mock_clock.jump(actor.WHOLE_S)
        deadline = time.monotonic() + LIMIT_S
        while not disk.removed and time.monotonic() < deadline:
            await trio.lowlevel.checkpoint()
        assert disk.removed == [name]


async def test_hours_left_count_what_may_still_be_deleted(disk: Disk) -> None:
    await session(disk)
    disk.record(HOUR_US, size=5000)
    disk.room = 9000
    disk.rate = 2.5
    async with disk.kept(NO_LIMITS) as handle:
        assert handle.figures().hours == 9000 / 2.5 / 3600
        assert handle.figures().bytes_per_s == 2.5


def test_space_is_asked_of_the_disk_a_folder_is_on(tmp_path: Path) -> None:
    space = measure_space(tmp_path)
    assert space.device == os.stat(tmp_path).st_dev
    assert space.free_bytes > 0
    with pytest.raises(OSError):
        measure_space(tmp_path / "nowhere")


async def test_a_clip_of_restored_footage_gets_its_file_before_the_footage_is_deleted(
    disk: Disk,
) -> None:
    session_id = await session(disk)
    name = disk.record(DAY_US)
    clip_id = await disk.ready_clip(session_id, name)
    await disk.store.write(lambda tx: tx.insert("condemned", {"recording": name}))
    async with disk.kept(NO_LIMITS):
        assert disk.removed == [name] and await condemned(disk) == []
    plan = await disk.store.read(lambda tx: stored_plan(tx, clip_id, 1))
    assert plan is not None and plan.file_path is not None
    assert (disk.clips / plan.file_path).stat().st_size == plan.size
