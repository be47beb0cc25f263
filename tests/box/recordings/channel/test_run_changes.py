"""Detection of frequent run changes."""

from __future__ import annotations

import uuid
from functools import partial
from pathlib import Path

from appliance.box.recordings.actor import RecordingsHandle
from appliance.box.recordings.channel.run_changes import run_changes
from tests.box.recordings.tree import Box, eventually, live_camera
from tests.kit.segments import init, part

S = 1_000_000


def test_runs_of_the_last_minute_but_the_first_are_changes() -> None:
    begun = [number * 10 * S for number in range(10)]
    assert run_changes(begun, 90 * S, is_on=True) == 5
    assert run_changes(begun[-1:], 90 * S, is_on=True) == 0
    assert run_changes([], 90 * S, is_on=True) == 0


def test_while_nothing_is_recorded_the_last_minute_that_was_counts_for_a_day() -> None:
    begun = [number * 10 * S for number in range(10)]
    assert run_changes(begun, 3600 * S, is_on=False) == 5
    assert run_changes(begun, 3600 * S, is_on=True) == 0
    assert run_changes(begun, 2 * 86_400 * S, is_on=False) == 0


def has_changed(handle: RecordingsHandle, times: int) -> bool:
    return handle.run_changes("cam1") == times


async def test_a_takeover_is_counted_though_most_of_its_runs_hold_no_picture(tmp_path: Path) -> None:
    """As in field samples: 18 runs in 12 s, two thirds of them sound only."""
    box = Box(tmp_path)
    async with box.running() as handle:
        for number in range(9):
            camera = live_camera(stream=uuid.uuid4().bytes)
            sound = init((camera.stream_id, 0, 0, camera.ntp_ns)) + part(audio=(0, 9))
            box.add(f"{number}.mp4", sound if number % 3 else camera.begin() + camera.next_part())
            await eventually(partial(has_changed, handle, number))
    async with box.running() as handle:  # found on the disk a moment later
        await eventually(lambda: handle.run_changes("cam1") == 8)
