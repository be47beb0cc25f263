"""Which of several callers of one port is recorded, decided without sockets or clocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from appliance.box.recorder.srt.callers import (
    FIRST_MEDIA_S,
    LOST_S,
    MAX_WAITING,
    QUIET_S,
    Action,
    Begin,
    Callers,
    CloseRecorded,
    Drop,
    End,
    Forward,
    PictureScan,
    Quiet,
)
from appliance.media.ingest.mpegts import PACKET
from appliance.media.ingest.tsmux import NULL_PACKET, Muxer, adts

TICK_S = 0.04
A, B = "10.0.0.5", "10.0.0.6"


def camera(*, sound_only: bool = False) -> Iterator[bytes]:
    """A picture (or a sound frame) per call, including tables."""
    mux = Muxer("h264", sound=True)
    at = 0
    while True:
        at += 3600
        sound = mux.audio(adts(bytes(60), 3, 1), at)
        if sound_only:
            # the muxer repeats its tables with key pictures: only packets of tables and sound are forwarded
            packets = mux.video(b"\0\0\1\x65", at, at, key=True) + sound
            cut = [packets[n : n + PACKET] for n in range(0, len(packets), PACKET)]
            yield b"".join(p for p in cut if (p[1] & 0x1F, p[2]) != (1, 0))
        else:
            yield mux.video(b"\0\0\0\1\x65" + bytes(300), at, at, key=True) + sound


@dataclass
class Port:
    """Runs senders against Callers; `log` contains the port's actions except forwarded bytes."""

    callers: Callers = field(default_factory=Callers)
    now_s: float = 100.0
    log: list[object] = field(default_factory=list)
    forwarded: list[bytes] = field(default_factory=list)
    senders: dict[int, Iterator[bytes]] = field(default_factory=dict)
    sent: dict[int, list[bytes]] = field(default_factory=dict)

    def call(self, id: int, address: str, sender: Iterator[bytes] | None = None) -> None:
        self._take(self.callers.accepted(id, address, self.now_s))
        if sender is not None:
            self.senders[id] = sender
            self.sent[id] = []

    def run(self, seconds: float) -> None:
        until_s = self.now_s + seconds - TICK_S / 2
        while self.now_s < until_s:
            self.now_s += TICK_S
            for id, sender in list(self.senders.items()):
                data = next(sender)
                self.sent[id].append(data)
                self._take(self.callers.received(id, data, round(self.now_s * 1e6), self.now_s))
            self._take(self.callers.look(self.now_s))

    def hang(self, id: int) -> None:
        """It stops sending; SRT has not noticed."""
        del self.senders[id]

    def leave(self, id: int) -> None:
        self.senders.pop(id, None)
        self._take(self.callers.ended(id, "the connection ended", self.now_s))

    def _take(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Forward):
                self.forwarded.append(action.data)
            else:
                self.log.append(action)
            if isinstance(action, Drop | CloseRecorded):
                self.senders.pop(action.id, None)


def test_a_silent_caller_is_dropped_and_the_camera_is_recorded_meanwhile() -> None:  # E1
    port = Port()
    port.call(1, B)
    port.run(0.5)
    port.call(2, A, camera())
    port.run(0.2)
    assert port.log == [Begin(A)] and port.forwarded == port.sent[2]
    port.run(FIRST_MEDIA_S)
    assert port.log == [Begin(A), Drop(1, B, "sent nothing")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (NULL_PACKET * 7, "sent filling packets only"),
        (b"GET / HTTP/1.1\r\n\r\n" * 60, "sent no transport stream"),
        (bytes(range(256)) * 5, "sent no transport stream"),
        (b"\x47" * 100, "sent no transport stream"),
    ],
    ids=["filling", "http", "garbage", "short"],
)
def test_a_caller_without_a_transport_stream_is_dropped_with_a_reason(data: bytes, reason: str) -> None:  # E1
    port = Port()
    port.call(1, B, iter([data] + [b""] * 100))
    port.run(FIRST_MEDIA_S - 0.1)
    assert port.log == []
    port.run(0.2)
    assert port.log == [Drop(1, B, reason)] and not port.forwarded


def test_callers_in_a_loop_do_not_disturb_the_camera() -> None:  # E1
    port = Port()
    port.call(0, A, camera())
    for n in range(1, 60):
        port.call(n, B)
        port.run(0.1)
    port.run(FIRST_MEDIA_S)
    drops = [each for each in port.log if isinstance(each, Drop)]
    assert [each.id for each in drops] == list(range(1, 60)) and {each.reason for each in drops} == {
        "sent nothing"
    }
    assert port.log[0] == Begin(A) and len(port.log) == 60 and port.forwarded == port.sent[0]


