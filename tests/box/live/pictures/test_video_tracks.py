"""Live pictures of files with several tracks: the channel's picture and one sound track, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from appliance.kernel.clock import wall_us
from appliance.media.bitstream.params import first_entry
from appliance.media.mp4 import boxes
from appliance.media.mp4.fmp4 import Track, parse_init
from appliance.media.mp4.fragment import Sample, TrackSpec, Traf, init_segment, part
from tests.box.live.pictures.test_video import Viewer
from tests.box.live.pictures.test_video_formats import inits, numbers, runs_of, until_number, watching
from tests.box.recordings.tree import Box
from tests.kit.barcode import AUDIO_HZ, VIDEO_HZ, encode

FILM = encode(90, bframes=0)
assert FILM.audio is not None
SOUND: Track = FILM.audio
PARTS, PER_S = 15, 5
JPEG = boxes.visual_entry(b"mp4v", 640, 480, boxes.full_box(b"esds", 0, 0, b"\3\0"))
STILL = [Sample(0, 0, 18_000, True, b"\xff\xd8" + bytes(500))]


def film(track_id: int) -> TrackSpec:
    return TrackSpec(track_id, False, VIDEO_HZ, first_entry(FILM.video), 192, 96)


def cover(track_id: int, entry: bytes = JPEG) -> TrackSpec:
    return TrackSpec(track_id, False, VIDEO_HZ, entry, 640, 480)


def sound(track_id: int) -> TrackSpec:
    return TrackSpec(track_id, True, AUDIO_HZ, first_entry(SOUND))


Tracks = Mapping[int, Sequence[Sample]]


def file_with(specs: Sequence[TrackSpec], samples: Tracks) -> list[bytes]:
    """Init and parts of 0.2 s of a file that ends now, with the samples of each track."""
    start_ns = (wall_us() - PARTS * 1_000_000 // PER_S) * 1000
    chunks = [init_segment(specs, boxes.mtxi(b"\1" * 16, 0, 0, start_ns))]
    for number in range(PARTS):
        trafs = []
        for spec in specs:
            mine = [each for each in samples[spec.id] if each.dts * PER_S // spec.timescale == number]
            trafs += [Traf(spec.id, mine[0].dts, mine)] if mine else []
        chunks.append(part(number, trafs))
    return chunks


def shown(viewer: Viewer) -> tuple[list[int], set[int]]:
    """Ids of the tracks that the newest stream announces, and of those received."""
    (begin,) = inits(viewer)
    fragments = [chunk for chunk in viewer.chunks[-1] if chunk[4:8] == b"moof"]
    assert len(fragments) == len(viewer.chunks[-1]) - 1
    return [track.id for track in parse_init(begin).tracks], {run.track_id for run in runs_of(fragments)}


SAME_ENTRY = first_entry(FILM.video)
SLIDES = [STILL[0]._replace(dts=n * 18_000, pts=n * 18_000) for n in range(PARTS)]
EARLY = [each for each in FILM.packets if each.dts < AUDIO_HZ * 9 // 5]  # none in the key's part


@pytest.mark.parametrize(
    ("specs", "samples", "expected"),
    [
        ((cover(1), film(2), sound(3)), {1: STILL, 2: FILM.frames, 3: FILM.packets}, [2, 3]),
        ((film(1), sound(2), cover(3)), {1: FILM.frames, 2: FILM.packets, 3: STILL}, [1, 2]),
        ((cover(1, SAME_ENTRY), film(2)), {1: FILM.frames[:1], 2: FILM.frames}, [2]),
        ((film(1), film(2)), {1: FILM.frames, 2: FILM.frames}, [1]),
        ((cover(1), film(2)), {1: SLIDES, 2: FILM.frames}, [2]),
        ((film(1), sound(2), sound(3)), {1: FILM.frames, 2: FILM.packets, 3: FILM.packets}, [1, 2]),
        ((film(1), sound(2), sound(3)), {1: FILM.frames, 2: [], 3: FILM.packets}, [1, 3]),
        ((film(1), sound(2)), {1: FILM.frames, 2: []}, [1]),
        ((film(1), sound(2)), {1: FILM.frames, 2: EARLY}, [1, 2]),
    ],
    ids=["cover", "cover after", "still of the same kind", "two films", "slide show", "two sounds",
         "a silent sound", "silent", "sound in bursts"],
)  # fmt: skip
async def test_a_stream_has_the_picture_and_its_sound_alone(
    tmp_path: Path, specs: Sequence[TrackSpec], samples: Tracks, expected: list[int]
) -> None:
    box = Box(tmp_path)
    chunks = file_with(specs, samples)
    box.add("0.mp4", b"".join(chunks[:-1]))
    async with watching(box) as viewer:
        await until_number(viewer, 83)
        box.add("0.mp4", chunks[-1])
        await until_number(viewer, 89)
        announced, came = shown(viewer)
        late = {2} if samples.get(2) is EARLY else set()
        assert (announced, came | late) == (expected, set(expected))
        codecs = viewer.texts[0]["mime"].partition('"')[2].rstrip('"').split(", ")
        assert [each[:4] for each in codecs] == ["avc1", "mp4a"][: len(expected)]
        assert numbers(viewer) == list(range(60, 90))


async def test_sound_that_begins_later_begins_a_stream_with_it_at_the_next_key(tmp_path: Path) -> None:
    box = Box(tmp_path)
    later = [each for each in FILM.packets if each.dts >= AUDIO_HZ * 8 // 5]
    chunks = file_with((film(1), sound(2)), {1: FILM.frames, 2: later})
    box.add("0.mp4", b"".join(chunks[:8]))
    async with watching(box) as viewer:
        await until_number(viewer, 41)
        assert shown(viewer)[0] == [1]
        for chunk in chunks[8:]:
            box.add("0.mp4", chunk)
        await until_number(viewer, 89)
        assert [each["mime"].count(",") for each in viewer.texts] == [0, 1]
        assert shown(viewer) == ([1, 2], {1, 2})
        assert numbers(viewer) == list(range(60, 90))


async def test_a_part_with_nothing_of_what_is_shown_is_not_sent(tmp_path: Path) -> None:
    """Chromium refuses a fragment without a track."""
    box = Box(tmp_path)
    chunks = file_with((cover(1), film(2)), {1: STILL, 2: FILM.frames})
    alone = part(99, [Traf(1, 0, STILL)])
    box.add("0.mp4", b"".join(chunks[:-1]))
    async with watching(box) as viewer:
        await until_number(viewer, 83)
        box.add("0.mp4", alone)
        box.add("0.mp4", chunks[-1])
        await until_number(viewer, 89)
        assert all(len(chunk) for chunk in viewer.chunks[-1])
        assert shown(viewer) == ([2], {2})
