"""`appliance demo`: its output without a browser, and that Ctrl-C ends all of it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import trio

from tests.e2e.conftest import Demo, start_demo
from tests.kit.browser import plain_get
from tests.kit.running import Box, tablet

pytestmark = pytest.mark.slow


def test_a_demo_records_two_cameras_in_an_active_session_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    demo = start_demo(tmp_path)
    try:
        [url] = demo.urls
        sessions = plain_get(f"{url}/sessions")["items"]
        assert [session["status"] for session in sessions] == ["active"]
        trio.run(both_cameras_are_seen, demo)
        assert len(demo.process.family()) >= 5, "itself, and two processes for each camera"
        demo.process.send(signal.SIGINT)
        assert trio.run(demo.process.ended) == 0
        trio.run(demo.process.leaves_nobody)
        assert '"level": "error"' not in demo.process.output() and "Traceback" not in demo.process.output()
    finally:
        demo.process.kill_everything()


async def both_cameras_are_seen(demo: Demo) -> None:
    box = Box(demo.state.parent / "client", {}, url=demo.urls[0])
    async with tablet(box, since=0, epoch=plain_get(f"{demo.urls[0]}/snapshot")["epoch"]) as device:
        for camera in ("cam1", "cam2"):
            await device.event("channel_footage", channel_id=camera, footage="on")


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    demo = start_demo(tmp_path, "--cameras", "1")
    try:
        demo.process.send(signal.SIGINT)
        demo.process.send(signal.SIGINT)
        assert trio.run(demo.process.ended) in (0, 1)
        trio.run(demo.process.leaves_nobody)
    finally:
        demo.process.kill_everything()