def test_too_many_at_once_cost_the_oldest_its_place() -> None:
    port = Port()
    for n in range(MAX_WAITING + 1):
        port.call(n, B)
    assert port.log == [Drop(0, B, "sent nothing")]
    port.call(99, A, camera())
    port.run(0.2)
    assert Begin(A) in port.log


def test_while_a_camera_sends_a_second_one_is_refused() -> None:
    port = Port()
    port.call(1, A, camera())
    port.run(1)
    port.call(2, B, camera())
    port.run(FIRST_MEDIA_S + 0.1)
    assert port.log == [Begin(A), Drop(2, B, f"{A} sends already")]
    assert port.forwarded == port.sent[1]


def test_a_camera_that_reconnects_after_a_power_loss_is_recorded_from_its_first_byte() -> None:
    port = Port()
    port.call(1, A, camera())
    port.run(1)
    port.hang(1)
    port.call(2, A, camera())
    port.run(1.2)
    assert port.log == [
        Begin(A),
        End(A, f"sent no picture for 1.0 s, {A} sends some"),
        CloseRecorded(1),
        Begin(A),
    ]
    assert port.forwarded == port.sent[1] + port.sent[2]


def test_a_pause_alone_ends_nothing_and_is_reported() -> None:  # E7
    port = Port()
    sender = camera()
    port.call(1, A, sender)
    port.run(1)
    port.hang(1)
    port.run(9)
    assert port.log == [Begin(A), Quiet(A, QUIET_S), Quiet(A, LOST_S)]
    port.senders[1] = sender
    port.run(1)
    assert port.log[3:] == [Quiet(A, 0)] and port.forwarded == port.sent[1]


def test_a_short_stall_is_not_reported() -> None:
    port = Port()
    sender = camera()
    port.call(1, A, sender)
    port.run(1)
    port.hang(1)
    port.run(QUIET_S - 0.1)
    port.senders[1] = sender
    port.run(1)
    assert port.log == [Begin(A)]


def test_silence_ends_a_connection_where_its_url_sets_silence() -> None:  # E7
    port = Port(Callers(silence_s=3.0))
    port.call(1, A, camera())
    port.run(1)
    port.hang(1)
    port.run(3.1)
    assert port.log == [Begin(A), Quiet(A, QUIET_S), End(A, "silent for 3 s"), CloseRecorded(1)]


def test_filling_packets_are_silence() -> None:
    port = Port()
    port.call(1, A, camera())
    port.run(1)
    port.senders[1] = iter([NULL_PACKET * 7] * 1000)
    port.run(QUIET_S + 0.1)
    assert port.log == [Begin(A), Quiet(A, QUIET_S)]


def test_a_caller_with_sound_alone_is_recorded_until_another_sends_pictures() -> None:  # E1
    port = Port()
    port.call(1, B, camera(sound_only=True))
    port.run(5)
    assert port.log == [Begin(B)] and port.forwarded == port.sent[1]
    port.call(2, A, camera())
    port.run(0.2)
    assert port.log[1:] == [End(B, f"sends no pictures, {A} sends some"), CloseRecorded(1), Begin(A)]
    assert port.forwarded[-len(port.sent[2]) :] == port.sent[2]


def test_a_caller_with_sound_alone_replaces_no_other() -> None:
    port = Port()
    port.call(1, A, camera())
    port.run(1)
    port.hang(1)
    port.call(2, B, camera(sound_only=True))
    port.run(FIRST_MEDIA_S + 0.1)
    assert Drop(2, B, f"{A} sends already") in port.log and Begin(B) not in port.log


def test_when_the_camera_leaves_a_waiting_caller_is_recorded_with_all_it_sent() -> None:
    port = Port()
    port.call(1, A, camera())
    port.run(1)
    port.call(2, B, camera())
    port.run(0.5)
    port.leave(1)
    assert port.log == [Begin(A), End(A, "the connection ended"), Begin(B)]
    assert port.forwarded == port.sent[1] + port.sent[2]
    port.leave(2)
    port.leave(2)
    assert port.log[3:] == [End(B, "the connection ended")]


def test_bytes_in_any_cut_are_scanned_alike() -> None:
    """srt-live-transmit sends 1,456 bytes at a time, which is not a whole number of packets."""
    sender = camera()
    data = b"junk" + b"".join(next(sender) for _ in range(20))
    for size in (1, 100, 188, 1316, 1456, 10**6):
        scan = PictureScan()
        for at in range(0, len(data), size):
            scan.feed(data[at : at + size], float(at))
        assert scan.stream_s is not None and scan.picture_s is not None, size
