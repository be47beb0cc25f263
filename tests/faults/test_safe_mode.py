"""Safe mode: a recording camera is shown, frames can be fetched, marks are stored; health lists what is
off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.test_disk import _part_is, clean, new_session
from tests.kit.running import Box, Event, Tablet, tablet

pytestmark = pytest.mark.slow


def cut_of(device: Tablet, clip_id: str) -> list[Event]:
    kinds = ("clip_ready", "clip_failed")
    return [event for event in device.events if event["type"] in kinds and event["clip_id"] == clip_id]


async def test_after_three_kills_live_pictures_frames_and_marks_work(tmp_path: Path) -> None:
    channels = [{"id": "cam1", "input_url": "synthetic:?size=320x180"}]
    box = Box(tmp_path, {"channels": channels, "recorder": {"mode": "embedded"}})
    try:
        for _ in range(3):
            await box.start()
            await box.kill()
        await box.start()
        async with box.http() as http, tablet(box) as device:
            part = await _part_is(http, "safe_mode", "bad")
            assert "3 abnormal exits" in part["detail"] and "cutting of clips" in part["detail"]
            assert "tried again in 2 min" in part["detail"]
            session_id = await new_session(http)
            if (await http.get("/channels/cam1"))["footage"] != "on":  # it may be, from before the connection
                await device.event("channel_footage", channel_id="cam1", footage="on")
            picture = await http.media("/channels/cam1/frame.jpg")
            assert picture.content[:2] == b"\xff\xd8"
            assert (await http.get("/channels/cam1/timeline"))["spans"]
            body = {"session_id": session_id, "channel_id": "cam1", "duration": 1}
            clip_id = (await http.post("/clips", body, 201))["id"]
            assert (await http.get(f"/clips/{clip_id}"))["status"] == "pending"
        assert await box.stop() == 0
        await box.start()
        async with box.http() as http:
            await _part_is(http, "safe_mode", "ok")
            async with tablet(box) as device:
                if (await http.get(f"/clips/{clip_id}"))["status"] == "pending":
                    await device.next(lambda: cut_of(device, clip_id))
        await box.stop()
        await clean(box)
    finally:
        box.process.kill_everything()
