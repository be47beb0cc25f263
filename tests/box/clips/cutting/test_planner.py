"""Plans of several spans in one call, from a real recording."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from appliance.box.clips.cutting.planner import Planner, Wanted
from appliance.media.cut.plan import NoFootage
from appliance.media.index.index import SegmentIndex
from appliance.media.index.view import SegmentView
from tests.kit.fmp4_file import START_US, StraightClock
from tests.kit.hand_footage import HandFootage

RECORDING = (
    Path(__file__).parents[3] / "data/mediamtx/normal_5seg_bframes_aac/cam1/2026-11-21_00-56-36-328217.mp4"
)


class OneFile(HandFootage):
    """cam1 has the recording, the disk of cam2 fails, cam3 has nothing."""

    def __init__(self) -> None:
        super().__init__()
        index = SegmentIndex(RECORDING.name)
        self.opened: list[int] = []
        fd = os.open(RECORDING, os.O_RDONLY)
        index.update(fd, RECORDING.stat().st_size)
        os.close(fd)
        self.view = index.view(RECORDING.name, StraightClock(START_US))
        assert index.first is not None
        self.first_us = self.view.clock.wall_us(index.run_ns(index.first))

    async def views(self, channel_id: str, start_us: int, end_us: int) -> Sequence[SegmentView]:
        if channel_id == "cam2":
            raise OSError("the disk refuses")
        return [self.view] if channel_id == "cam1" else []

    def open_fd(self, name: str) -> int:
        self.opened.append(os.open(RECORDING, os.O_RDONLY))
        return self.opened[-1]


async def test_plans_made_together_are_those_made_alone_and_a_missing_one_is_none() -> None:
    footage = OneFile()
    planner = Planner(footage, trio.CapacityLimiter(1))
    wanted = [Wanted(f"cam{n}", footage.first_us, footage.first_us + 500_000, 0) for n in (1, 2, 3)]
    alone = await planner.plan_span(*wanted[0])
    assert await planner.plan_together(wanted) == [alone, None, None]
    assert alone.frames == 25
    with pytest.raises(NoFootage):
        await planner.plan_span(*wanted[2])
    for fd in set(footage.opened):
        with pytest.raises(OSError):
            os.fstat(fd)
