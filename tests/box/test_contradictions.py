"""Settings that cannot be meant together are refused, each by the path of the key to change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.box.channels.inputs import MAX_CHANNELS
from appliance.box.settings import SettingsError, check_settings


def problems(tree: dict[str, Any]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        check_settings(tree)
    return caught.value.problems


def cameras(*urls: str) -> dict[str, Any]:
    return {"channels": [{"id": f"cam{n}", "input_url": url} for n, url in enumerate(urls)]}


@pytest.mark.parametrize(
    ("tree", "path"),
    [
        (cameras("srt://:8891", "srt://:8892", "srt://:8891"), "channels.2.input_url"),
        (cameras("srt://:8891", "srt://127.0.0.1:8891?mode=listener"), "channels.1.input_url"),
        (cameras("srt://:8891?latency=200", "srt://0.0.0.0:8891?mode=listener"), "channels.1.input_url"),
        ({"server": {"port": 9080}}, "server.local_port"),
        ({"server": {"host": " "}}, "server.host"),
        ({"mediamtx": {"api_url": "http://127.0.0.1:8080"}}, "mediamtx.api_url"),
        ({"mediamtx": {"webrtc_url": "http://localhost:9080"}}, "mediamtx.webrtc_url"),
        ({"mediamtx": {"api_url": "http://169.254.169.254/"}}, "mediamtx.api_url"),
        ({"mediamtx": {"api_url": "http://2852039166:9997"}}, "mediamtx.api_url"),
        ({"mediamtx": {"webrtc_url": "http://[fe80::1]:8889"}}, "mediamtx.webrtc_url"),
        ({"mediamtx": {"api_url": "http://0.0.0.0:9997"}}, "mediamtx.api_url"),
        ({"mediamtx": {"api_url": "file:///etc/passwd"}}, "mediamtx.api_url"),
        ({"mediamtx": {"api_url": "127.0.0.1:9997"}}, "mediamtx.api_url"),
        ({"mediamtx": {"api_url": "http://127.0.0.1:99970"}}, "mediamtx.api_url"),
        ({"mediamtx": {"api_url": "http://box:secret@127.0.0.1:9997"}}, "mediamtx.api_url"),
        ({"mediamtx": {"webrtc_url": "http://127.0.0.1:8889/?a=b"}}, "mediamtx.webrtc_url"),
        (cameras("srt://127.0.0.1:9000"), "channels.0.input_url"),
        (cameras("srt://:8891", "srt://169.254.169.254:80"), "channels.1.input_url"),
        (cameras("srt://localhost:9000?latency=80"), "channels.0.input_url"),
        (
            {**cameras("srt://[::1]:9000"), "recorder": {"input_networks": ["127.0.0.0/8"]}},
            "channels.0.input_url",
        ),
        ({"heartbeat": {"interval_s": 5, "timeout_s": 4}}, "heartbeat.timeout_s"),
        ({"heartbeat": {"interval_s": 5, "timeout_s": 5}}, "heartbeat.timeout_s"),
        ({"storage": {"state_dir": "/x", "recordings_dir": "/x", "clips_dir": "/c"}}, "storage.state_dir"),
        ({"storage": {"clips_dir": "/x/../y", "recordings_dir": "/y"}}, "storage.recordings_dir"),
        ({"storage": {"state_dir": "/x", "clips_dir": "/x"}}, "storage.state_dir"),
        ({"storage": {"clips_dir": "/r/clips", "recordings_dir": "/r"}}, "storage.clips_dir"),
        ({"storage": {"state_dir": "/s", "recordings_dir": "/s/clips/r"}}, "storage.recordings_dir"),
        ({"storage": {"backup_dir": "/b", "clips_dir": "/b"}}, "storage.clips_dir"),
        ({"storage": {"backup_dir": "/r/copies", "recordings_dir": "/r"}}, "storage.backup_dir"),
        ({"storage": {"state_dir": "/s", "clips_dir": "/s/snapshots"}}, "storage.clips_dir"),
        ({"storage": {"state_dir": "/s", "clips_dir": "/s/index/cam1"}}, "storage.clips_dir"),
        ({"channels": [{"id": f"c{n}"} for n in range(10_000)]}, "channels"),
    ],
)
def test_a_contradiction_is_named(tree: dict[str, Any], path: str) -> None:
    (result,) = problems(tree)
    assert result.startswith(f"{path}: ")
    assert "secret" not in result


@pytest.mark.parametrize(
    "tree",
    [
        cameras("srt://:8891", "srt://10.0.0.9:8891"),  # the second one calls, and opens no port here
        cameras("srt://10.0.0.1:8891?mode=listener", "srt://10.0.0.2:8891?mode=listener"),
        {"server": {"port": 0, "local_port": 0}},
        {"mediamtx": {"api_url": "http://127.0.0.1:9997"}},
        {"mediamtx": {"api_url": "http://10.0.0.7:8080"}},
        {"mediamtx": {"api_url": "http://mediamtx.example:9997", "webrtc_url": "https://[::1]:8889"}},
        {**cameras("srt://127.0.0.1:9000"), "recorder": {"input_networks": ["127.0.0.0/8"]}},
        {"storage": {"state_dir": "/s", "recordings_dir": "/s/recordings"}},
        {"storage": {"state_dir": "/s", "backup_dir": "/s/copies"}},
        {"channels": [{"id": f"c{n}"} for n in range(MAX_CHANNELS)]},
    ],
)
def test_what_only_looks_like_one_is_accepted(tree: dict[str, Any]) -> None:
    check_settings(tree)


def test_all_of_them_are_named_at_once() -> None:
    tree = {**cameras("srt://:1", "srt://:1"), "server": {"port": 7, "local_port": 7}}
    assert [line.split(":")[0] for line in problems(tree)] == ["channels.1.input_url", "server.local_port"]


def test_links_do_not_hide_one_folder_twice(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    tree = {"storage": {"state_dir": str(tmp_path / "real"), "recordings_dir": str(tmp_path / "link")}}
    assert problems(tree)[0].startswith("storage.state_dir: ")


def test_a_reserve_that_does_not_fit_into_the_database_is_refused() -> None:
    for value in (1e300, 1e15, 2e9):
        (line,) = problems({"storage": {"reserve_gb": value}})
        assert line.startswith("storage.reserve_gb: ")
