"""Which footage counts as durable."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from appliance.box.recordings.following import fdatasync as durability
from tests.box.recordings.tree import Box, eventually, live_camera


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


@pytest.mark.parametrize("failing", [1, 2])
async def test_a_sync_that_failed_is_not_made_good_by_the_next(
    failing: int, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel may have dropped the pages, and reports the error once."""
    calls: list[int] = []
    fdatasync = os.fdatasync

    def sync(fd: int) -> None:
        if os.readlink(f"/proc/self/fd/{fd}").endswith(".mp4"):
            calls.append(fd)
            if len(calls) == failing:
                raise OSError(errno.EIO, "Input/output error")
        fdatasync(fd)

    monkeypatch.setattr(os, "fdatasync", sync)
    monkeypatch.setattr(durability, "SYNC_S", 0.01)
    camera = live_camera()
    async with box.running() as handle:
        durable: list[int | None] = []
        box.add("a.mp4", camera.begin())
        for round in range(1, 5):
            box.add("a.mp4", camera.next_part())
            await eventually(lambda count=round: len(calls) >= count)  # type: ignore[misc]
            durable.append(handle.durable_until_us("cam1"))
        video_until_us = handle.video_until_us("cam1")
    assert len(set(durable[failing:])) == 1  # what was durable before the failure, or nothing
    assert video_until_us is not None and (durable[-1] or 0) < video_until_us
