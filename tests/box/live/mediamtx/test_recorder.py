"""The box beside a real MediaMTX: its reports in normal operation, and after failures."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio

from appliance.kernel.clock import from_rfc3339, wall_us
from tests.box.live.mediamtx.rig import S_US, MediaMTX, Rig, rig
from tests.kit.running import Tablet, tablet


async def gap_over(device: Tablet, known: int = 0) -> Any:
    """The next recording_gap of cam1 that has ended."""

    def find() -> Any:
        over = [each for each in device.events if each["type"] == "recording_gap" and each["end"]]
        return over[known] if len(over) > known else None

    return await device.next(find, within_s=30, what="a gap that is over")


def reasons(device: Tablet, gap: Any) -> set[str]:
    """Every reason published for this gap."""
    events = [
        each for each in device.events if each["type"] == "recording_gap" and each["start"] == gap["start"]
    ]
    return {each["reason"] for each in events}


async def timeline_reason(setup: Rig, gap: Any) -> str:
    known = await setup.http.get("/channels/cam1/timeline")
    at_us = from_rfc3339(gap["start"])
    near = [each for each in known["gaps"] if abs(from_rfc3339(each["start"]) - at_us) < S_US]
    assert len(near) == 1, (gap, known["gaps"])
    return str(near[0]["reason"])


async def test_the_readmes_setup_gives_active_cameras_with_footage(tmp_path: Path) -> None:
    """M6 M5 M9: no camera must be activated by hand, none turns red; line, hook and login work as shipped."""
    async with rig(tmp_path) as setup:
        channels = (await setup.http.get("/channels"))["items"]
        assert {each["status"] for each in channels} == {"active"}
        with setup.mediamtx.camera("cam1"), setup.mediamtx.camera("cam2"):
            await setup.becomes("cameras", "ok", "2 cameras are recorded")
            await setup.recorded(2.0)
            cam1 = await setup.source()
            assert cam1["is_recorded"] and cam1["is_connected"] and cam1["address"].startswith("127.0.0.1:")
            assert 50_000 < cam1["bitrate_bps"] < 5_000_000 and cam1["loss_ratio"] < 0.05
            assert cam1["tracks"] == ["H264", "MPEG-4 Audio"] and cam1["restarts"] == 0
            assert (await setup.part("mediamtx"))["status"] == "ok"
            assert await setup.metric('source_recorded{channel="cam1"}') == 1.0
            assert await setup.metric("mediamtx_up") == 1.0
            for event in ("available", "segment-create"):
                assert (await setup.metric(f'mediamtx_hook_calls{{event="{event}"}}') or 0) >= 2, event
            cam1 = await setup.http.get("/channels/cam1")
            assert (cam1["status"], cam1["footage"]) == ("active", "on")
        assert "HTTP Request" not in setup.box.process.output()


async def test_a_camera_that_is_unplugged_for_a_short_time_is_lost_and_nothing_else(tmp_path: Path) -> None:
    """M9 E9: an outage below 10 s is the camera's; one reason, from its start to its end."""
    async with rig(tmp_path, cameras=["cam1"]) as setup, tablet(setup.box) as device:
        camera = setup.mediamtx.camera("cam1")
        try:
            camera.start()
            await setup.recorded(1.5)
            camera.drop()
            part = await setup.becomes("cameras", "bad", "cam1", within_s=5.0)
            assert part["hint"]
            begun = await device.event("recording_gap", channel_id="cam1")
            assert (begun["end"], begun["reason"]) == (None, "source_lost")
            await call_until_taken(setup, camera)
            over = await gap_over(device)
            assert over["start"] == begun["start"]
            assert from_rfc3339(over["end"]) - from_rfc3339(over["start"]) < 10 * S_US
            assert reasons(device, over) == {"source_lost"} == {await timeline_reason(setup, over)}
            await setup.becomes("cameras", "ok")
            await setup.connected()
            assert (await setup.source())["restarts"] == 1
        finally:
            camera.stop()


async def call_until_taken(setup: Rig, camera: Any) -> None:
    """Like encoders: reconnect until it is recorded."""
    with trio.fail_after(30):
        while True:
            camera.start()
            begun_us = wall_us()
            with trio.move_on_after(2.0):
                await setup.reaches(begun_us)
                return
            camera.drop()


async def test_a_killed_mediamtx_is_red_at_once_and_is_itself_the_reason(tmp_path: Path) -> None:
    """M5 E9: its death is detected within 5 s; the outage is the recorder's; the box recovers by itself."""
    async with rig(tmp_path, cameras=["cam1"]) as setup, tablet(setup.box) as device:
        camera = setup.mediamtx.camera("cam1")
        try:
            camera.start()
            await setup.recorded(1.5)
            setup.mediamtx.kill()
            part = await setup.becomes("mediamtx", "bad", "nothing is recorded", within_s=5.0)
            assert part["hint"]
            await setup.becomes("cameras", "bad", "cam1", within_s=5.0)
            begun = await device.event("recording_gap", channel_id="cam1")
            assert (begun["end"], begun["reason"]) == (None, "recorder_restart")
            await setup.mediamtx.start()
            camera.drop()
            await call_until_taken(setup, camera)
            over = await gap_over(device)
            assert reasons(device, over) == {"recorder_restart"} == {await timeline_reason(setup, over)}
            await setup.becomes("mediamtx", "ok")
            await setup.becomes("cameras", "ok")
        finally:
            camera.stop()


