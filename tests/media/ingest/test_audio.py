"""AAC from ADTS, Opus from its control headers."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.media.ingest.audio import AdtsReader, opus_frames, opus_samples
from appliance.media.ingest.tsmux import adts

FRAMES = [bytes([n]) * (20 + n) for n in range(12)]
STREAM = b"".join(adts(frame, 3, 2) for frame in FRAMES)


def test_frames_lose_their_header_and_describe_themselves() -> None:
    [(frame, began_here)] = AdtsReader().feed(adts(b"abc", 4, 2))
    assert (frame.data, frame.samples, frame.rate, began_here) == (b"abc", 1024, 44_100, True)
    assert (
        bytes([5, 2, 2 << 3 | 4 >> 1, (4 & 1) << 7 | 2 << 3]) in frame.entry
    )  # AudioSpecificConfig: LC, 44.1, 2


def test_rates_beyond_16_bits_are_left_to_the_specific_config() -> None:
    [(frame, _)] = AdtsReader().feed(adts(b"abc", 0, 2))
    assert frame.rate == 96_000 and frame.entry[32:36] == bytes(4)


@given(seed=st.integers(0, 2**32), pieces=st.integers(1, 20))
def test_frames_may_be_cut_anywhere(seed: int, pieces: int) -> None:
    cuts = sorted(random.Random(seed).choices(range(len(STREAM)), k=pieces))
    reader, result = AdtsReader(), []
    for start, end in zip([0, *cuts], [*cuts, len(STREAM)], strict=True):
        result += [frame.data for frame, _ in reader.feed(STREAM[start:end])]
    assert result == FRAMES


def test_a_frame_that_began_in_the_payload_before_does_not_take_this_ones_time() -> None:
    reader = AdtsReader()
    assert not list(reader.feed(STREAM[:10]))
    assert [began for _, began in reader.feed(STREAM[10:60])][:2] == [False, True]


@given(st.binary(max_size=600))
@settings(max_examples=200)
def test_garbage_between_frames_is_passed_over(garbage: bytes) -> None:
    reader = AdtsReader()
    list(reader.feed(garbage))
    assert len(reader._carry) <= 8192
    results = [frame.data for _ in range(2) for frame, _ in reader.feed(STREAM * 8)]
    assert results[-len(FRAMES) :] == FRAMES


def test_opus_packets_with_any_control_header() -> None:
    toc = bytes([31 << 3])  # 20 ms, one frame
    packets = [toc + bytes(9), toc + bytes(299), toc + bytes(254)]
    payload = b"\x7f\xe0\x0a" + packets[0]
    payload += b"\x7f\xf8\xff\x2d" + b"\0\1\0\2" + packets[1]  # start and end trim
    payload += b"\x7f\xe4\xff\x00" + b"\x02zz" + packets[2]  # control extension
    actual = list(opus_frames(payload, 2))
    assert [frame.data for frame in actual] == packets
    assert {(frame.samples, frame.rate) for frame in actual} == {(960, 48_000)} and b"dOps" in actual[0].entry


@given(st.binary(max_size=300))
def test_opus_garbage_does_not_raise(garbage: bytes) -> None:
    list(opus_frames(b"\x7f\xe0" + garbage, 2))


@pytest.mark.parametrize(
    ("packet", "samples"),
    [(b"\x00", 480), (b"\x18", 2880), (b"\x61", 960), (b"\xe0", 120), (b"\xfb\x03", 2880), (b"\xff", 960)],
)
def test_opus_durations_follow_the_rfc(packet: bytes, samples: int) -> None:
    assert opus_samples(packet) == samples
