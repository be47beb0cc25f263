"""A box beside MediaMTX (a substitute for its API): the README's setup, from its start to MediaMTX's end."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from appliance.kernel.clock import from_rfc3339, to_rfc3339
from tests.box.recordings.tree import live_camera
from tests.kit.mediamtx import StandIn, stand_in
from tests.kit.ports import free_port
from tests.kit.running import Box, Http, Tablet, running_box, tablet
from tests.kit.waiting import LIMIT_S, PLAIN, eventually

pytestmark = pytest.mark.slow
PART_S = 0.2


@asynccontextmanager
async def recording(box: Box, mediamtx: StandIn, channel: str = "cam1") -> AsyncIterator[None]:
    """MediaMTX records the channel, a part every 0.2 s, while the block lasts."""
    stop = trio.Event()
    folder = box.recordings / channel
    folder.mkdir(parents=True, exist_ok=True)

    async def write() -> None:
        camera = live_camera(stream=uuid.uuid4().bytes)
        begun_s = trio.current_time()
        with (folder / f"{camera.ntp_ns}.mp4").open("ab", buffering=0) as file:
            file.write(camera.begin())
            while not stop.is_set():
                file.write(camera.next_part())
                await trio.sleep_until(begun_s + camera.sequence * PART_S)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        yield
        stop.set()


@asynccontextmanager
async def sending(mediamtx: StandIn, channel: str = "cam1") -> AsyncIterator[None]:
    """1 MB/s over the existing connection."""

    async def send() -> None:
        while True:
            mediamtx.send(channel, 50_000, packets=40, lost=1)
            await trio.sleep(0.05)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        yield
        nursery.cancel_scope.cancel()


async def part(http: Http, name: str) -> Any:
    answer = await http.client.get("/readyz")
    assert answer.status_code in (200, 503)
    return answer.json()["parts"][name]


async def becomes(http: Http, name: str, status: str, words: str = "", *, within_s: float = LIMIT_S) -> Any:
    """The part once the condition holds."""
    result: dict[str, Any] = {}
    with trio.move_on_after(within_s):
        while not (result.get("status") == status and words in result["detail"]):
            await trio.sleep(0.05)
            result = await part(http, name)
        return result
    raise AssertionError(f"{name} is {result}")


def settings(mediamtx: StandIn, **more: Any) -> dict[str, Any]:
    return {
        "channels": [{"id": "cam1"}, {"id": "cam2"}],
        "mediamtx": {"api_url": mediamtx.url},
        "heartbeat": {"interval_s": 1, "timeout_s": 2},
        **more,
    }


async def test_the_readmes_setup_with_mediamtx_and_the_reports_when_it_fails(tmp_path: Path) -> None:
    with stand_in() as mediamtx:
        mediamtx.configured("cam1", "cam2")
        (tmp_path / "recordings" / "lost+found").mkdir(parents=True)
        async with (
            running_box(tmp_path, **settings(mediamtx)) as box,
            box.http() as http,
            tablet(box) as device,
        ):
            channels = (await http.get("/channels"))["items"]
            assert {each["status"] for each in channels} == {"active"}, "M6: nobody must switch them on"
            mediamtx.connect("cam1", "a")
            async with sending(mediamtx), recording(box, mediamtx):
                await device.event("channel_status", channel_id="cam2", status="error")
                text = await becomes(http, "cameras", "bad", "cam2")
                assert "cam1" not in text["detail"] and "not connected" in text["detail"]
                await http.post("/channels/cam2/deactivate")
                await becomes(http, "cameras", "ok", "1 cameras are recorded, 1 switched off")
                await eventually(lambda: device.seqs, what="events")
                cam1 = await http.get("/channels/cam1")
                assert (cam1["status"], cam1["footage"]) == ("active", "on"), (
                    "M6: its footage is its sign of life"
                )
                assert (await part(http, "recordings"))["status"] == "ok", "M9: lost+found is no channel"
                assert (await part(http, "mediamtx"))["status"] == "ok"
                await figures(http)
            # E2: the encoder continues to send, and nothing reaches the disk any more
            async with sending(mediamtx):
                text = await becomes(http, "cameras", "bad", "MediaMTX records nothing")
                assert "192.168.10.7:50123" in text["detail"] and text["hint"]
                gap = await device.event("recording_gap", channel_id="cam1", end=None)
                assert gap["reason"] == "recorder_restart"
                timeline = await http.get("/channels/cam1/timeline")
                assert timeline["gaps"][-1]["reason"] == "recorder_restart", "E9"
            mediamtx.disconnect("cam1")
            await becomes(http, "cameras", "bad", "its encoder is not connected")
            async with recording(box, mediamtx):
                await device.next(
                    lambda: [
                        each for each in device.events if each["type"] == "recording_gap" and each["end"]
                    ]
                )
                over = [each for each in device.events if each["type"] == "recording_gap" and each["end"]][-1]
                assert (over["start"], over["reason"]) == (gap["start"], gap["reason"]), (
                    "E9: one outage, one reason"
                )
                await check_reason_in_clip(http, device, over)


async def check_reason_in_clip(http: Http, device: Tablet, gap: Any) -> None:
    """The missing span of a clip over the outage has the same reason."""
    session = await http.post("/sessions", {"name": "E9", "type": "other"}, 201)
    start_us, end_us = from_rfc3339(gap["start"]) - 500_000, from_rfc3339(gap["end"]) + 300_000
    body = {
        "session_id": session["id"],
        "channel_id": "cam1",
        "start_time": to_rfc3339(start_us),
        "duration": (end_us - start_us) / 1e6,
    }
    made = await http.post("/clips", body, 201)
    await device.event("clip_ready", clip_id=made["id"])
    clip = await http.get(f"/clips/{made['id']}")
    assert {each["reason"] for each in clip["coverage"]["missing"]} == {gap["reason"]}


async def figures(http: Http) -> None:
    """The connection's figures, for users and for Prometheus."""

    async def known() -> Any:
        [cam1] = [each for each in (await http.get("/sources"))["items"] if each["channel_id"] == "cam1"]
        return cam1 if cam1["bitrate_bps"] else None

    with trio.fail_after(LIMIT_S):
        while not (cam1 := await known()):  # noqa: ASYNC110  # there is no event for it
            await trio.sleep(0.1)
    assert cam1["status"] == "ok" and cam1["is_recorded"] and cam1["is_connected"]
    assert cam1["address"] == "192.168.10.7:50123" and cam1["tracks"] == ["H264", "MPEG-4 Audio"]
    assert 0.01 < cam1["loss_ratio"] < 0.05 and cam1["rtt_ms"] == 3.5 and cam1["restarts"] == 0
    metrics = (await http.media("/metrics")).text
    assert 'source_recorded{channel="cam1"} 1.0' in metrics and "mediamtx_up 1.0" in metrics
    assert 'source_bitrate_bps{channel="cam1"}' in metrics and 'source_rtt_ms{channel="cam1"} 3.5' in metrics


async def test_a_dead_mediamtx_two_encoders_and_the_hook(tmp_path: Path) -> None:
    local_port = free_port()
    with stand_in() as mediamtx:
        given = settings(mediamtx, server={"port": 0, "local_port": local_port})
        async with running_box(tmp_path, **given) as box, box.http() as http:
            async with httpx.AsyncClient(**PLAIN) as local:
                body = {"event": "segment-create", "path": "cam1", "segment": "a.mp4"}
                answer = await local.post(f"http://127.0.0.1:{local_port}/mediamtx/hook", json=body)
                assert answer.status_code == 200
            metrics = (await http.media("/metrics")).text
            assert 'mediamtx_hook_calls{event="segment-create"} 1.0' in metrics
            for _ in range(7):  # M5: a run every half second, most of them without a picture
                async with recording(box, mediamtx):
                    await trio.sleep(0.25)
            part = await becomes(http, "cameras", "bad", "two encoders")
            assert "began anew 6 times" in part["detail"]
            mediamtx.status = 500
            await becomes(http, "mediamtx", "bad", "MediaMTX answered 500")
