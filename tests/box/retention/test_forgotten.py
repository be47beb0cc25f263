"""What happens to unwatched clips the box closed, when space is short."""

from __future__ import annotations

from dataclasses import replace

from tests.box.retention.disk import DAY_US, HOUR_US, NO_LIMITS, Disk
from tests.box.retention.test_actor import disk, session

__all__ = ["disk"]


async def test_forgotten_clips_go_with_their_recording_instead_of_being_written(disk: Disk) -> None:
    """Two hundred of them would take more space than they free."""
    session_id = await session(disk)
    source, younger = disk.record(DAY_US), disk.record(HOUR_US)
    forgotten = [await disk.ready_clip(session_id, source, auto_closed=1) for _ in range(20)]
    watched = await disk.ready_clip(session_id, source, auto_closed=1, looked_us=1)
    disk.room = 2600
    async with disk.kept(replace(NO_LIMITS, min_free_bytes=800)):
        assert disk.removed == [source] and younger in disk.segments
    gone = disk.events("clip_deleted")
    assert sorted(each["clip_id"] for each in gone) == sorted(forgotten)
    assert {each["reason"] for each in gone} == {"min_free_gb"}
    assert [path.name for path in disk.files("clips")] == [f"{watched}-m1.mp4"]


async def test_a_forgotten_clip_of_a_guarded_session_stays(disk: Disk) -> None:
    now_us = disk.clock.now_us()
    session_id = await session(disk, status="active", actual_start_us=now_us - 2 * DAY_US)
    source = disk.record(DAY_US)
    await disk.ready_clip(session_id, source, auto_closed=1)
    disk.room = 2600
    async with disk.kept(replace(NO_LIMITS, min_free_bytes=5000)):
        assert disk.events("clip_deleted") == [] and disk.removed == []
