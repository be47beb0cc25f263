"""The timeline over HTTP."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from appliance.box.recordings.actor import RecordingsHandle
from appliance.box.recordings.http import recordings_routes
from appliance.kernel.clock import from_rfc3339, to_rfc3339
from appliance.kernel.store import open_store
from appliance.server.app import make_app
from appliance.server.box_routes import Hooks, Site
from tests.box.recordings.tree import PART_US, Box, RealClock, frames_seen, live_camera, until
from tests.kit.client import Client


@asynccontextmanager
async def desk(tmp_path: Path, latency_ms: int = 0) -> AsyncIterator[tuple[Box, RecordingsHandle, Client]]:
    box, clock = Box(tmp_path), RealClock()
    async with (
        box.running("cam1", latency_ms=latency_ms) as handle,
        open_store(tmp_path / "box.db", clock) as db,
    ):
        routes = recordings_routes(handle, clock)
        hooks = Hooks(dict, lambda: b"", lambda tx, give_way: {})
        app = make_app([routes], store=db, clock=clock, site=Site(), hooks=hooks, static_dir=None)
        yield box, handle, Client(app)


@pytest.mark.parametrize("latency_ms", [0, 1500])
async def test_the_timeline_has_spans_runs_and_frames_in_capture_time(
    tmp_path: Path, latency_ms: int
) -> None:
    async with desk(tmp_path, latency_ms) as (box, handle, client):
        camera = live_camera()
        box.add("a.mp4", b"".join(camera.segment(5)))
        await until(handle, lambda: frames_seen(handle) == 30)
        until_us = handle.video_until_us("cam1")
        assert until_us is not None
        end_us = until_us - latency_ms * 1000
        start = to_rfc3339(end_us - 5 * PART_US)
        url = f"/channels/cam1/timeline?start={start}&end={to_rfc3339(end_us)}&frames=1"
        result = (await client.get(url)).json
        assert result["footage"] == "on"
        assert result["latency_ms"] == latency_ms
        assert result["video_until"] == to_rfc3339(end_us)
        assert result["spans"] == [{"start": start, "end": to_rfc3339(end_us), "run_id": "11" * 16}]
        assert result["gaps"] == []
        assert result["sizes"] == [{"at": start, "width": 640, "height": 360}]
        (run,) = result["runs"]
        assert (run["width"], run["height"], run["segments"], run["codec"]) == (640, 360, 1, "avc1")
        times = [from_rfc3339(frame) for frame in result["frames"]]
        assert len(times) == 30
        assert times[0] == end_us - 5 * PART_US
        assert all(left < right for left, right in itertools.pairwise(times))


async def test_the_timeline_of_a_channel_without_footage_has_a_reason(tmp_path: Path) -> None:
    async with desk(tmp_path) as (_, _, client):
        actual = (await client.get("/channels/cam1/timeline")).json
        assert (actual["footage"], actual["spans"], actual["video_until"]) == ("none", [], None)
        assert [gap["reason"] for gap in actual["gaps"]] == ["no_footage"]
        assert actual["frames"] is None


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("start=2026-11-20T19:00:00Z&end=2026-11-20T19:00:00Z", 422),
        ("start=2026-11-20T19:00:00Z&end=2026-11-20T19:01:01Z&frames=1", 422),
        ("start=yesterday", 422),
        ("begin=2026-11-20T19:00:00Z", 422),
        ("start=2026-11-20T19:00:00Z&end=2026-11-20T19:01:00Z&frames=1", 200),
    ],
)
async def test_an_invalid_timeline_request_names_its_field(tmp_path: Path, query: str, status: int) -> None:
    async with desk(tmp_path) as (_, _, client):
        assert (await client.get(f"/channels/cam1/timeline?{query}")).status == status


async def test_an_unknown_channel_is_not_found(tmp_path: Path) -> None:
    async with desk(tmp_path) as (_, _, client):
        answer = await client.get("/channels/nobody/timeline")
        assert answer.status == 404
        assert answer.json["code"] == "not_found"