async def test_a_second_encoder_with_the_same_stream_id_does_not_replace_the_first(tmp_path: Path) -> None:
    """M5: overridePublisher as shipped."""
    async with rig(tmp_path, cameras=["cam1"]) as setup:
        with setup.mediamtx.camera("cam1") as first:
            await setup.recorded(1.5)
            with setup.mediamtx.camera("cam1", name="OTHER"):
                await setup.recorded(2.0)
                assert first._processes[1].poll() is None
            runs = (await setup.http.get("/channels/cam1/timeline"))["runs"]
            assert len(runs) == 1
            assert "already publishing" in setup.mediamtx.log


async def test_two_encoders_that_take_the_place_from_each_other_are_red(tmp_path: Path) -> None:
    """M5: with overridePublisher set to true."""
    changed = {"overridePublisher: false": "overridePublisher: true"}
    async with rig(tmp_path, cameras=["cam1"], changed=changed) as setup:
        with setup.mediamtx.camera("cam1"), setup.mediamtx.camera("cam1", name="OTHER"):
            part = await setup.becomes("cameras", "bad", "two encoders", within_s=30.0)
            assert part["hint"]
            assert (await setup.source())["run_changes"] > 5


@contextmanager
def ffmpeg(mediamtx: MediaMTX, *source: str) -> Iterator[None]:
    """FFmpeg as the encoder of cam1."""
    target = f"srt://127.0.0.1:{mediamtx.srt_port}?streamid=publish:cam1:cam1:cam1secret&pkt_size=1316"
    words = ["ffmpeg", "-hide_banner", "-loglevel", "error", *source, "-f", "mpegts", target]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def test_sound_without_a_picture_is_not_recorded_and_red_with_the_reason(tmp_path: Path) -> None:
    """E2: within 5 s of the first detection."""
    async with rig(tmp_path, cameras=["cam1"]) as setup:
        sound = ("-re", "-f", "lavfi", "-i", "sine=440", "-c:a", "aac")
        with ffmpeg(setup.mediamtx, *sound):
            await setup.connected()
            await setup.becomes("cameras", "bad", "no video", within_s=5.0)


async def test_pictures_without_a_key_are_not_recorded_and_red_with_the_reason(tmp_path: Path) -> None:
    """E2: an open-GOP camera joined in mid-stream sends, and MediaMTX waits for an IDR that never arrives."""
    async with rig(tmp_path, cameras=["cam1"]) as setup:
        whole = tmp_path / "whole.ts"
        made = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-t", "30", "-c:v", "libx264"]
        made += [
            "-preset",
            "ultrafast",
            "-bf",
            "0",
            "-g",
            "100000",
            "-keyint_min",
            "100000",
            "-sc_threshold",
            "0",
        ]
        made += ["-x264-params", "intra-refresh=1:repeat-headers=1"]
        await trio.run_process(
            ["ffmpeg", "-hide_banner", "-loglevel", "error", *made, "-f", "mpegts", str(whole)]
        )
        joined = ("-re", "-copyts", "-i", str(midway(whole)), "-c", "copy", "-copyinkf")
        with ffmpeg(setup.mediamtx, *joined):
            await setup.connected()
            part = await setup.becomes("cameras", "bad", "MediaMTX records nothing", within_s=6.0)
            assert "key picture" in part["hint"]


def midway(whole: Path) -> Path:
    """The stream from its second second on, in whole packets: without its only IDR."""
    data = whole.read_bytes()
    at = len(data) // 20 // 188 * 188
    part = whole.with_name("midway.ts")
    part.write_bytes(data[at:])
    return part


async def test_the_daemon_dies_and_the_recording_goes_on_without_a_gap(tmp_path: Path) -> None:
    async with rig(tmp_path, cameras=["cam1"]) as setup:
        with setup.mediamtx.camera("cam1"):
            await setup.recorded(2.0)
            begun_us = await setup.newest()
            await setup.box.kill()
            await trio.sleep(2.0)  # the outage itself
            await setup.box.start()
            async with setup.box.http() as http:
                again = Rig(setup.mediamtx, setup.box, http)
                await again.recorded(1.0)
                known = await http.get("/channels/cam1/timeline")
            assert len(known["runs"]) == 1
            assert [each for each in known["gaps"] if from_rfc3339(each["start"]) > begun_us - S_US] == []
