"""Demultiplexing of transport streams: ours, libavformat's, and garbage."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.media.ingest.mpegts import PACKET, Demuxer, Event, Programme, Stream, Unit, UnitStart, crc32
from appliance.media.ingest.tsmux import AUDIO_PID, NULL_PACKET, VIDEO_PID, Muxer, adts
from tests.kit.transport import transport_stream

AU = [b"\0\0\0\1\x67" + bytes([n]) * (50 + 997 * n) for n in range(8)]


def stream() -> list[bytes]:
    """Eight pictures and eight sounds, one element per unit."""
    mux = Muxer("h264", sound=True)
    out: list[bytes] = []
    for n, unit in enumerate(AU):
        out.append(mux.video(unit, 90_000 + n * 3600 + 7200, 90_000 + n * 3600, key=n % 4 == 0))
        out.append(mux.audio(adts(b"s" * 30, 3, 1), 90_000 + n * 1920))
    return out


def units(events: list[Event], pid: int) -> list[Unit]:
    return [event for event in events if isinstance(event, Unit) and event.pid == pid]


def test_units_come_out_as_they_went_in() -> None:
    demuxer = Demuxer()
    events = demuxer.feed(b"".join(stream()))
    assert events[0] == Programme((Stream(VIDEO_PID, "h264"), Stream(AUDIO_PID, "aac")))
    events += demuxer.flush()
    video = units(events, VIDEO_PID)
    assert [unit.data for unit in video] == AU
    assert [(unit.pts, unit.dts) for unit in video] == [
        (97_200 + n * 3600, 90_000 + n * 3600) for n in range(8)
    ]
    assert [unit.data for unit in units(events, AUDIO_PID)] == [adts(b"s" * 30, 3, 1)] * 8
    assert demuxer.lost == demuxer.junk == 0 and not any(unit.damaged for unit in video)


def test_a_unit_of_unknown_length_is_handed_out_with_the_first_packet_of_the_next() -> None:
    demuxer, mux = Demuxer(), Muxer("h264", sound=False)
    big = b"\0\0\1\x65" + b"x" * 70_000  # over 64 KiB: its PES has no length
    assert [type(e) for e in demuxer.feed(mux.video(big, 0, 0, key=True))] == [Programme, UnitStart]
    following = mux.video(b"\0\0\1\x41y" + b"z" * 999, 3600, 3600, key=False)
    events = demuxer.feed(following[:PACKET])
    assert [type(e) for e in events] == [Unit, UnitStart]
    assert isinstance(events[0], Unit) and events[0].data == big


@given(seed=st.integers(0, 2**32), pieces=st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_any_cut_of_the_bytes_gives_the_same_events(seed: int, pieces: int) -> None:
    data = b"".join(stream())
    cuts = sorted(random.Random(seed).choices(range(len(data)), k=pieces))
    demuxer, events = Demuxer(), []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        events += demuxer.feed(data[start:end])
    assert events == Demuxer().feed(data)


@given(st.binary(max_size=2000))
@settings(max_examples=200, deadline=None)
def test_garbage_neither_raises_nor_is_kept(garbage: bytes) -> None:
    demuxer = Demuxer()
    demuxer.feed(garbage)
    demuxer.flush()
    # and a valid stream after it is parsed, except for the packets swallowed by the garbage
    events = demuxer.feed(b"".join(stream() + stream()))
    assert units(events, VIDEO_PID)


@given(st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_flipped_bytes_never_raise(seed: int) -> None:
    rng, data = random.Random(seed), bytearray(b"".join(stream()))
    for _ in range(30):
        data[rng.randrange(len(data))] = rng.randrange(256)
    demuxer = Demuxer()
    demuxer.feed(bytes(data))
    demuxer.flush()


def test_lost_packets_are_counted_and_mark_the_unit() -> None:
    data = b"".join(stream())
    demuxer = Demuxer()
    packets = [data[at : at + PACKET] for at in range(0, len(data), PACKET)]
    # video packets that do not start a unit
    following = [i for i, p in enumerate(packets) if p[1:3] == b"\x01\0"]
    inside = following[len(following) // 2]
    events = demuxer.feed(b"".join(packets[:inside] + packets[inside + 1 :]))
    assert demuxer.lost == 1
    assert [unit.damaged for unit in units(events + demuxer.flush(), VIDEO_PID)].count(True) == 1


def test_packets_sent_twice_are_taken_once() -> None:
    data = b"".join(stream())
    twice = b"".join(data[at : at + PACKET] * 2 for at in range(0, len(data), PACKET))
    assert Demuxer().feed(twice) == Demuxer().feed(data)


def test_a_torn_last_unit_is_not_handed_out_at_the_end() -> None:
    mux = Muxer("h264", sound=False)
    torn = mux.video(b"\0\0\1\x65" + b"x" * 70_000, 0, 0, key=True)[: -PACKET * 3]
    demuxer = Demuxer()
    assert not units(demuxer.feed(torn) + demuxer.flush(), VIDEO_PID)
    whole, mux = Demuxer(), Muxer("h264", sound=False)
    events = whole.feed(mux.video(b"\0\0\1\x65" + b"x" * 70_000, 0, 0, key=True)) + whole.flush()
    assert len(units(events, VIDEO_PID)) == 1


def unlengthed(count: int) -> list[list[bytes]]:
    """The packets of pictures of unknown length, each of which ends where a packet does."""

    def picture(mux: Muxer, n: int, size: int) -> list[bytes]:
        data = mux.video(b"\0\0\1\x41" + b"x" * size, n * 3600, n * 3600, key=True)
        return [data[at : at + PACKET] for at in range(0, len(data), PACKET)]

    sizes = range(70_000, 70_000 + PACKET)
    size = next(each for each in sizes if not picture(Muxer("h264", sound=False), 0, each)[-1][3] & 0x20)
    mux = Muxer("h264", sound=False)
    return [picture(mux, n, size) for n in range(count)]


@pytest.mark.parametrize("behind", [NULL_PACKET, b"\x47\x01\x01\x10" + b"s" * 184], ids=["filler", "sound"])
def test_the_last_picture_is_whole_when_another_stream_goes_on_behind_it(behind: bytes) -> None:
    """It fills its last packet: nothing in it marks its end."""
    pictures = unlengthed(12)
    data = b"".join(b"".join(each) + behind for each in pictures)
    demuxer = Demuxer()
    assert len(units(demuxer.feed(data) + demuxer.flush(), VIDEO_PID)) == 12
    torn = Demuxer()
    assert len(units(torn.feed(data[: -len(behind) - PACKET]) + torn.flush(), VIDEO_PID)) == 11


def test_with_interleaved_packets_one_of_another_stream_ends_no_unit() -> None:
    data = b"".join(packet + NULL_PACKET for picture in unlengthed(12) for packet in picture)
    demuxer = Demuxer()
    assert len(units(demuxer.feed(data) + demuxer.flush(), VIDEO_PID)) == 11


def test_new_tables_are_reported_once() -> None:
    first, two = Muxer("h264", sound=False), Muxer("hevc", sound=True)
    data = [mux.video(AU[1], n * 3600, n * 3600, key=True) for mux in (first, two) for n in range(3)]
    results = [e.streams for e in Demuxer().feed(b"".join(data)) if isinstance(e, Programme)]
    assert [[s.codec for s in streams] for streams in results] == [["h264"], ["hevc", "aac"]]


def test_what_libavformat_writes_is_read_frame_by_frame() -> None:
    demuxer = Demuxer()
    events = demuxer.feed(transport_stream(50, "libopus", gop=20, b_frames=2)) + demuxer.flush()
    [programme] = [e for e in events if isinstance(e, Programme)]
    assert [(s.codec, s.channels) for s in programme.streams] == [("h264", 0), ("opus", 2)]
    pictures = units(events, programme.streams[0].pid)
    assert len(pictures) == 50
    steps = [b.dts - a.dts for a, b in pairwise(pictures) if a.dts is not None and b.dts]
    assert steps == [3600] * 49


def test_the_checksum_is_the_standards() -> None:
    assert crc32(b"123456789") == 0x0376E6E7  # CRC-32/MPEG-2's check value
