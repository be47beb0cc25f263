"""doctor: every check prints a line with a possible action."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.box.mediamtx.client import RecordSettings
from appliance.box.recorder.srt import libsrt
from appliance.box.settings import Settings, check_settings
from appliance.ops import doctor
from appliance.ops.doctor import (
    clock_sync_part,
    codecs_part,
    examine,
    measure_disk,
    receive_buffer_part,
    record_part,
    sandbox_part,
    write_speed_part,
)
from appliance.ops.health import HealthPart
from appliance.workers.jobs import EscapeReport
from appliance.workers.protocol import Sandbox, WorkerHello
from appliance.workers.worker import open_worker
from tests.ops.box import settings_in

CLOSED = {
    "memory_bytes": 1 << 30,
    "network": "none",
    "landlock_abi": 4,
    "no_new_privs": True,
    "no_capabilities": True,
    "dies_with_parent": True,
    "write_execute_denied": True,
    "as_unit": False,
}


def hello(codecs: tuple[str, ...] = ("h264", "hevc", "mjpeg"), **sandbox: Any) -> WorkerHello:
    return WorkerHello(1, Sandbox(**{**CLOSED, **sandbox}), {"pyav": "18.1.0", "ffmpeg": "8.0"}, codecs)


def with_recorder(folder: Path, **changed: Any) -> Settings:
    base = settings_in(folder).model_dump(mode="json", exclude={"tagging", "access", "mediamtx"})
    return check_settings({**base, **changed})


@pytest.fixture
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(settings: Settings) -> dict[str, HealthPart]:
        return {}

    monkeypatch.setitem(doctor._LOOKS, "workers", none)


@pytest.mark.usefixtures("no_worker")
async def test_every_part_is_there_and_a_hint_comes_with_every_trouble(tmp_path: Path) -> None:
    parts = await examine(settings_in(tmp_path))
    assert {"clock", "disk_state", "disk_recordings", "mediamtx", "port", "local_port", "srt_tools"} < set(
        parts
    )
    assert parts["cloud"].detail.startswith("not used: ")
    assert all(part.hint for part in parts.values() if part.status != "ok")
    assert "fsync" in parts["disk_state"].detail
    assert os.listdir(tmp_path) == [], "looking leaves nothing behind"


async def test_a_stuck_look_does_not_hold_the_report(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    async def stuck(settings: Settings) -> dict[str, HealthPart]:
        await trio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(doctor, "_LOOKS", {"disks": stuck, "cloud": doctor._cloud})
    parts = await examine(Settings())
    assert parts["disks"].status == "bad" and "no answer" in parts["disks"].detail
    assert parts["cloud"].status == "ok"


@pytest.mark.usefixtures("no_worker")
async def test_a_camera_with_srt_needs_srt_tools_and_its_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libsrt, "NAMES", ("libsrt-that-is-not-there.so",))
    channels = [{"id": "cam1", "input_url": "srt://:38891"}, {"id": "cam2", "input_url": "synthetic:"}]
    parts = await examine(with_recorder(tmp_path, channels=channels))
    assert parts["srt_tools"].status == "bad" and "apt-get install srt-tools" in (
        parts["srt_tools"].hint or ""
    )
    assert "srt_cam1" in parts and "srt_cam2" not in parts


@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize(("api_url", "status"), [("", "warn"), ("http://127.0.0.1:9", "bad")])
async def test_mediamtx_matters_in_external_mode(tmp_path: Path, api_url: str, status: str) -> None:
    settings = with_recorder(tmp_path, recorder={"mode": "external"}, mediamtx={"api_url": api_url})
    assert (await examine(settings))["mediamtx"].status == status


def test_a_receive_buffer_mediamtx_does_not_start_with_is_named_with_its_sysctl() -> None:
    small = receive_buffer_part(212_992, external=True, uses_srt=True)
    assert small.status == "bad" and "net.core.rmem_max is 212992" in small.detail
    assert "sysctl -w net.core.rmem_max=8388608" in (small.hint or "")
    assert receive_buffer_part(212_992, external=False, uses_srt=True).status == "warn"
    assert receive_buffer_part(212_992, external=False, uses_srt=False).status == "ok"
    assert receive_buffer_part(8_388_608, external=True, uses_srt=True).status == "ok"
    shipped = (Path(__file__).parents[2] / "config" / "mediamtx.yml").read_text()
    assert f"udpReadBufferSize: {doctor.NEEDED_RMEM}" in shipped


@pytest.mark.usefixtures("no_worker")
async def test_a_hook_without_a_port_to_call_is_reported(tmp_path: Path) -> None:
    settings = with_recorder(tmp_path, recorder={"mode": "external"}, server={"local_port": 0})
    parts = await examine(settings)
    assert parts["hook"].status == "warn" and "local_port = 0" in parts["hook"].detail
    assert "receive_buffer" in parts


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, ""),
        ({"name": "all_others"}, ""),
        ({"name": "cam9"}, "no path cam1"),
        ({"record": False}, "does not record cam1"),
        ({"record_format": "mpegts"}, "as mpegts"),
        ({"record_path": "/srv/other/%path/%Y%f"}, "into /srv/other/cam1"),
        ({"record_path": "/srv/recordings/%path/%Y/%f"}, "into /srv/recordings/cam1/%Y"),
    ],
)
def test_settings_of_mediamtx_that_prevent_indexing_are_named(changed: dict[str, Any], says: str) -> None:
    usual = {
        "name": "cam1",
        "record": True,
        "record_path": "/srv/recordings/%path/%Y",
        "record_format": "fmp4",
    }
    part = record_part([RecordSettings(**{**usual, **changed})], ["cam1"], Path("/srv/recordings"))
    assert (part is None) == (not says)
    if part is not None:
        assert part.status == "bad" and says in part.detail and part.hint


@pytest.mark.parametrize(("is_synchronised", "status"), [(True, "ok"), (False, "warn"), (None, "warn")])
def test_the_clock_is_judged_by_the_kernel(is_synchronised: bool | None, status: str) -> None:
    assert clock_sync_part(is_synchronised, 0.012).status == status


@pytest.mark.parametrize(
    ("sync_s", "speed", "status"), [(0.001, 1e8, "ok"), (0.06, 1e8, "warn"), (0.001, 1e7, "warn")]
)
def test_a_slow_disk_is_reported(sync_s: float, speed: float, status: str) -> None:
    part = write_speed_part("10 GB free", sync_s, speed)
    assert part.status == status and "fsync" in part.detail


def test_a_disk_is_measured(tmp_path: Path) -> None:
    sync_s, speed = measure_disk(tmp_path)
    assert 0 < sync_s < 10 and speed > 1e5
    assert list(tmp_path.iterdir()) == []


def test_a_missing_decoder_is_bad() -> None:
    assert codecs_part(hello()).status == "ok"
    part = codecs_part(hello(("h264", "mjpeg")))
    assert part.status == "bad" and "hevc" in part.detail


@pytest.mark.parametrize(
    ("sandbox", "says"),
    [
        ({}, ""),
        ({"network": "open"}, "network"),
        ({"landlock_abi": 0}, "files"),
        ({"landlock_abi": 0, "as_unit": True}, ""),
        ({"memory_bytes": -1}, "memory"),
        ({"no_new_privs": False}, "new rights"),
    ],
)
def test_what_a_sandbox_does_not_prevent_is_named(sandbox: dict[str, Any], says: str) -> None:
    part = sandbox_part(hello(**sandbox), EscapeReport(connected=False, opened=False))
    assert (part.status == "warn") == bool(says)
    if says:
        assert part.detail.endswith(f"not sandboxed: {says}")


@pytest.mark.parametrize(
    ("sandbox", "tried", "says"),
    [
        ({}, EscapeReport(connected=True, opened=False), "the sandbox can be left by: network"),
        ({}, EscapeReport(connected=True, opened=True), "the sandbox can be left by: network, files"),
        ({"network": "open"}, EscapeReport(connected=True, opened=False), "not sandboxed: network"),
        ({"landlock_abi": 0}, EscapeReport(connected=False, opened=True), "not sandboxed: files"),
    ],
)
def test_the_attempted_escape_counts_more_than_the_workers_report(
    sandbox: dict[str, Any], tried: EscapeReport, says: str
) -> None:
    assert sandbox_part(hello(**sandbox), tried).detail.endswith(says)


async def test_the_doctor_lets_a_worker_try_to_get_out() -> None:
    async with open_worker(None) as worker:
        tried, box = await doctor._try_out(worker), worker.hello.sandbox
        assert tried == EscapeReport(connected=box.network == "open", opened=box.landlock_abi == 0)
