"""Headers for byte ranges: offsets, ranges, and files larger than four gigabytes."""

from __future__ import annotations

import struct
from array import array

from appliance.media.mp4 import boxes
from appliance.media.mp4.moov import FILLER, Chunk, Range, TrackTable, build
from appliance.media.mp4.walk import children


def table(chunks: list[Chunk]) -> TrackTable:
    count = sum(chunk.samples for chunk in chunks)
    entry = boxes.stsd(boxes.visual_entry(b"avc1", 64, 32, boxes.box(b"avcC", b"")))
    return TrackTable(
        timescale=90_000,
        stsd=entry,
        deltas=array("I", [3000] * count),
        sizes=array("I", [10] * count),
        ctos=None,
        sync=None,
        chunks=chunks,
        edits=[boxes.Edit(3000 * count, 0)],
        width=64,
        height=32,
    )


def find(data: bytes, *path: bytes) -> bytes:
    """Payload of the first box at a path."""
    at, end = 0, len(data)
    for name in path:
        at, end = next((a, b) for fourcc, a, b in children(data, at, end) if fourcc == name)
    return data[at:end]


def offsets(header: bytes, kind: bytes = b"stco") -> list[int]:
    body = find(header[: header.index(b"mdat") - 4], b"moov", b"trak", b"mdia", b"minf", b"stbl", kind)
    width = 8 if kind == b"co64" else 4
    return [int.from_bytes(body[at : at + width], "big") for at in range(8, len(body), width)]


def test_chunks_near_each_other_share_a_range_and_far_ones_do_not() -> None:
    chunks = [Chunk(0, 1_000, 20, 2), Chunk(0, 500_000, 10, 1), Chunk(0, 2_000, 10, 1), Chunk(1, 300, 10, 1)]
    header, ranges = build([table(chunks)], ["a", "b"], 90_000, 15_000)
    assert ranges == (Range("a", 1_000, 1_010), Range("a", 500_000, 10), Range("b", 300, 10))
    begin = len(header)
    assert offsets(header) == [begin, begin + 1_010, begin + 1_000, begin + 1_020]
    assert header[-8:] == struct.pack(">I4s", 8 + 1_030, b"mdat")


def test_filler_lies_in_the_header_before_all_ranges() -> None:
    chunks = [Chunk(0, 1_000, 20, 2), Chunk(FILLER, 10, 10, 1)]
    header, ranges = build([table(chunks)], ["a"], 90_000, 9_000, b"x" * 10 + b"y" * 10)
    assert header.endswith(b"x" * 10 + b"y" * 10)
    assert offsets(header) == [len(header), len(header) - 10]
    assert struct.pack(">I4s", 8 + 20 + 20, b"mdat") == header[-28:-20]
    assert ranges == (Range("a", 1_000, 20),)


def test_a_clip_past_four_gigabytes_has_64_bit_places_and_size() -> None:
    far = 5 << 30
    chunks = [Chunk(0, 0, 3 << 30, 1), Chunk(0, 3 << 30, far - (3 << 30), 1), Chunk(0, far, 10, 1)]
    header, ranges = build([table(chunks)], ["a"], 90_000, 9_000)
    assert ranges == (Range("a", 0, far + 10),)
    assert header[-16:] == struct.pack(">I4sQ", 1, b"mdat", far + 10 + 16)
    assert offsets(header, b"co64") == [len(header), len(header) + (3 << 30), len(header) + far]
