"""Who may send a picture, and whose token reports for a camera: each with what to type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.box.settings import Settings, check_settings
from appliance.ops.checks.cameras import capture_part, cautions, inputs_part, tokens_part


def settings(folder: Path, *channels: dict[str, Any], **sections: Any) -> Settings:
    storage = {"state_dir": folder, "recordings_dir": folder / "recordings"}
    return check_settings({"storage": storage, "channels": channels, **sections})


OPEN, LOCKED = "srt://:8891", "srt://:8892?passphrase=0123456789"


@pytest.mark.parametrize(
    ("url", "is_named"),
    [
        (OPEN, True),
        ("srt://0.0.0.0:8891?mode=listener&latency=120", True),
        (LOCKED, False),
        ("srt://127.0.0.1:8891?mode=listener", False),
        ("srt://192.168.1.20:9000", False),
        ("synthetic:", False),
    ],
)
def test_a_port_that_records_whoever_calls_is_named(tmp_path: Path, url: str, is_named: bool) -> None:
    box = settings(tmp_path, {"id": "cam1", "input_url": url})
    part = inputs_part(box)
    assert (part.status == "warn") == is_named
    lines = cautions(box)
    assert [line.partition(":")[0] for line in lines] == (["channels.0.input_url"] if is_named else [])
    if is_named:
        assert "cam1" in part.detail and "passphrase=" in (part.hint or "") and "passphrase=" in lines[0]


def test_mediamtx_has_users_of_its_own(tmp_path: Path) -> None:
    camera = {"id": "cam1", "input_url": OPEN}
    assert inputs_part(settings(tmp_path, camera, recorder={"mode": "external"})).status == "ok"


def test_a_box_that_is_open_is_named_by_check_config(tmp_path: Path) -> None:
    lines = cautions(settings(tmp_path, server={"host": "0.0.0.0"}, access={"mode": "open"}))
    assert [line.partition(":")[0] for line in lines] == ["access.mode"]


@pytest.mark.parametrize(
    ("channels", "devices", "missing"),
    [
        (["cam1", "cam2"], [("Encoder", "cam1")], "cam2"),
        (["cam1", "cam2", "cam3"], [("Encoder", None)], "cam2, cam3"),
        (["cam1", "cam2"], [("A", "cam1"), ("B", None)], ""),
        (["cam1", "cam2"], [("A", "cam1"), ("B", "cam2")], ""),
        (["cam1", "cam2"], [], ""),  # an operator's program may report too
        ([], [("Encoder", None)], ""),
    ],
)
def test_a_token_that_several_cameras_share_is_named(
    channels: list[str], devices: list[tuple[str, str | None]], missing: str
) -> None:
    part = tokens_part(channels, devices)
    assert part.status == ("warn" if missing else "ok")
    if missing:
        assert f"may report for {missing}:" in part.detail and "Encoder" in part.detail
        assert f"--channel {missing[-4:]} --token-file" in (part.hint or "")


def test_without_a_database_nothing_is_known(tmp_path: Path) -> None:
    assert capture_part(settings(tmp_path, {"id": "cam1"})).status == "ok"
