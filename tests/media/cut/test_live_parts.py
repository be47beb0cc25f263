"""Parts in live playback: times shifted, media unchanged; and the codec string for a player."""

from __future__ import annotations

import pytest

from appliance.media.cut.live_parts import LEAD_NS, from_key, mime_of, shift_of, shifted, ticks
from appliance.media.index.view import Key, Part, SegmentView
from appliance.media.mp4.fmp4 import Malformed, parse_init
from appliance.media.mp4.fragment import Sample, Traf, part
from appliance.media.mp4.moof import parse_moof
from tests.kit import segments

VIDEO, AUDIO = segments.VIDEO, segments.AUDIO
INIT = parse_init(segments.init((b"s" * 16, 0, 0, 0)))


class NoClock:
    """Live parts need media time only."""

    def wall_us(self, media_ns: int) -> int:
        raise AssertionError("live parts need no wall time")

    def media_ns(self, wall_us: int) -> int:
        raise AssertionError("live parts need no wall time")


def frames(first: int, keys: tuple[int, ...], count: int = 6) -> Traf:
    samples = [
        Sample(first + 3000 * n, first + 3000 * n, 3000, n in keys, b"frame%d" % n) for n in range(count)
    ]
    return Traf(VIDEO, first, samples)


def sound(first: int, count: int = 10) -> Traf:
    samples = [Sample(first + 1024 * n, first + 1024 * n, 1024, True, b"aac%d" % n) for n in range(count)]
    return Traf(AUDIO, first, samples)


def view_of(data: bytes, *, base_ns: int = 0) -> SegmentView:
    moof_size = int.from_bytes(data[:4], "big")
    where = Part(0, moof_size, len(data), 9000, 9000, 24_000, 27_000)
    return SegmentView("cam1/a.mp4", INIT, base_ns, "run", NoClock(), (where,), (Key(15_000, 0, 2, 1),))


def test_a_part_keeps_its_bytes_but_for_its_decode_times() -> None:
    data = part(7, [frames(9000, (2,)), sound(4800)])
    moof_size = int.from_bytes(data[:4], "big")
    moved = shifted(data, moof_size, {VIDEO: 90_000, AUDIO: 48_000})
    before, after = parse_moof(data, 0), parse_moof(moved, 0)
    assert [run.tfdt for run in after] == [99_000, 52_800]
    assert [run.sizes for run in before] == [run.sizes for run in after]
    assert moved[moof_size:] == data[moof_size:]


def test_the_first_fragment_begins_with_the_key_and_its_sound() -> None:
    data = part(7, [sound(4800), frames(9000, (2,))])
    view = view_of(data)
    first = from_key(data, view, view.keys[0])
    video, audio = sorted(parse_moof(first, 0), key=lambda run: run.track_id)
    assert INIT.video is not None
    assert video.tfdt == 15_000 + shift_of(view, INIT.video)
    assert len(video.sizes) == 4
    assert first[video.data_offset : video.data_offset + 6] == b"frame2"
    assert audio.tfdt == 4800 + 3 * 1024 + 60 * 48_000, "packets that end before the key are left out"


def test_a_negative_start_of_the_run_still_gives_positive_decode_times() -> None:
    view = view_of(part(0, [frames(0, (0,))]), base_ns=-2_000_000_000)
    assert INIT.video is not None
    assert shift_of(view, INIT.video) == ticks(LEAD_NS - 2_000_000_000, INIT.video) > 0


def test_a_key_that_is_not_in_its_part_is_malformed() -> None:
    data = part(7, [frames(9000, (2,))])
    view = view_of(data)
    with pytest.raises(Malformed):
        from_key(data, view, Key(15_000, 0, 6, 1))


def test_the_type_names_profile_and_level() -> None:
    assert mime_of(INIT) == 'video/mp4; codecs="avc1.42c01e, mp4a.40.2"'
