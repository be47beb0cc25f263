"""input_url: accepted forms, and error messages that show the correct one."""

from __future__ import annotations

from fractions import Fraction

import pytest

from appliance.box.recorder.input_url import BadInputUrl, SrtSource, SyntheticSource, parse_input
from appliance.box.recorder.srt.libsrt import Options
from appliance.box.recorder.srt.receiver import ReceiverSettings, read_settings


def test_a_port_alone_listens() -> None:
    assert parse_input("srt://:8891") == SrtSource("listener", "", 8891)


def test_a_host_is_called() -> None:
    source = parse_input("srt://cam-2.stadium:9000?latency=200&streamid=read%3Acam2")
    assert isinstance(source, SrtSource) and (source.mode, source.host, source.port) == (
        "caller",
        "cam-2.stadium",
        9000,
    )
    assert (source.latency_ms, source.streamid) == (200, "read:cam2")


def test_a_local_address_can_listen_and_ipv6_keeps_its_brackets() -> None:
    source = parse_input("srt://[fd00::5]:8891?mode=listener")
    assert isinstance(source, SrtSource) and source.mode == "listener"
    assert source.shown() == "srt://[fd00::5]:8891"


def test_a_passphrase_is_never_shown() -> None:
    source = parse_input("srt://:8891?passphrase=correct%20horse%26&pbkeylen=32")
    assert isinstance(source, SrtSource) and source.passphrase == "correct horse&"
    assert "horse" not in source.shown() + repr(source)


def test_the_receiver_is_reported_all_of_it() -> None:
    url = "srt://10.0.0.9:9000?latency=200&streamid=a&passphrase=correct%20horse%26&pbkeylen=32&silence=6"
    source = parse_input(url)
    assert isinstance(source, SrtSource)
    assert read_settings(source.settings_json().decode()) == ReceiverSettings(
        "caller", "10.0.0.9", 9000, Options(200, "correct horse&", 32, "a"), 6.0
    )


def test_only_srt_ends_a_connection_unless_configured_otherwise() -> None:
    source = parse_input("srt://:8891")
    assert isinstance(source, SrtSource) and source.silence_s == 0


def test_the_built_in_camera_and_its_options() -> None:
    assert parse_input("synthetic:") == SyntheticSource()
    source = parse_input("synthetic:?fps=30000/1001&size=320x180&sound=0")
    assert source == SyntheticSource(Fraction(30000, 1001), 320, 180, sound=False)
    assert isinstance(source, SyntheticSource)
    assert source.arguments("cam1") == [
        *("--channel", "cam1", "--width", "320", "--height", "180", "--fps", "30000/1001", "--no-sound")
    ]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "use srt://:8891 or synthetic:"),
        ("rtsp://10.0.0.1/cam", "rtsp: is not known"),
        ("srt://", "needs a port"),
        ("srt://:0", "needs a port"),
        ("srt://:99999", "needs a port"),
        ("srt://10.0.0.1", "needs a port"),
        ("srt://user:pw@10.0.0.1:9000", "only host, port and options"),
        ("srt://10.0.0.1:9000/live", "only host, port and options"),
        ("srt://-x:9000", "is not a host name"),
        ("srt://a b:9000", "is not a host name"),
        ("srt://:8891?mode=caller", "needs the host to call"),
        ("srt://:8891?mode=rendezvous", "listener or caller"),
        ("srt://:8891?latency=fast", "a whole number from 0 to 60000"),
        ("srt://:8891?latency=-5", "a whole number"),
        ("srt://:8891?latency=1&latency=2", "twice"),
        ("srt://:8891?pbkeylen=20", "16 or 24 or 32"),
        ("srt://:8891?streamid=x", "the caller's to send"),
        ("srt://:8891?silence=0", "0.2 or more"),
        ("srt://:8891?transtype=file", "'transtype' is not known; there are latency"),
        ("srt://:8891#x", "%23"),
        ("synthetic:cam", "options only"),
        ("synthetic:?fps=240", "from 1 to 60"),
        ("synthetic:?fps=1/0", "from 1 to 60"),
        ("synthetic:?size=641x360", "even numbers"),
        ("synthetic:?size=huge", "640x360"),
        ("synthetic:?sound=yes", "0 or 1"),
    ],
)
def test_an_unusable_url_is_refused_with_the_correct_form(url: str, says: str) -> None:
    with pytest.raises(BadInputUrl) as caught:
        parse_input(url)
    assert says in str(caught.value) and str(caught.value).startswith("input_url: ")


def test_a_bad_passphrase_is_not_repeated_in_the_error() -> None:
    with pytest.raises(BadInputUrl) as caught:
        parse_input("srt://:8891?passphrase=short")
    assert "10 to 79" in str(caught.value) and "short" not in str(caught.value)
    assert caught.value.__cause__ is None
