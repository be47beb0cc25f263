"""Broken recordings in a running box, and those that crash it: marks and API continue, no restart loop."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.box.settings import load_settings
from appliance.kernel.clock import to_rfc3339, wall_us
from appliance.ops.fsck import check_box
from tests.faults.bad_files import KINDS, bad_recordings, good_segment
from tests.faults.test_disk import _part_is
from tests.kit.camera import RecordingWriter, make_footage
from tests.kit.running import Box, Http, running_box
from tests.kit.waiting import LIMIT_S

pytestmark = pytest.mark.slow
CHANNELS = [{"id": "cam1"}, {"id": "bad"}]
FOOTAGE: dict[str, Any] = {"frames": 60, "fps": Fraction(30), "gop": 30, "b_frames": 0, "sound": False}


@pytest.mark.parametrize("seed", [1, 2])
async def test_random_accidents_to_a_recording_never_reach_the_others(tmp_path: Path, seed: int) -> None:
    tally = await bad_recordings(25, seed, tmp_path)
    assert tally.violations == [] and tally.rounds == 25


async def begin(http: Http) -> str:
    made = await http.post("/sessions", {"name": "Night", "type": "game"}, 201)
    return str((await http.post(f"/sessions/{made['id']}/start"))["id"])


async def mark(http: Http, session_id: str, channel: str, **fields: Any) -> str:
    body = {"session_id": session_id, "channel_id": channel, "duration": 1, **fields}
    return str((await http.post("/clips", body, 201))["id"])


async def ended(http: Http, clip_id: str, *, within_s: float = LIMIT_S) -> dict[str, Any]:
    with trio.fail_after(within_s):
        while True:
            clip: dict[str, Any] = await http.get(f"/clips/{clip_id}")
            if clip["status"] in ("ready", "failed"):
                return clip
            await trio.sleep(0.05)


async def becomes_ready(http: Http, clip_id: str) -> None:
    async def is_ready() -> bool:
        return bool((await http.get(f"/clips/{clip_id}"))["status"] == "ready")

    with trio.fail_after(LIMIT_S):
        while not await is_ready():  # noqa: ASYNC110  another process
            await trio.sleep(0.05)


def record(box: Box, seconds: float = 4) -> int:
    """Footage of cam1 that ends now; returns its start."""
    started_us = wall_us() - round(seconds * 1e6)
    writer = RecordingWriter(box.recordings / "cam1", make_footage(**FOOTAGE), started_us)
    writer.write_seconds(seconds)
    return started_us


def ago(seconds: float) -> str:
    return to_rfc3339(wall_us() - round(seconds * 1e6))


async def test_every_kind_of_broken_file_beside_a_camera(tmp_path: Path) -> None:
    folder = tmp_path / "recordings" / "bad"
    folder.mkdir(parents=True)
    for number, (kind, breaks) in enumerate(KINDS.items()):
        good = good_segment(bytes([number]) * 16, 600_000_000 + number * 10_000_000)
        (folder / f"{kind.replace(' ', '-')}.mp4").write_bytes(breaks(good))
    tiny = make_footage(**FOOTAGE)
    loop = RecordingWriter(folder, tiny, wall_us() - 60_000_000, part_s=0.03, segment_s=0.05)
    loop.write_seconds(20)
    async with (
        running_box(tmp_path, channels=CHANNELS, clips={"coverage_wait_s": 1}) as box,
        box.http() as http,
    ):
        session_id = await begin(http)
        pid = box.process.pid
        record(box)
        good_clip = await mark(http, session_id, "cam1", start_time=ago(3))
        bad_clip = await mark(http, session_id, "bad", start_time=ago(300))
        assert (await ended(http, good_clip))["status"] == "ready"
        assert (await ended(http, bad_clip))["status"] == "failed"
        assert "unreadable" in (await _part_is(http, "recordings", "warn"))["detail"]
        assert box.process.pid == pid and not await box.stop()
        assert await check_box(load_settings(box.folder / "appliance.toml"), repair=False) == []


DEADLY_PLAN = """
import os, signal
from appliance.box.clips.cutting.planner import Planner
plan = Planner.plan_span
async def plan_span(self, channel_id, *span):
    if channel_id == "bad":
        os.kill(os.getpid(), signal.SIGKILL)
    return await plan(self, channel_id, *span)
