"""The health part of each camera: red within seconds when it is not recorded, with the reason. M5 E2"""

from __future__ import annotations

from typing import Any

import pytest

from appliance.box.mediamtx.client import PathState
from appliance.box.mediamtx.hook import HookCalls
from appliance.box.mediamtx.publishers import Publisher, PublishersHandle
from appliance.box.sources import (
    Source,
    cameras_part,
    mediamtx_part,
    source_part,
    source_resource,
)
from appliance.kernel.errors import Unavailable


def sending(**more: Any) -> Publisher:
    known: dict[str, Any] = {
        "path": "cam1",
        "is_online": True,
        "address": "10.0.0.7:5000",
        "tracks": ("H264", "MPEG-4 Audio"),
        "bitrate_bps": 8_100_000.0,
        "loss_ratio": 0.004,
        "rtt_ms": 3.4,
        "connected_s": 60.0,
        "silent_s": 0.0,
    }
    return Publisher(**{**known, **more})


GONE = Publisher("cam1", False)


@pytest.mark.parametrize(
    ("source", "status", "message"),
    [
        (Source("cam1", footage="on", age_s=0.1), "ok", "records"),
        (
            Source("cam1", footage="on", age_s=0.1, publisher=sending(restarts=2)),
            "ok",
            "records, 8.1 Mbit/s, 0.4 % lost, 3 ms, from 10.0.0.7:5000, connected again 2 times",
        ),
        (Source("cam1", "inactive"), "ok", "switched off"),
        (Source("cam1", "inactive", footage="stalled", age_s=9.0), "ok", "switched off"),
        (Source("cam1"), "warn", "nothing recorded yet"),
        (Source("cam1", sends=False, publisher=GONE), "warn", "not connected, nothing recorded yet"),
        (Source("cam1", "error", "no footage for 30 seconds"), "bad", "no footage for 30 seconds"),
        (Source("cam1", footage="stalled", age_s=3.2), "bad", "nothing recorded for 3 s"),
        (Source("cam1", footage="none", age_s=70.0), "bad", "nothing recorded for 70 s"),
        (
            Source("cam1", footage="stalled", age_s=3.2, sends=False, publisher=GONE),
            "bad",
            "its encoder is not connected",
        ),
        # E2: connected according to the API, and nothing reaches the disk
        (Source("cam1", sends=True, publisher=sending(connected_s=1.0)), "warn", "has just connected"),
        (
            Source("cam1", sends=True, publisher=sending(connected_s=3.0)),
            "bad",
            "10.0.0.7:5000 sends 8.1 Mbit/s and MediaMTX records nothing",
        ),
        (
            Source("cam1", sends=True, publisher=sending(silent_s=3.0)),
            "bad",
            "is connected and sends nothing",
        ),
        (
            Source("cam1", sends=True, publisher=sending(tracks=("MPEG-4 Audio",))),
            "bad",
            "sends MPEG-4 Audio and no video",
        ),
        (
            Source("cam1", footage="stalled", age_s=3.2, publisher=sending()),
            "bad",
            "MediaMTX records nothing",
        ),
        # a fault reported by a device, while footage arrives
        (Source("cam1", "error", "lens dirty", "on", 0.1), "bad", "lens dirty, though it is recorded"),
        # two encoders on one stream id
        (Source("cam1", footage="on", age_s=0.1, run_changes=5), "ok", "records"),
        (Source("cam1", footage="on", age_s=0.1, run_changes=6), "bad", "began anew 6 times within a minute"),
        (Source("cam1", run_changes=17), "bad", "two encoders send under its name"),
    ],
)
def test_a_camera_is_judged_by_what_reaches_the_disk(source: Source, status: str, message: str) -> None:
    part = source_part(source)
    assert part.status == status and message in part.detail, part
    assert (part.hint is not None) == (status == "bad") or status == "warn"
    assert source_resource(source)["status"] == status


def test_a_recorded_camera_whose_heartbeats_stopped_is_reported_with_a_hint() -> None:
    part = source_part(Source("cam1", "error", "no heartbeat for 30 seconds", "on", 0.1))
    assert part.status == "bad" and 'liveness to "footage"' in (part.hint or "")


def test_the_board_names_each_camera_that_is_not_recorded_the_worst_first() -> None:
    good = Source("cam1", footage="on", age_s=0.1)
    part = cameras_part([good, Source("cam2", "inactive")])
    assert (part.status, part.detail) == ("ok", "1 cameras are recorded, 1 switched off")
    assert part.figures == {"cameras": 2.0, "recorded": 1.0}
    part = cameras_part([good, Source("cam2"), Source("cam3", footage="stalled", age_s=4.0)])
    assert part.status == "bad" and part.hint
    assert part.detail == "cam3: no footage, nothing recorded for 4 s; cam2: no footage, nothing recorded yet"
    assert cameras_part([]).status == "ok"


def seen(*online: str, took_s: float = 0.01) -> PublishersHandle:
    handle = PublishersHandle()
    paths = [PathState(name, True, "now", "srtConn", name, ("H264",), 0, 0) for name in online]
    handle.take(paths, [], started="s", now_s=1.0, took_s=took_s)
    return handle


def test_mediamtx_dead_is_red_when_nothing_comes_and_amber_while_footage_does() -> None:
    handle = seen("cam1")
    assert mediamtx_part(handle, ["cam1"], HookCalls(), is_recording=True).status == "ok"
    handle.fail(Unavailable("mediamtx_unreachable", "MediaMTX does not answer", "is it running?"), 2.0)
    dead = mediamtx_part(handle, ["cam1"], HookCalls(), is_recording=False)
    assert (dead.status, dead.hint) == ("bad", "is it running?") and "nothing is recorded" in dead.detail
    assert mediamtx_part(handle, ["cam1"], HookCalls(), is_recording=True).status == "warn"


def test_mediamtx_without_an_address_of_its_api_is_not_asked_and_not_wrong() -> None:
    assert mediamtx_part(None, ["cam1"], HookCalls(), is_recording=False).status == "ok"


def test_an_encoder_that_sends_under_no_channels_name_and_a_slow_api_are_reported() -> None:
    part = mediamtx_part(seen("cam1", "cam9"), ["cam1"], HookCalls(), is_recording=True)
    assert part.status == "warn" and "cam9 sends and is no channel" in part.detail and part.hint
    assert mediamtx_part(seen("cam1", took_s=1.5), ["cam1"], HookCalls(), is_recording=True).status == "warn"


def test_calls_of_the_hook_are_counted() -> None:
    hooks = HookCalls()
    for event in ("available", "segment-create", "segment-create"):
        hooks.count(event)
    assert hooks.figures() == {"available": 1.0, "segment-create": 2.0}
    assert "its hook has called 3 times" in mediamtx_part(seen(), [], hooks, is_recording=True).detail
    assert "its hook has not called" in mediamtx_part(seen(), [], HookCalls(), is_recording=True).detail
