"""Parsing recordings: valid data is read, missing data raises Malformed and nothing else."""

from __future__ import annotations

import struct
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.media.mp4 import boxes, moof
from appliance.media.mp4.fmp4 import Init, Malformed, Truncated, parse_init, read_box_header
from appliance.media.mp4.moof import TrackRun, parse_moof
from tests.kit import segments

INIT = segments.init((b"\x07" * 16, 3, -5_000, 1_790_000_000_000_000_000), duration_ms=1234)
SAMPLES = [segments.Sample(3000, sync=n == 1, cto=n * 1500 - 3000, size=90 + n) for n in range(5)]
PART = segments.part(SAMPLES, 77, audio=(41, 3))
MOOF = PART[: int.from_bytes(PART[:4], "big")]


def test_an_init_tells_its_tracks_and_its_run() -> None:
    init = parse_init(INIT + b"trailing")
    assert init.size == len(INIT) and init.duration == 1234 and init.timescale == 1000
    assert [(t.kind, t.timescale, t.codec, t.width, t.height) for t in init.tracks] == [
        ("video", 90_000, "avc1", 640, 360),
        ("audio", 48_000, "mp4a", 0, 0),
    ]
    assert init.mtxi is not None
    assert (init.mtxi.stream_id, init.mtxi.number, init.mtxi.dts_ns) == (b"\x07" * 16, 3, -5_000)
    assert init.video is init.tracks[0] and init.audio is init.tracks[1]
    assert init.video is not None and init.video.stsd[4:8] == b"stsd"


def test_the_id_of_descriptions_ignores_the_run_and_sees_the_tracks() -> None:
    plain = parse_init(segments.init(None))
    assert plain.mtxi is None
    assert plain.stsd_id == parse_init(INIT).stsd_id
    assert plain.stsd_id != parse_init(segments.init(None, video=False)).stsd_id


def test_a_moof_gives_its_samples_by_columns() -> None:
    video, audio = parse_moof(MOOF, 1_000)
    assert (video.track_id, video.tfdt, audio.track_id, audio.tfdt) == (1, 77, 2, 41)
    assert video.durations == array("I", [3000] * 5)
    assert video.ctos == array("i", [-3000, -1500, 0, 1500, 3000])
    assert video.sync == b"\0\1\0\0\0"
    assert audio.sync is None and audio.ctos is None
    assert video.data_offset == 1_000 + len(MOOF) + 8
    assert audio.data_offset == video.data_offset + sum(video.sizes)


def _any(data: bytes, init: Init | None = None) -> tuple[TrackRun, ...]:
    header = read_box_header(data, 0)
    assert header is not None
    return moof._any_runs(data, header, 1_000, init)


def test_the_short_way_reads_what_the_general_way_reads() -> None:
    assert moof._usual_runs(MOOF, len(MOOF), 1_000) is not None
    assert parse_moof(MOOF, 1_000) == _any(MOOF)


def _traf(tfhd: bytes, tfdt: bytes, *truns: bytes) -> bytes:
    return boxes.box(b"moof", boxes.box(b"traf", tfhd, tfdt, *truns))


def test_defaults_of_tfhd_and_implied_offsets_hold() -> None:
    tfhd = boxes.full_box(b"tfhd", 0, 0x20038, struct.pack(">IIII", 1, 100, 7, 0x10000))
    tfdt = boxes.full_box(b"tfdt", 0, 0, struct.pack(">I", 50))
    first = boxes.full_box(b"trun", 0, 0x5, struct.pack(">IiI", 3, 40, 0))
    second = boxes.full_box(b"trun", 0, 0, struct.pack(">I", 2))
    run_a, run_b = parse_moof(_traf(tfhd, tfdt, first, second), 500)
    assert (run_a.tfdt, run_b.tfdt) == (50, 350)
    assert (run_a.data_offset, run_b.data_offset) == (540, 561)
    assert run_a.sync == b"\1\0\0" and run_b.sync == b"\0\0"
    assert list(run_a.sizes) == [7, 7, 7] and list(run_b.durations) == [100, 100]


@pytest.mark.parametrize(
    "trun",
    [
        struct.pack(">I", 0xFFFF_FFFF),  # no bytes per sample, four billion samples
        struct.pack(">I", moof.MAX_SAMPLES_PER_MOOF + 1),
    ],
)
def test_a_huge_count_is_refused_before_anything_is_allocated(trun: bytes) -> None:
    tfhd = boxes.full_box(b"tfhd", 0, 0x20038, struct.pack(">IIII", 1, 100, 7, 0))
    with pytest.raises(Malformed):
        parse_moof(_traf(tfhd, b"", boxes.full_box(b"trun", 0, 0, trun)), 0)
    usual = bytearray(MOOF)
    at = usual.index(b"trun") + 8
    usual[at : at + 4] = b"\xff\xff\xff\xf0"
    with pytest.raises(Malformed):
        parse_moof(bytes(usual), 0)


def test_times_and_places_outside_any_file_are_refused() -> None:
    far = MOOF.replace(struct.pack(">Q", 77), struct.pack(">Q", (1 << 64) - 1))
    with pytest.raises(Malformed):
        parse_moof(far, 0)
    at = MOOF.index(b"trun") + 12
    before = MOOF[:at] + struct.pack(">i", -5_000) + MOOF[at + 4 :]
    with pytest.raises(Malformed):
        parse_moof(before, 0)


def test_what_is_cut_short_may_become_whole_and_what_is_wrong_may_not() -> None:
    for length in (0, 7, 33, 40, len(INIT) - 1):
        with pytest.raises(Truncated):
            parse_init(INIT[:length])
    with pytest.raises(Truncated):
        parse_moof(MOOF[:-1], 0)
    for bad in (b"\0\0\0\3moov", b"\0\0\0\0moov" + bytes(20), MOOF, b"\x7f\xff\xff\xffmoov" + bytes(99)):
        with pytest.raises(Malformed) as raised:
            parse_init(bad)
        assert not isinstance(raised.value, Truncated)


def test_a_box_header_may_be_long_and_must_hold_itself() -> None:
    assert read_box_header(struct.pack(">I4sQ", 1, b"mdat", 1 << 40), 0) == (b"mdat", 16, 1 << 40)
    assert read_box_header(b"\0\0\0\1mdat\0\0", 0) is None
    assert read_box_header(b"\0\0\0", 0) is None
    with pytest.raises(Malformed):
        read_box_header(struct.pack(">I4sQ", 1, b"mdat", 15), 0)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_bytes_raise_malformed_and_nothing_else(data: st.DataObject) -> None:
    source = data.draw(st.sampled_from([INIT, MOOF]))
    damaged = bytearray(source)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    broken = bytes(damaged[:cut]) if data.draw(st.booleans()) else bytes(damaged)
    try:
        if source is INIT:
            parse_init(broken)
        else:
            runs = parse_moof(broken, 0)
            assert sum(len(run.sizes) for run in runs) <= moof.MAX_SAMPLES_PER_MOOF
    except Malformed:
        pass
