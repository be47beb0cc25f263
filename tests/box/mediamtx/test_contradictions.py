"""Addresses of MediaMTX that cannot be its own are refused, each by the path of the key to change."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.box.settings import SettingsError, check_settings


@pytest.mark.parametrize(
    ("tree", "path"),
    [
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
        {"mediamtx": {"api_url": "http://127.0.0.1:9997"}},
        {"mediamtx": {"api_url": "http://10.0.0.7:8080"}},
        {"mediamtx": {"api_url": "http://mediamtx.example:9997", "webrtc_url": "https://[::1]:8889"}},
    ],
)
def test_what_only_looks_like_one_is_accepted(tree: dict[str, Any]) -> None:
    check_settings(tree)
