"""What the edit lists of a clip's header say."""

from __future__ import annotations

from array import array

import pytest

from appliance.media.mp4 import boxes
from appliance.media.mp4.moov import Chunk, TrackTable, build
from appliance.media.mp4.raw_times import RawTimes, raw_times
from appliance.media.mp4.walk import Malformed

ENTRY = boxes.stsd(boxes.visual_entry(b"avc1", 16, 16, boxes.box(b"avcC")))
SOUND = boxes.stsd(boxes.mp4a_entry(2, 48_000, b"\x11\x90"))


def header(*sound: boxes.Edit) -> bytes:
    def table(scale: int, stsd: bytes, edits: list[boxes.Edit], width: int) -> TrackTable:
        ones = array("I", [1000])
        return TrackTable(scale, stsd, ones, ones, None, None, [Chunk(0, 0, 1000, 1)], edits, width, width)

    tracks = [table(90_000, ENTRY, [boxes.Edit(90_000, 6000)], 16)]
    tracks += [table(48_000, SOUND, list(sound), 0)] if sound else []
    return build(tracks, ["a"], 90_000, 90_000)[0]


@pytest.mark.parametrize(
    ("sound", "origin"),
    [
        ([], None),
        ([boxes.Edit(90_000, 1024)], 1024),
        ([boxes.Edit(45_000, boxes.EMPTY_EDIT), boxes.Edit(45_000, 0)], -24_000),
    ],
)
def test_the_raw_tick_of_the_first_instant_shown(sound: list[boxes.Edit], origin: int | None) -> None:
    assert raw_times(header(*sound)) == RawTimes(90_000, 6000, origin)


@pytest.mark.parametrize("data", [b"", b"\0\0\0\x08moov", header()[:100], boxes.ftyp(b"isom", 0, b"")])
def test_another_header_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        raw_times(data)
