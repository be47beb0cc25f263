"""Settings that cannot be meant together are refused, each by the path of the key to change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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
        ({"server": {"port": 9080}}, "server.local_port"),
        ({"server": {"host": " "}}, "server.host"),
        ({"server": {"tls": "auto", "port": 8443}}, "server.tls_port"),
        ({"server": {"tls": "auto", "tls_port": 9080}}, "server.tls_port"),
        ({"server": {"tls": "files", "tls_cert": "/c"}}, "server.tls_key"),
        ({"server": {"tls": "files", "tls_key": "/k"}}, "server.tls_cert"),
        ({"server": {"tls": "auto", "tls_cert": "/c", "tls_key": "/k"}}, "server.tls_cert"),
        ({"storage": {"state_dir": "/x", "recordings_dir": "/x", "clips_dir": "/c"}}, "storage.state_dir"),
        ({"storage": {"clips_dir": "/x/../y", "recordings_dir": "/y"}}, "storage.recordings_dir"),
        ({"storage": {"state_dir": "/x", "clips_dir": "/x"}}, "storage.state_dir"),
        ({"storage": {"clips_dir": "/r/clips", "recordings_dir": "/r"}}, "storage.clips_dir"),
        ({"storage": {"state_dir": "/s", "recordings_dir": "/s/clips/r"}}, "storage.recordings_dir"),
        ({"storage": {"backup_dir": "/b", "clips_dir": "/b"}}, "storage.clips_dir"),
        ({"storage": {"backup_dir": "/r/copies", "recordings_dir": "/r"}}, "storage.backup_dir"),
        ({"storage": {"state_dir": "/s", "clips_dir": "/s/snapshots"}}, "storage.clips_dir"),
        ({"storage": {"state_dir": "/s", "clips_dir": "/s/index/cam1"}}, "storage.clips_dir"),
    ],
)
def test_a_contradiction_is_named(tree: dict[str, Any], path: str) -> None:
    (result,) = problems(tree)
    assert result.startswith(f"{path}: ")
    assert "secret" not in result


@pytest.mark.parametrize(
    "tree",
    [
        {"server": {"port": 0, "local_port": 0}},
        {"storage": {"state_dir": "/s", "recordings_dir": "/s/recordings"}},
        {"storage": {"state_dir": "/s", "backup_dir": "/s/copies"}},
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
