"""A disk error postpones a cut: it is reported, retried, and given up after ten minutes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import trio
from trio.testing import MockClock

from appliance.box.clips.cutting.exports import refusal
from appliance.box.clips.records import marks
from appliance.kernel.retry import GIVE_UP_S
from tests.box.clips.cutting.test_cutter import cutting
from tests.kit.box import COACH, mark_rules
from tests.kit.clock import KICKOFF_US

EIO = OSError(errno.EIO, os.strerror(errno.EIO))
SECOND = 1_000_000


async def test_a_clip_whose_recording_cannot_be_read_is_cut_when_it_can(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.grow(KICKOFF_US + SECOND)
        desk.planner.error = EIO
        clip_id = await desk.clip(start_time="2026-11-20T18:59:50Z", duration=8)
        await trio.sleep(60)
        row = await desk.row(clip_id)
        assert (row["status"], row["waiting_for"], row["attempts"]) == ("pending", "footage", 0)
        assert 4 < len(desk.planner.asked) < 60, "asked again, ever less often"
        desk.planner.error = None
        await desk.until(clip_id, "ready")


async def test_after_ten_minutes_the_clip_fails_with_the_error_of_the_disk(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.grow(KICKOFF_US + SECOND)
        desk.planner.error = EIO
        began_s = trio.current_time()
        row = await desk.until(await desk.clip(start_time="2026-11-20T18:59:50Z", duration=8), "failed")
        assert trio.current_time() - began_s >= GIVE_UP_S
        assert row["error_message"] == "The disk refused for ten minutes: Input/output error"


async def test_the_failure_is_in_readyz_until_the_clip_is_cut_or_deleted(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.grow(KICKOFF_US + SECOND)
        desk.planner.error = EIO
        assert desk.handle is not None
        clip_id = await desk.clip(start_time="2026-11-20T18:59:50Z", duration=8)
        await trio.sleep(60)
        assert str(desk.handle.disk_errors) == "cutting: Input/output error"
        await desk.store.write(lambda tx: marks.delete_clip(tx, COACH, mark_rules(), clip_id))
        await trio.sleep(60)
        assert not desk.handle.disk_errors


def test_whether_a_disk_accepts_more_is_tested_by_writing_to_the_draft(tmp_path: Path) -> None:
    draft = os.open(tmp_path / "draft", os.O_RDWR | os.O_CREAT)
    assert refusal(draft) is None
    os.close(draft)
    full = os.open(tmp_path / "draft", os.O_RDONLY)
    assert refusal(full) is not None
    os.close(full)
