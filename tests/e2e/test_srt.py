"""A real camera over SRT into the box's recorder: its burned-in clock against the box's times.

The sender burns its clock into each picture (and a number that counts from its start), so a decoded frame
shows when it was captured, and the API when the box assumes it was.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import av
import pytest
import trio

from appliance.box.recorder.synthetic.barcode import Burned
from appliance.kernel.clock import from_rfc3339, to_rfc3339, wall_us
from tests.e2e.kit import frame_times
from tests.kit.camera import SrtSender, burned
from tests.kit.ports import free_udp_port
from tests.kit.running import Box, Http, running_box, tablet
from tests.kit.waiting import LIMIT_S

pytestmark = pytest.mark.slow

FRAME_US = 40_000  # the sender sends 25 pictures a second
S_US = 1_000_000


@asynccontextmanager
async def srt_box(folder: Path, port: int) -> AsyncIterator[Box]:
    channel = {"id": "cam1", "input_url": f"srt://:{port}?latency=80"}
    async with (
        running_box(folder, channels=[channel], recorder={"mode": "embedded"}) as box,
        box.http() as http,
    ):
        await recorder_says(http, "waiting")
        yield box


async def recorder_says(http: Http, word: str) -> None:
    """Wait until health contains this for the only camera: `waiting` means the port is open."""
    with trio.fail_after(LIMIT_S):
        while word not in await recorder_detail(http):  # noqa: ASYNC110  # health has no event
            await trio.sleep(0.02)


async def recorder_detail(http: Http) -> str:
    return str((await http.client.get("/readyz")).json()["parts"]["recorder"]["detail"])


async def footage_until(http: Http, at_us: int) -> None:
    """Wait until everything captured before `at_us` is indexed."""
    with trio.fail_after(LIMIT_S):
        while await newest(http) < at_us:  # noqa: ASYNC110  # no event tells of a part
            await trio.sleep(0.05)


async def newest(http: Http) -> int:
    """Everything captured before is indexed; 0: nothing is indexed."""
    until = (await http.get("/channels/cam1/timeline"))["video_until"]
    return from_rfc3339(until) if until else 0


async def seen(http: Http, folder: Path, start_us: int, end_us: int) -> list[tuple[int, Burned]]:
    """(the API's time, the picture's time) of every frame of a span, from a clip of it."""
    session = await http.post("/sessions", {"name": "Measure", "type": "other"}, 201)
    body = {
        "session_id": session["id"],
        "channel_id": "cam1",
        "start_time": to_rfc3339(start_us),
        "duration": (end_us - start_us) / 1e6,
    }
    clip: dict[str, Any] = await http.post("/clips", body, 201)
    file = folder / f"{clip['id']}.mp4"
    file.write_bytes((await http.media(clip["stream_url"])).content)
    with av.open(str(file)) as container:
        pictures = [burned(frame) for frame in container.decode(video=0)]
    times = await frame_times(http, "cam1", start_us, end_us)
    assert None not in pictures
    return [(at_us, text) for at_us, text in zip(times, pictures, strict=True) if text is not None]


async def test_with_latency_set_the_api_says_when_a_picture_was_captured(tmp_path: Path) -> None:
    """How latency_ms is measured: film a clock with latency_ms = 0, and compare the two times. Measured over
    a second, set, and compared with later frames in a new clip."""
    port = free_udp_port()
    async with srt_box(tmp_path, port) as box, box.http() as http:
        with SrtSender(port, latency_ms=80):
            await footage_until(http, wall_us() + 3 * S_US // 2)
            first_us = await newest(http) - 6 * S_US // 5
            before = await seen(http, tmp_path, first_us, first_us + S_US)
            latency_ms = round(median(at_us - content.instant_us for at_us, content in before) / 1000)
            assert 40 < latency_ms < 500, "mostly the 80 ms that SRT holds back"
            await http.patch("/channels/cam1", {"latency_ms": latency_ms})
            set_us = wall_us()
            await footage_until(http, set_us + 2 * S_US)
            later = await seen(http, tmp_path, set_us, set_us + 2 * S_US)
    assert len(later) >= 45
    off_us = [content.instant_us - at_us for at_us, content in later]
    assert max(map(abs, off_us)) < FRAME_US + 40_000, (latency_ms, min(off_us), max(off_us))


async def test_a_camera_that_drops_and_returns_is_recorded_within_a_second_of_its_return(
    tmp_path: Path,
) -> None:
    port = free_udp_port()
    async with srt_box(tmp_path, port) as box, box.http() as http, tablet(box) as device:
        # A camera's first key picture may be sent during the handshake: the next is 0.4 s later.
        sender = SrtSender(port, latency_ms=80, gop=10)
        try:
            sender.start()
            await footage_until(http, wall_us() + S_US)
            sender.drop()
            await recorder_says(http, "silent")
            sender.start()  # while the box still holds the dead connection
            gap = await device.next(
                lambda: next((e for e in device.events if e["type"] == "recording_gap" and e["end"]), None),
                what="the end of the gap",
            )
            resumed_us = from_rfc3339(gap["end"])
            await footage_until(http, resumed_us + S_US // 2)
            first = (await seen(http, tmp_path, resumed_us - 1000, resumed_us + S_US // 2))[0][1]
        finally:
            sender.stop()
    returned_us = first.instant_us - first.frame * FRAME_US  # its first picture after its return
    assert first.frame * FRAME_US < S_US, "less than a second of its pictures is lost"
    assert resumed_us - returned_us < S_US
