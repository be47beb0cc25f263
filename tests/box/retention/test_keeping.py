"""Retention as text for users, and in the complete box: settings in, events, /readyz and /metrics out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.box.retention.domain import limits_of
from appliance.box.retention.health import hours_part, retention_part
from appliance.box.retention.model import Figures
from appliance.box.settings import check_settings, load_settings
from appliance.kernel.clock import wall_us
from appliance.ops.fsck import check_box
from tests.box.recordings.tree import live_camera
from tests.kit.running import running_box
from tests.kit.waiting import LIMIT_S, eventually

GB = 10**9
S = 1_000_000
DAY_US = 86_400 * S


def test_limits_are_the_settings_in_bytes_and_microseconds() -> None:
    limits = limits_of(check_settings({}))
    assert (limits.min_free_bytes, limits.reserve_bytes) == (20 * GB, 10 * GB)
    assert (limits.raw_us, limits.clip_us, limits.guard_us) == (7 * DAY_US, 90 * DAY_US, DAY_US // 2)


@pytest.mark.parametrize(
    ("free_gb", "deletable_gb", "status"),
    [(2, 0, "bad"), (10, 0, "warn"), (3, 9, "ok"), (12, 0, "ok")],
)
def test_hours_of_recording_left(free_gb: int, deletable_gb: int, status: str) -> None:
    figures = Figures(free_bytes=free_gb * GB, deletable_bytes=deletable_gb * GB, bytes_per_s=1_000_000)
    part = hours_part(figures)
    assert part.figures is not None and part.figures["hours"] == figures.hours
    assert part.status == status
    assert f"{(free_gb + deletable_gb) / 3.6:.1f} h of recording left" in part.detail
    assert (part.hint is None) == (status == "ok")


def test_without_a_camera_no_hours_are_counted() -> None:
    assert hours_part(Figures(free_bytes=1)).status == "ok"


@pytest.mark.parametrize(
    ("figures", "status", "message"),
    [
        (Figures(), "ok", "deleted since"),
        (Figures(error="Read-only file system"), "bad", "Read-only"),
        (Figures(stuck=("a", "b")), "bad", "2 clips"),
        (Figures(short_bytes=GB), "warn", "1.0 GB short"),
        (Figures(doubts_ages=True), "warn", "box time was set"),
        (Figures(wants_spare_space=True), "warn", "ballast"),
        (Figures(wants_spare_space=True, has_spare_space=True), "ok", "deleted"),
    ],
)
def test_a_failed_delete_is_reported(figures: Figures, status: str, message: str) -> None:
    part = retention_part(figures)
    assert part.status == status and message in part.detail


# -- the complete box -------------------------------------------------------------------------------


def footage(folder: Path, days: float, stream: int) -> Path:
    """Two seconds of footage that long ago."""
    behind_us = round(days * DAY_US)
    path = folder / "cam1" / f"{stream}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(live_camera(behind_us=behind_us, stream=bytes([stream]) * 16).segment(10)))
    os.utime(path, ns=((wall_us() - behind_us) * 1000,) * 2)
    return path


async def deletions(http: Any) -> list[dict[str, Any]]:
    events = (await http.get("/events?since=0"))["items"]
    return [event for event in events if event["type"] == "footage_deleted"]


@pytest.mark.slow
async def test_the_box_deletes_old_footage_and_reports_it(tmp_path: Path) -> None:
    old, young = footage(tmp_path / "recordings", 8, 1), footage(tmp_path / "recordings", 1, 2)
    async with running_box(tmp_path, channels=[{"id": "cam1", "name": "One"}]) as box, box.http() as http:
        with trio.fail_after(LIMIT_S):
            while not (events := await deletions(http)):  # noqa: ASYNC110  # another process
                await trio.sleep(0.02)
        assert [(each["channel_id"], each["reason"], each["segments"]) for each in events] == [
            ("cam1", "raw_days", 1)
        ]
        await eventually(lambda: not old.exists(), what="the file is gone")
        assert young.exists()
        parts = (await http.get("/readyz"))["parts"]
        assert parts["recording_hours"]["status"] == "ok"
        assert "nothing is being recorded" in parts["recording_hours"]["detail"]
        assert parts["retention"]["status"] == "ok"
        metrics = (await http.media("/metrics")).text
        assert "recording_hours_left +Inf" in metrics
        assert "retention_deleted_bytes" in metrics
    assert await check_box(load_settings(box.folder / "appliance.toml"), repair=False) == []
