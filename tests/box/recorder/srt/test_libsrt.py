"""The binding to libsrt: errors and their messages. Streams are in test_receiver.py."""

from __future__ import annotations

import pytest

from appliance.box.recorder.srt import libsrt
from appliance.box.recorder.srt.libsrt import Options, Srt, SrtError
from tests.kit.ports import free_udp_port


@pytest.mark.parametrize("host", ["", "127.0.0.1", "::"])
def test_a_port_can_be_listened_on_and_is_free_again(host: str) -> None:
    srt, port = Srt(), free_udp_port()
    for _ in range(2):
        listener = srt.listen(host, port, Options(latency_ms=80, passphrase="correct-horse", pbkeylen=32))
        assert srt.accept(listener) is None and not srt.wait(1)
        srt.close(listener)


def test_a_used_port_is_an_error_that_names_the_failed_call() -> None:
    srt, port = Srt(), free_udp_port()
    srt.listen("127.0.0.1", port, Options())
    with pytest.raises(SrtError, match=r"listen|bind"):
        srt.listen("127.0.0.1", port, Options())


def test_a_source_that_does_not_answer_or_has_no_address_is_an_error() -> None:
    srt = Srt()
    with pytest.raises(SrtError, match=r"connect: .*timeout"):
        srt.connect("127.0.0.1", free_udp_port(), Options(), timeout_ms=200)
    with pytest.raises(SrtError, match="no-such-host"):
        srt.connect("no-such-host.invalid", 9000, Options(), timeout_ms=200)


def test_a_closed_connection_is_reported_as_ended() -> None:
    srt = Srt()
    listener = srt.listen("127.0.0.1", free_udp_port(), Options())
    srt.close(listener)
    assert srt.read(listener) is None


def test_a_machine_without_the_library_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert libsrt.installed() in libsrt.NAMES
    monkeypatch.setattr(libsrt, "NAMES", ("libsrt-that-is-not-there.so",))
    assert libsrt.installed() is None
    with pytest.raises(FileNotFoundError):
        Srt()
