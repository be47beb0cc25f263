"""Parameter sets: extraction, picture sizes, and rebuilt sample entries that a decoder accepts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.media.bitstream.params import describe, first_entry, key_facts
from appliance.media.mp4 import boxes
from appliance.media.mp4.fmp4 import Malformed, Track
from tests.kit.barcode import Media, encode, number_of

SIZES = [(192, 96), (384, 192), (198, 102)]  # the last one needs cropping


def decoded(media: Media, config: bytes, codec: str) -> list[int]:
    decoder: Any = av.CodecContext.create(codec, "r")
    decoder.extradata = config
    frames = [frame for sample in media.frames[:3] for frame in decoder.decode(av.Packet(sample.data))]
    return [number_of(frame) for frame in [*frames, *decoder.decode(None)]]


def without_sets(media: Media) -> Media:
    """Key samples with their in-band parameter sets removed, so that only the sample entry has them."""
    frames = []
    for sample in media.frames[:3]:
        data, at = b"", 0
        while at < len(sample.data):
            end = at + 4 + int.from_bytes(sample.data[at : at + 4], "big")
            first = sample.data[at + 4]
            hevc = media.video.codec in ("hvc1", "hev1")
            is_wanted = first >> 1 & 0x3F < 32 if hevc else 1 <= first & 0x1F <= 5
            data += sample.data[at:end] if is_wanted else b""
            at = end
        frames.append(sample._replace(data=data))
    return replace(media, frames=frames)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("size", SIZES)
def test_an_entry_rebuilt_from_in_band_sets_decodes(codec: str, size: tuple[int, int]) -> None:
    other = encode(10, codec=codec, size=(240, 120), sound=False)
    media = encode(10, codec=codec, size=size, sound=False)
    result = describe(other.video, media.frames[0].data[:4096])
    assert result.rebuilt
    assert (result.width, result.height) == size
    assert result.entry[4:8] == (b"avc1" if codec == "libx264" else b"hvc1")
    assert decoded(without_sets(media), result.config, "h264" if codec == "libx264" else "hevc") == [0, 1, 2]


def test_the_same_sets_in_band_leave_the_entry_alone() -> None:
    media = encode(10, sound=False)
    actual = describe(media.video, media.frames[0].data[:4096])
    assert not actual.rebuilt
    assert actual.entry == first_entry(media.video)
    assert (actual.width, actual.height) == (192, 96)


def test_an_hev1_entry_with_all_sets_becomes_hvc1() -> None:
    media = encode(10, codec="libx265", sound=False)
    assert media.video.codec == "hev1"
    outcome = describe(media.video, media.frames[0].data[:4096])
    assert outcome.entry[4:8] == b"hvc1" and not outcome.rebuilt
    assert outcome.entry[8:] == first_entry(media.video)[8:]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_ids_are_equal_exactly_when_the_sets_in_force_are(codec: str) -> None:
    small, large = (encode(10, codec=codec, size=size, sound=False) for size in SIZES[:2])
    own = key_facts(small.video, small.frames[0].data[:4096])
    assert own == key_facts(small.video, b"")
    assert own == key_facts(large.video, small.frames[0].data[:4096])
    other = key_facts(small.video, large.frames[0].data[:4096])
    assert own.params_id != other.params_id and own.format_id != other.format_id
    assert 0 < own.params_id < 1 << 63 and 0 < own.format_id < 1 << 63


def test_a_codec_without_sets_is_known_by_its_entry() -> None:
    entry = boxes.visual_entry(b"av01", 320, 180, boxes.box(b"av1C", b"\x81\0\0\0"))
    track = Track(1, "video", 90_000, "av01", boxes.stsd(entry), 320, 180)
    assert key_facts(track, b"anything") == key_facts(track, b"")
    assert describe(track, b"anything").entry == entry


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["libx264", "libx265"]), st.data())
def test_damaged_sets_raise_malformed_and_nothing_else(codec: str, data: st.DataObject) -> None:
    media = encode(10, codec=codec, size=SIZES[2], sound=False)
    head, stsd = bytearray(media.frames[0].data[:200]), bytearray(media.video.stsd)
    for target in (head, stsd):
        for _ in range(data.draw(st.integers(0, 4))):
            target[data.draw(st.integers(0, len(target) - 1))] = data.draw(st.integers(0, 255))
    track = replace(media.video, stsd=bytes(stsd))
    try:
        key_facts(track, bytes(head))
        describe(track, bytes(head))
    except Malformed:
        pass
