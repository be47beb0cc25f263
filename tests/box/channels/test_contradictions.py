"""Channels that contradict each other are refused, each by the path of the key to change."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.box.channels.inputs import MAX_CHANNELS
from appliance.box.settings import SettingsError, check_settings


def cameras(*urls: str) -> dict[str, Any]:
    return {"channels": [{"id": f"cam{n}", "input_url": url} for n, url in enumerate(urls)]}


@pytest.mark.parametrize(
    ("tree", "path"),
    [
        (cameras("srt://:8891", "srt://:8892", "srt://:8891"), "channels.2.input_url"),
        (cameras("srt://:8891", "srt://127.0.0.1:8891?mode=listener"), "channels.1.input_url"),
        (cameras("srt://:8891?latency=200", "srt://0.0.0.0:8891?mode=listener"), "channels.1.input_url"),
        (cameras("srt://127.0.0.1:9000"), "channels.0.input_url"),
        (cameras("srt://:8891", "srt://169.254.169.254:80"), "channels.1.input_url"),
        (cameras("srt://localhost:9000?latency=80"), "channels.0.input_url"),
        ({"heartbeat": {"interval_s": 5, "timeout_s": 4}}, "heartbeat.timeout_s"),
        ({"heartbeat": {"interval_s": 5, "timeout_s": 5}}, "heartbeat.timeout_s"),
        ({"channels": [{"id": f"c{n}"} for n in range(10_000)]}, "channels"),
        (
            {**cameras("srt://[::1]:9000"), "recorder": {"input_networks": ["127.0.0.0/8"]}},
            "channels.0.input_url",
        ),
    ],
)
def test_a_contradiction_is_named(tree: dict[str, Any], path: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_settings(tree)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}: ")
    assert "secret" not in problem


@pytest.mark.parametrize(
    "tree",
    [
        cameras("srt://:8891", "srt://10.0.0.9:8891"),  # the second one calls, and opens no port here
        cameras("srt://10.0.0.1:8891?mode=listener", "srt://10.0.0.2:8891?mode=listener"),
        {**cameras("srt://127.0.0.1:9000"), "recorder": {"input_networks": ["127.0.0.0/8"]}},
        {"channels": [{"id": f"c{n}"} for n in range(MAX_CHANNELS)]},
    ],
)
def test_what_only_looks_like_one_is_accepted(tree: dict[str, Any]) -> None:
    check_settings(tree)