Planner.plan_span = plan_span
"""

DEADLY_SCAN = """
import os, signal
from appliance.box.recordings.following import disk
scan = disk.scan
def deadly(cursor, fd, *more):
    if b"POISON" in os.pread(fd, 64, 0):
        os.kill(os.getpid(), signal.SIGKILL)
    return scan(cursor, fd, *more)
disk.scan = deadly
"""


def poisoned(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> None:
    """The daemon of this test is killed by `code`; its workers do not read the path."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(folder))


async def in_safe_mode(box: Box, http: Http) -> None:
    """API and marks work, health shows the reason, and the box stays up."""
    answer = await http.client.get("/readyz")
    assert answer.status_code == 503
    part = answer.json()["parts"]["safe_mode"]
    assert part["status"] == "bad" and "3 abnormal exits" in part["detail"]
    session_id = await begin(http)
    clip_id = await mark(http, session_id, "cam1", start_time=ago(3))
    await trio.sleep(1)  # longer than a start takes: anything that kills it again would have done so
    assert (await http.get(f"/clips/{clip_id}"))["status"] == "pending"
    assert box.process.popen is not None and box.process.popen.poll() is None


async def test_a_clip_that_kills_the_box_fails_after_three_times_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned(monkeypatch, tmp_path / "poison", DEADLY_PLAN)
    box = Box(tmp_path / "box", {"channels": CHANNELS, "clips": {"coverage_wait_s": 0.1}})
    try:
        await box.start()
        async with box.http() as http:
            session_id = await begin(http)
            body = {"session_id": session_id, "channel_id": "bad", "start_time": ago(3)}
            poison = str((await http.post("/clips", body, 201))["id"])
            try:
                await http.client.post(f"/clips/{poison}/end")
            except Exception as error:  # noqa: BLE001  the box dies while it answers
                assert "disconnect" in str(error).lower() or "reset" in str(error).lower() or str(error) == ""
        for _ in range(2):
            assert await box.process.ended() == -9
            box.process.launch()
        assert await box.process.ended() == -9
        await box.start()
        async with box.http() as http:
            await in_safe_mode(box, http)
            failed = await http.get(f"/clips/{poison}")
            assert failed["status"] == "failed" and "3 times" in failed["error_message"]
            waiting = (await http.get("/clips?status=pending"))["items"]
        assert await box.stop() == 0
        began_us = record(box)
        await box.start()
        async with box.http() as http:
            for clip in waiting:
                await ended(http, clip["id"])
            late = await mark(http, session_id, "cam1", start_time=to_rfc3339(began_us + 1_000_000))
            # it may be marked before its footage is indexed: it is cut again later
            await becomes_ready(http, late)
            assert (await http.client.get("/readyz")).status_code == 200
        assert await box.stop() == 0
        assert await check_box(load_settings(box.folder / "appliance.toml"), repair=False) == []
    finally:
        box.process.kill_everything()


async def test_a_recording_that_kills_the_box_leads_to_safe_mode_and_no_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned(monkeypatch, tmp_path / "poison", DEADLY_SCAN)
    box = Box(tmp_path / "box", {"channels": CHANNELS})
    poison = box.recordings / "bad" / "2026-11-20_19-00-00-000000.mp4"
    poison.parent.mkdir(parents=True)
    poison.write_bytes(b"POISON" * 100)
    try:
        for _ in range(3):
            box.process.launch()
            assert await box.process.ended() == -9
        await box.start()
        async with box.http() as http:
            await in_safe_mode(box, http)
        poison.unlink()
        assert await box.stop() == 0
        await box.start()
        async with box.http() as http:
            assert (await http.get("/readyz"))["parts"]["safe_mode"]["status"] == "ok"
        assert await box.stop() == 0
        assert await check_box(load_settings(box.folder / "appliance.toml"), repair=False) == []
    finally:
        box.process.kill_everything()
