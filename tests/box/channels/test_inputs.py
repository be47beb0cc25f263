"""Valid addresses of a channel."""

from __future__ import annotations

import pytest

from appliance.box.channels.inputs import check_input_url, default_liveness, shown_input_url


@pytest.mark.parametrize(
    "url",
    [
        "synthetic:",
        "synthetic:?fps=30",
        "srt://:8891",
        "srt://0.0.0.0:8891?mode=listener",
        "srt://camera.local:9000",
        "srt://[fe80::1]:9000?mode=caller&latency=120",
        "srt://:8891?passphrase=0123456789&pbkeylen=32",
        "srt://box:8890?streamid=publish:cam1",
    ],
)
def test_srt_and_synthetic_are_inputs(url: str) -> None:
    assert check_input_url(f" {url}") == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "is not known"),
        ("rtmp://host/live", "rtmp: is not known"),
        ("file:///etc/passwd", "file: is not known"),
        ("srt://host", "needs a port"),
        ("srt://:8891/live", "only host, port and options"),
        ("srt://:8891 -o /tmp/x", "space or a control character"),
        ("srt://:8891?\nx", "space or a control character"),
        ("srt://:8891?logfile=x", "'logfile' is not known"),
        ("srt://[:8891", "Invalid IPv6"),
    ],
)
def test_anything_else_is_refused_saying_why(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        check_input_url(url)
    assert not str(refused.value).startswith("input_url")  # the caller adds the field's name


def test_a_passphrase_is_never_shown() -> None:
    assert shown_input_url("srt://:1?passphrase=0123456789&latency=5") == "srt://:1?passphrase=***&latency=5"
    assert shown_input_url("srt://:1?latency=5&passphrase=0123456789") == "srt://:1?latency=5&passphrase=***"
    assert shown_input_url("srt://:1?pass%70hrase=0123456789") == "srt://:1?passphrase=***"
    assert shown_input_url("srt://:1") == "srt://:1"
    assert shown_input_url(None) is None
    with pytest.raises(
        ValueError, match="passphrase must be"
    ):  # the displayed form cannot be sent back by mistake
        check_input_url("srt://:1?passphrase=***")


def test_a_channel_the_box_records_itself_lives_by_its_footage() -> None:
    assert default_liveness("srt://:8891") == "footage"
    assert default_liveness(None) == "heartbeat"
