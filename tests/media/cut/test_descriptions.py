"""Clips of footage with wrong flags or parameter sets, decoded frame by frame."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from appliance.media.bitstream import annexb
from appliance.media.bitstream.access_points import sample_nals
from appliance.media.cut.frames import plan_frame, plan_frames
from appliance.media.cut.plan import NoEntry, NoFootage, Plan, make_plan
from appliance.media.mp4 import boxes
from appliance.media.mp4.fragment import Sample
from tests.kit.barcode import encode, play
from tests.kit.fmp4_file import START_US, Recordings
from tests.kit.odd_media import (
    PLACEHOLDER,
    VUI,
    alternating,
    described_as,
    from_second_group,
    joined,
    without_sets,
)

FRAME_US = 1_000_000 / 30
CODECS = ["libx264", "libx265"]


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    made = Recordings(tmp_path)
    yield made
    made.close()


def cut(recordings: Recordings, first: float, stop: float) -> tuple[Plan, list[int]]:
    """The clip of frames first..stop, and the numbers in its pictures."""
    start_us, end_us = (START_US + round((frame - 0.5) * FRAME_US) for frame in (first, stop))
    views, open_fd = recordings.views, recordings.open_fd
    plan = make_plan(views, open_fd, start_us=start_us, end_us=end_us, latency_us=0)
    numbers = play(recordings.bytes_of(plan)).numbers
    assert len(plan_frames(views, open_fd, start_us, end_us, 0)) >= plan.frames == len(numbers)
    return plan, numbers


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kind", [{}, {"bframes": 2}], ids=["no b-frames", "b-frames"])
def test_sets_that_alternate_in_one_file_keep_every_frame(
    recordings: Recordings, codec: str, kind: dict[str, int]
) -> None:
    recordings.record(alternating(codec, 6, **kind))
    plan, numbers = cut(recordings, 17, 163)
    assert numbers == list(range(17, 163)) and plan.missing == ()


@pytest.mark.parametrize("codec", CODECS)
def test_sets_that_only_the_entries_of_files_hold_are_found(recordings: Recordings, codec: str) -> None:
    first, second = (encode(30, codec=codec, extra=extra, sound=False) for extra in ("", VUI[codec]))
    media = without_sets(alternating(codec, 4))
    for number, track in enumerate((first.video, second.video, first.video, second.video)):
        frames = media.frames[30 * number : 30 * number + 30]
        box = boxes.mtxi(b"\1" * 16, number, number * 1_000_000_000, START_US * 1000)
        recordings.add_file(f"run1_{number}.mp4", replace(media, video=track, frames=frames), box)
    plan, numbers = cut(recordings, 17, 103)
    assert numbers == list(range(17, 103)) and plan.missing == ()
    assert plan.header.count(b"avcC" if codec == "libx264" else b"hvcC") == 2


def test_another_profile_is_another_format(recordings: Recordings) -> None:
    baseline = encode(60, first=60, extra="cabac=0:8x8dct=0:weightp=0", sound=False)
    recordings.record(joined(encode(60, sound=False), baseline))
    plan, numbers = cut(recordings, 17, 110)
    assert numbers == list(range(60, 110)) and [gap.reason for gap in plan.missing] == ["format_change"]


@pytest.mark.parametrize(
    "sets",
    [PLACEHOLDER, [], [*PLACEHOLDER, bytes.fromhex("68ce3c80")]],
    ids=["placeholder", "empty", "several unused"],
)
def test_sets_no_picture_names_do_not_count(recordings: Recordings, sets: list[bytes]) -> None:
    """The first file of a run that was joined in the middle of a group, and the next file."""
    media = encode(240, sound=False)
    first = described_as(replace(media, frames=media.frames[:120]), media.video, sets)
    recordings.add_file("run1_0.mp4", first, boxes.mtxi(b"\1" * 16, 0, 0, START_US * 1000))
    second = replace(media, frames=media.frames[120:])
    recordings.add_file("run1_1.mp4", second, boxes.mtxi(b"\1" * 16, 1, 4_000_000_000, START_US * 1000))
    plan, numbers = cut(recordings, 70, 200)
    assert numbers == list(range(70, 200)) and plan.missing == ()
    assert (plan.width, plan.height) == (192, 96)
    assert plan.header.count(b"avcC") == 1
    assert not any(nal in plan.header for nal in PLACEHOLDER)


def test_hevc_sets_no_picture_names_do_not_count(recordings: Recordings) -> None:
    media, other = (encode(90, codec="libx265", size=s, sound=False) for s in ((192, 96), (384, 192)))
    sets = [n for n in sample_nals(other.frames[0].data) if annexb.nal_type("hevc", n) in (32, 33, 34)]
    recordings.record(described_as(media, media.video, sets))
    plan, numbers = cut(recordings, 40, 80)
    assert numbers == list(range(40, 80)) and (plan.width, plan.height) == (192, 96)
    assert not any(nal in plan.header for nal in sets[1:2])


def test_a_pps_that_only_later_pictures_name_stays_in_the_header(recordings: Recordings) -> None:
    """P pictures that use a second PPS, which the stream does not repeat at its keys."""
    media = encode(90, extra="cabac=0", sound=False)
    sets = [n for n in sample_nals(media.frames[0].data) if n[0] & 0x1F in (7, 8)]
    second = naming_pps_1(sets[1], 0)
    frames = []
    for frame in media.frames:
        nals = [naming_pps_1(n, 2) if n[0] & 0x1F == 1 else n for n in sample_nals(frame.data)]
        frames.append(frame._replace(data=annexb.length_prefixed(nals)))
    recordings.record(described_as(replace(media, frames=frames), media.video, [*PLACEHOLDER, *sets, second]))
    plan, numbers = cut(recordings, 40, 80)
    assert numbers == list(range(40, 80))
    assert second in plan.header and PLACEHOLDER[1] not in plan.header


def naming_pps_1(nal: bytes, codes: int) -> bytes:
    """A PPS (`codes` 0) or a CAVLC slice (2) whose PPS id, after that many Exp-Golomb codes, is 1."""
    bits = "".join(f"{byte:08b}" for byte in nal[1:].replace(b"\0\0\3", b"\0\0"))
    at = 0
    for _ in range(codes):
        zeros = bits.index("1", at) - at
        at += 2 * zeros + 1
    assert bits[at] == "1"  # ue(0)
    bits = bits[:at] + "010" + bits[at + 1 :].rstrip("0")
    bits += "0" * (-len(bits) % 8)
    raw = bytes(int(bits[n : n + 8], 2) for n in range(0, len(bits), 8))
    return nal[:1] + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", raw)


FLAGS: dict[str, Callable[[int, Sample], bool]] = {
    "all": lambda place, sample: True,
    "none": lambda place, sample: False,
    "first": lambda place, sample: place == 0,
}


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize(
    "kind",
    [
        {"bframes": 2},
        {"bframes": 2, "extra": "open-gop=1"},
        {"extra": "intra-refresh=1"},
        {"bframes": 2, "extra": "intra-refresh=1"},
        {"codec": "libx265", "bframes": 2},
    ],
    ids=["closed", "open", "intra refresh", "intra refresh b", "hevc"],
)
def test_every_frame_shown_is_right_whatever_is_flagged(
    recordings: Recordings, kind: dict[str, object], flags: str
) -> None:
    media = encode(270, sound=False, **kind)
    flagged = [s._replace(sync=FLAGS[flags](n, s)) for n, s in enumerate(media.frames)]
    recordings.record(replace(media, frames=flagged))
    for first in (121, 178, 180, 181, 199, 217):
        plan, numbers = cut(recordings, first, first + 40)
        assert numbers == list(range(first, first + 40))
        assert plan.missing == () and plan.preroll_s < 4.2


@pytest.mark.parametrize("bframes", [1, 2])
def test_a_run_that_begins_at_a_recovery_point_is_not_joined(recordings: Recordings, bframes: int) -> None:
    recordings.record(encode(60, bframes=bframes, extra="open-gop=1", sound=False))
    late = from_second_group(encode(120, bframes=bframes, extra="open-gop=1", first=200, sound=False))
    recordings.record(late, run=2, start_us=START_US + 3_000_000)
    plan, numbers = cut(recordings, 20, 150)
    assert numbers == list(range(230, 290))
    assert [gap.reason for gap in plan.missing] == ["no_entry", "gap"]
    plan, numbers = cut(recordings, 0, 110)
    assert numbers == list(range(60))


def test_intra_refresh_after_a_gap_keeps_the_longer_side(recordings: Recordings) -> None:
    recordings.record(encode(60, extra="intra-refresh=1", sound=False))
    late = from_second_group(encode(150, extra="intra-refresh=1", first=200, sound=False))
    recordings.record(late, run=2, start_us=START_US + 3_000_000)
    plan, numbers = cut(recordings, 50, 150)
    assert 8 <= numbers[0] - 230 <= 13 and numbers == list(range(numbers[0], 290))
    assert {gap.reason for gap in plan.missing} == {"gap", "no_entry"}
    plan, numbers = cut(recordings, 0, 110)
    assert numbers == list(range(60))


def test_footage_without_a_sample_entry_has_its_own_reason(recordings: Recordings) -> None:
    media = encode(180, gop=60, sound=False)
    late = [frame for frame in media.frames if frame.pts > 0]
    recordings.record(replace(media, frames=late))
    with pytest.raises(NoEntry, match="no picture at which decoding may begin"):
        cut(recordings, 10, 50)
    plan, numbers = cut(recordings, 10, 100)
    assert numbers == list(range(60, 100))
    assert [gap.reason for gap in plan.missing] == ["no_entry"]
    for before in (0.0001, 0.5, 0.8):  # of a frame: 59 was captured before the window, and is not part of it
        plan, numbers = cut(recordings, 60.5 - before, 100)
        assert numbers == list(range(60, 100)) and plan.missing == ()
    plan, numbers = cut(recordings, 59.499, 100)
    assert [gap.reason for gap in plan.missing] == ["no_entry"], "frame 59 is of the window"


def test_more_preroll_than_a_minute_is_refused(recordings: Recordings) -> None:
    media = encode(64, gop=64, sound=False)
    slow = [f._replace(dts=30 * f.dts, pts=30 * f.pts, duration=30 * f.duration) for f in media.frames]
    recordings.record(replace(media, frames=slow), part_s=2)
    start_us = START_US + 30_000_000
    views, open_fd = recordings.views, recordings.open_fd
    assert (
        make_plan(views, open_fd, start_us=start_us, end_us=start_us + 5_000_000, latency_us=0).preroll_s > 29
    )
    with pytest.raises(NoEntry, match="60 s before"):
        make_plan(views, open_fd, start_us=start_us + 31_000_000, end_us=start_us + 33_000_000, latency_us=0)


def test_hevc_with_intra_refresh_has_its_one_idr_to_begin_at(recordings: Recordings) -> None:
    """x265 marks no recovery points: a minute after its IDR there is no access point; the plan says so."""
    extra = "intra-refresh=1:open-gop=0"  # two pictures a second
    recordings.record(
        encode(150, codec="libx265", gop=4000, rate=Fraction(2), extra=extra, sound=False), part_s=2
    )
    plan, numbers = cut(recordings, 110 * 15, 118 * 15)
    assert numbers == list(range(110, 118)) and 54 < plan.preroll_s < 56 and plan.missing == ()
    with pytest.raises(NoEntry, match="in the 60 s before: set the encoder to a key frame every second"):
        cut(recordings, 124 * 15, 140 * 15)


def test_a_recovery_point_of_intra_refresh_is_no_key_picture(recordings: Recordings) -> None:
    recordings.record(encode(600, extra="intra-refresh=1", sound=False))
    result = plan_frame(recordings.views, recordings.open_fd, START_US + 7_000_000, 0)
    assert result.capture_us == START_US, "the IDR it began with"
    with pytest.raises(NoFootage):
        plan_frame(recordings.views, recordings.open_fd, START_US + 19_000_000, 0)
