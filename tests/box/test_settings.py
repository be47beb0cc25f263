"""The settings tree: whole or not at all, every error by its dotted path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.box.settings import SettingsError, check_settings, load_settings


def problems(tree: dict[str, Any]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        check_settings(tree)
    return caught.value.problems


@pytest.mark.parametrize(
    ("tree", "problem"),
    [
        ({"sevrer": {}}, "sevrer: no such setting"),
        ({"server": {"prot": 1}}, "server.prot: no such setting"),
        ({"server": {"port": 70000}}, "server.port: "),
        ({"site": {"timezone": "Mars/Olympus"}}, "site.timezone: unknown time zone 'Mars/Olympus'"),
        ({"site": {"id": "My Site"}}, "site.id: "),
        ({"channels": [{"id": "a"}, {"id": "A"}]}, "channels.1.id: "),
        ({"channels": [{"id": "a"}, {"id": "a"}]}, "channels.1.id: 'a' is channels.0 already"),
        ({"channels": [{"id": "a", "latency_ms": -1}]}, "channels.0.latency_ms: "),
        ({"recorder": {"mode": "cloud"}}, "recorder.mode: "),
        ({"clips": {"max_duration_s": float("inf")}}, "clips.max_duration_s: "),
        (
            {"server": {"allowed_hosts": ["http://box.example"]}},
            "server.allowed_hosts.0: 'http://box.example'",
        ),
        ({"server": {"allowed_hosts": ["box.example", "*.example"]}}, "server.allowed_hosts.1: '*.example'"),
        ({"server": {"allowed_hosts": ["box.example:8080"]}}, "server.allowed_hosts.0: 'box.example:8080'"),
        ({"server": {"allowed_hosts": [""]}}, "server.allowed_hosts.0: ''"),
    ],
)
def test_a_wrong_setting_is_named(tree: dict[str, Any], problem: str) -> None:
    (result,) = problems(tree)
    assert result.startswith(problem)


def test_all_errors_are_reported_at_once() -> None:
    results = problems({"server": {"port": -1, "x": 1}, "heartbeat": {"timeout_s": 0}})
    assert [line.split(":")[0] for line in results] == ["server.port", "server.x", "heartbeat.timeout_s"]


def test_the_environment_overrides_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLIANCE_SERVER__PORT", "8099")
    settings = check_settings({"server": {"port": 8080, "local_port": 0}})
    assert (settings.server.port, settings.server.local_port) == (8099, 0)


def test_an_unknown_variable_of_ours_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLIANCE_SEVRER__PORT", "1")
    assert problems({}) == ["APPLIANCE_SEVRER__PORT: no such setting (from the environment)"]


@pytest.mark.parametrize(
    ("host", "mode", "is_loopback"),
    [
        ("127.0.0.1", "paired", True),
        ("localhost", "paired", True),
        ("::1", "paired", True),
        ("0.0.0.0", "open", False),
        ("0.0.0.0", "paired", False),
        ("box.local", "open", False),
    ],
)
def test_loopback_is_always_open_and_the_network_must_be_opened(
    host: str, mode: str, is_loopback: bool
) -> None:
    settings = check_settings({"server": {"host": host}, "access": {"mode": mode}})
    assert settings.server.is_loopback == is_loopback


def test_clips_lie_under_the_state_folder_unless_configured_otherwise(tmp_path: Path) -> None:
    assert check_settings({"storage": {"state_dir": str(tmp_path)}}).storage.clips == tmp_path / "clips"
    other = check_settings({"storage": {"clips_dir": str(tmp_path / "x")}})
    assert other.storage.clips == tmp_path / "x"


@pytest.mark.parametrize("content", [b"[server\n", b"\xff\xfe", b'[server]\nport = "x'])
def test_a_file_that_is_no_toml_is_one_problem(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert len(caught.value.problems) == 1 and str(file) in caught.value.problems[0]


def test_settings_are_frozen() -> None:
    settings = check_settings({})
    with pytest.raises(ValueError, match="frozen"):
        settings.server = settings.server
