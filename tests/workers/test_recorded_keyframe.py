"""From a real recording's index to its thumbnail: plan_frame selects the sample, a worker decodes it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.media.cut.frames import plan_frame
from appliance.media.index.index import SegmentIndex
from appliance.media.index.view import SegmentView
from appliance.workers.jobs import ThumbnailJob
from tests.workers.test_pool_processes import pool_of

RECORDINGS = Path(__file__).parents[1] / "data" / "mediamtx"


class MediaTime:
    """Wall time is media time: enough to select a key."""

    def wall_us(self, media_ns: int) -> int:
        return media_ns // 1000

    def media_ns(self, wall_us: int) -> int:
        return wall_us * 1000


def view(path: Path) -> SegmentView:
    index = SegmentIndex(path.name)
    descriptor = os.open(path, os.O_RDONLY)
    index.update(descriptor, os.fstat(descriptor).st_size)
    os.close(descriptor)
    return index.view(str(path), MediaTime())


@pytest.mark.slow
async def test_every_key_of_every_recording_becomes_a_picture() -> None:
    async with pool_of(2) as pool:
        for path in sorted(RECORDINGS.rglob("*.mp4")):
            segment = view(path)
            descriptor = os.open(path, os.O_RDONLY)
            for key in segment.keys:
                assert segment.init.video is not None
                ns = segment.base_ns + key.pts * 1_000_000_000 // segment.init.video.timescale
                result = plan_frame([segment], lambda _: descriptor, ns // 1000, 0)  # noqa: B023 - called at once
                job = ThumbnailJob.of_sample(result.codec, result.extradata, *result.picture[1:])
                picture = await pool.thumbnail(job, descriptor)
                assert picture.width == min(320, result.width)
                assert picture.height == pytest.approx(result.height * picture.width / result.width, abs=2)
            os.close(descriptor)
        assert pool.statistics().failed == 0
        assert pool.statistics().done > 5
