"""Footage of a real MediaMTX against the instants burned into its pictures. M1 M2 M3 M4"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import trio

from appliance.kernel.clock import from_rfc3339, to_rfc3339
from tests.box.live.mediamtx.rig import S_US, Rig, rig
from tests.e2e.test_srt import FRAME_US, seen
from tests.kit.running import Http


async def late_us(http: Http, folder: Path, start_us: int, end_us: int) -> list[int]:
    """Delay between capture and publication time of each frame: the line's delay, and errors."""
    return [at_us - text.instant_us for at_us, text in await seen(http, folder, start_us, end_us)]


async def first_frame(http: Http) -> int:
    known = await http.get("/channels/cam1/timeline")
    return from_rfc3339(known["spans"][0]["start"])


async def clip_of(http: Http, start_us: int, end_us: int) -> Any:
    session = await http.post("/sessions", {"name": "Live", "type": "other"}, 201)
    body = {
        "session_id": session["id"],
        "channel_id": "cam1",
        "start_time": to_rfc3339(start_us),
        "duration": (end_us - start_us) / 1e6,
    }
    return await http.post("/clips", body, 201)


async def test_published_times_hold_from_the_first_second_and_over_a_dead_daemon(tmp_path: Path) -> None:
    """M3 M4: one delay for a complete run, also for footage recorded while the daemon was down."""
    async with rig(tmp_path, cameras=["cam1"]) as setup:
        with setup.mediamtx.camera("cam1", gop=50):
            await setup.recorded(5.0)
            begun_us, down_us = await first_frame(setup.http), await setup.newest()
            early = await late_us(setup.http, tmp_path, begun_us, down_us - S_US // 2)
            await setup.box.kill()
            await trio.sleep(2.0)  # the outage itself
            await setup.box.start()
            async with setup.box.http() as http:
                again = Rig(setup.mediamtx, setup.box, http)
                await again.recorded(2.0)
                later = await late_us(http, tmp_path, down_us - S_US // 2, await again.newest() - S_US // 2)
        usual_us = median(early)
        assert max(abs(each - usual_us) for each in early) <= 80_000, (min(early), max(early))
        assert max(abs(each - usual_us) for each in later) <= FRAME_US + 20_000, (
            usual_us,
            min(later),
            max(later),
        )


async def test_a_stream_joined_in_the_middle_of_a_gop_gives_whole_clips_that_are_cut_once(
    tmp_path: Path,
) -> None:
    """M1 M2: MediaMTX's placeholder parameter sets in the first header are no format change."""
    async with rig(tmp_path, cameras=["cam1"]) as setup:
        camera = setup.mediamtx.camera("cam1", gop=75)
        with camera:
            await setup.recorded(4.0)
            begun_us = await first_frame(setup.http)
            made = await clip_of(setup.http, begun_us, begun_us + 3 * S_US)
            with trio.fail_after(10):
                while (clip := await setup.http.get(f"/clips/{made['id']}"))["status"] != "ready":  # noqa: ASYNC110
                    await trio.sleep(0.05)
            assert clip["coverage"]["missing"] == [] and clip["coverage"]["frames"] >= 74
            await trio.sleep(5.0)  # two checks for late footage
            assert (await setup.http.get(f"/clips/{made['id']}"))["media_rev"] == clip["media_rev"]
