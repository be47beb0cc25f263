"""Irregular cameras recorded by a real MediaMTX: no second IDR, a timestamp jump, another size. M1 M7 M8"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import trio
import trio_websocket

from appliance.kernel.clock import from_rfc3339
from tests.box.live.mediamtx.rig import S_US, Rig, rig
from tests.box.live.mediamtx.test_footage import clip_of, first_frame
from tests.box.live.mediamtx.test_recorder import ffmpeg
from tests.e2e.kit import frame_times
from tests.kit.film_sender import FilmSender
from tests.kit.real_truth import seen

FRAME_US = 40_000


def film(setup: Rig, **odd: Any) -> FilmSender:
    url = f"srt://127.0.0.1:{setup.mediamtx.srt_port}?mode=caller&latency=120"
    return FilmSender(f"{url}&streamid=publish:cam1:cam1:cam1secret", **{"b_frames": 0, "gop_s": 1.0, **odd})


async def ready(setup: Rig, start_us: int, end_us: int) -> Any:
    """A clip of this span, once it is cut."""
    made = await clip_of(setup.http, start_us, end_us)
    with trio.fail_after(30):
        while (clip := await setup.http.get(f"/clips/{made['id']}"))["status"] != "ready":  # noqa: ASYNC110
            await trio.sleep(0.05)
    return clip


@contextmanager
def open_group(setup: Rig) -> Iterator[None]:
    """One IDR picture, then recovery points, one a second."""
    source = ["-re", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-c:v", "libx264"]
    source += ["-preset", "ultrafast", "-bf", "2", "-g", "25", "-keyint_min", "25", "-sc_threshold", "0"]
    with ffmpeg(setup.mediamtx, *source, "-x264-params", "open-gop=1:b-adapt=0:bframes=2"):
        yield


async def live_begin(setup: Rig) -> tuple[dict[str, Any], int]:
    """A live viewer's first message, and the bytes of its init and first two fragments."""
    url = setup.box.url.replace("http", "ws") + "/channels/cam1/live"
    async with trio_websocket.open_websocket_url(url) as socket:
        with trio.fail_after(20):
            message = json.loads(await socket.get_message())
            return message, sum([len(await socket.get_message()) for _ in range(3)])


async def test_an_open_group_gives_clips_and_live_pictures_that_begin_at_a_recovery_point(
    tmp_path: Path,
) -> None:
    """M7: neither a clip's pre-roll nor the start of live playback grows with the stream."""
    async with rig(tmp_path, cameras=["cam1"]) as setup:
        with open_group(setup):
            await setup.recorded(12.0)
            until_us = await setup.newest()
            clip = await ready(setup, until_us - 3 * S_US, until_us - S_US)
            assert clip["coverage"]["missing"] == [] and clip["coverage"]["frames"] in (49, 50, 51)
            assert clip["preroll_s"] <= 1.2, "one group of pictures"
            before_us = await setup.newest()
            content, size = await live_begin(setup)
            assert content["type"] == "init", content
            assert from_rfc3339(str(content["arrived_at"])) > before_us - 2 * S_US, (
                "the newest recovery point"
            )
            whole = sum(path.stat().st_size for path in (tmp_path / "recordings" / "cam1").iterdir())
            assert size < whole / 3
            assert (await setup.part("cameras"))["status"] == "ok"


async def test_a_leap_of_timestamps_makes_no_gap_and_moves_no_picture(tmp_path: Path) -> None:
    """M8: MediaMTX turns it into one sample of three seconds and continues in the same file."""
    async with rig(tmp_path, cameras=["cam1"]) as setup:
        with film(setup, leap=(6.0, 3.0)) as camera:
            await setup.recorded(1.0)
            begun_us = await first_frame(setup.http)
            await setup.reaches(begun_us + 14 * S_US)
            known = await setup.http.get("/channels/cam1/timeline")
            assert len(known["runs"]) == 1 and len(known["spans"]) == 1
            clip = await ready(setup, begun_us + 3 * S_US, begun_us + 10 * S_US)
            assert clip["coverage"]["missing"] == [] and clip["coverage"]["duration_s"] <= 7.05
            assert abs(clip["coverage"]["frames"] - 175) <= 2
            pictures = await seen(setup.http, tmp_path, "cam1", camera, begun_us, begun_us + 13 * S_US)
        usual_us = median(each.error_us for each in pictures)
        off_us = [round(each.error_us - usual_us) for each in pictures]
        assert max(map(abs, off_us)) <= 2 * FRAME_US, (min(off_us), max(off_us))
        steps = [after.at_us - before.at_us for before, after in pairwise(pictures)]
        assert max(steps) < 3 * FRAME_US and len(pictures) >= 320


@pytest.mark.parametrize("b_frames", [1, 2, 3])  # two and more with a pyramid: a B-frame is a reference too
async def test_b_frames_are_all_there_once_and_at_their_times(tmp_path: Path, b_frames: int) -> None:
    async with rig(tmp_path, cameras=["cam1"]) as setup:
        with film(setup, b_frames=b_frames) as camera:
            await setup.recorded(1.0)
            begun_us = await first_frame(setup.http)
            await setup.reaches(begun_us + 8 * S_US)
            clip = await ready(setup, begun_us + 2 * S_US, begun_us + 6 * S_US)
            assert clip["coverage"]["missing"] == [] and clip["coverage"]["frames"] in (99, 100, 101)
            pictures = await seen(setup.http, tmp_path, "cam1", camera, begun_us, begun_us + 7 * S_US)
        usual_us = median(each.error_us for each in pictures)
        off_us = [round(each.error_us - usual_us) for each in pictures]
        assert max(map(abs, off_us)) <= FRAME_US // 2, (min(off_us), max(off_us))
        captured = [each.captured_us for each in pictures]
        steps = [round((after - before) / FRAME_US) for before, after in pairwise(captured)]
        assert set(steps) == {1} and len(pictures) >= 174, "no picture is lost, shown twice or out of order"


async def test_a_picture_that_changes_its_size_gives_a_clip_that_is_cut_once(tmp_path: Path) -> None:
    """M1: the index covers both sizes, the clip shows the longer span."""
    async with rig(tmp_path, cameras=["cam1"]) as setup:
        with film(setup, grows_after_s=5.0):
            await setup.recorded(1.0)
            begun_us = await first_frame(setup.http)
            await setup.reaches(begun_us + 11 * S_US)
            clip = await ready(setup, begun_us + S_US, begun_us + 10 * S_US)
            [missing] = clip["coverage"]["missing"]
            assert missing["reason"] == "format_change"
            times = await frame_times(setup.http, "cam1", begun_us + S_US, begun_us + 10 * S_US)
            assert len(times) >= 224, "the timeline has both"
            await trio.sleep(5.0)  # two checks for late footage
            again = await setup.http.get(f"/clips/{clip['id']}")
            assert (again["media_rev"], again["coverage"]) == (clip["media_rev"], clip["coverage"])
