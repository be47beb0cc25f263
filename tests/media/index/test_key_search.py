"""The index's keys are the pictures at which decoding can start, whatever the file's flags are."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.media.bitstream.access_points import sample_nals
from appliance.media.bitstream.annexb import length_prefixed
from appliance.media.index.index import SegmentIndex
from appliance.media.index.view import Key
from appliance.media.mp4.fragment import Sample
from tests.kit.barcode import Media, encode
from tests.kit.fmp4_file import Recordings

FRAME = 3000  # ticks at 30 fps


def flagged(media: Media, flag: Callable[[int, Sample], bool]) -> Media:
    """The same samples with flags of `flag(place in decode order, sample)`."""
    return replace(media, frames=[s._replace(sync=flag(n, s)) for n, s in enumerate(media.frames)])


FLAGS: dict[str, Callable[[int, Sample], bool]] = {
    "right": lambda place, sample: sample.sync,
    "all": lambda place, sample: True,
    "none": lambda place, sample: False,
    "first": lambda place, sample: place == 0,
    "wrong": lambda place, sample: place % 7 == 3,
}


def keys_of(folder: Path, media: Media, part_s: float = 0.2) -> Sequence[Key]:
    recordings = Recordings(folder)
    recordings.record(media, part_s=part_s)
    recordings.close()
    return recordings.views[0].keys


def numbers(media: Media, keys: Sequence[Key]) -> list[int]:
    """Frame numbers of keys: tick 0 of the file is the first picture's dts."""
    return [(key.pts + media.frames[0].dts) // FRAME for key in keys]


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"bframes": 2, "extra": "open-gop=1"},
        {"codec": "libx265", "bframes": 2},
        {"codec": "libx265", "extra": "open-gop=0"},
    ],
)
def test_flags_that_are_wrong_change_nothing(tmp_path: Path, kind: dict[str, object], flags: str) -> None:
    media = flagged(encode(240, sound=False, **kind), FLAGS[flags])
    result = numbers(media, keys_of(tmp_path, media))
    every = list(range(0, 240, 30))
    # two seconds without an access point are usual: unflagged ones are searched only after that
    assert result == (every if flags != "first" else [0, *[n for n in every[1:] if n in result]])
    assert result[-5:] == every[-5:]


@pytest.mark.parametrize("bframes", [0, 2])
def test_intra_refresh_is_a_key_with_the_pictures_it_takes(tmp_path: Path, bframes: int) -> None:
    media = encode(150, bframes=bframes, extra="intra-refresh=1", sound=False)
    keys = keys_of(tmp_path, flagged(media, FLAGS["first"]))
    assert numbers(media, keys)[-2:] == [90, 120] and numbers(media, keys)[0] == 0
    assert keys[0].recovery == 0
    for key in keys[1:]:
        assert 8 <= key.recovery // FRAME <= 13 * (bframes + 1)


def test_a_healthy_file_costs_one_read_per_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recordings = Recordings(tmp_path)
    recordings.record(encode(300, gop=60, sound=False), part_s=0.2)
    name = recordings.views[0].name
    reads: list[int] = []
    pread = os.pread

    def counted(fd: int, size: int, offset: int) -> bytes:
        reads.append(offset)
        return pread(fd, size, offset)

    monkeypatch.setattr(os, "pread", counted)
    index = SegmentIndex(name)
    index.update(recordings.open_fd(name), (tmp_path / name).stat().st_size)
    recordings.close()
    assert len(index.keys) == 5
    assert len(reads) <= 1 + len(index.parts) + len(index.keys) + 3  # the header, each part, each key


def test_a_long_group_is_looked_through_once(tmp_path: Path) -> None:
    media = encode(600, gop=150, sound=False)
    keys = keys_of(tmp_path, media)
    assert numbers(media, keys) == [0, 150, 300, 450]


def test_a_stream_without_any_entry_has_no_keys(tmp_path: Path) -> None:
    media = encode(90, sound=False)
    body = replace(media, frames=[s for s in media.frames if not s.sync])
    for flags in ("all", "none"):
        (tmp_path / flags).mkdir()
        assert keys_of(tmp_path / flags, flagged(body, FLAGS[flags])) == ()


@pytest.mark.parametrize("flags", ["none", "first", "all"])
@pytest.mark.parametrize("keeps_sets", [True, False])
def test_an_intra_picture_with_its_sets_is_an_entry(tmp_path: Path, flags: str, keeps_sets: bool) -> None:
    """Open groups without recovery point messages: only their parameter sets show access points."""
    dropped = (6,) if keeps_sets else (6, 7, 8)
    media = encode(240, bframes=2, extra="open-gop=1", sound=False)
    frames: list[Sample] = []
    for frame in media.frames:
        nals = list(sample_nals(frame.data))
        stored = nals if not frames else [nal for nal in nals if nal[0] & 0x1F not in dropped]
        frames.append(frame._replace(data=length_prefixed(stored)))
    media = flagged(replace(media, frames=frames), FLAGS[flags])
    actual = numbers(media, keys_of(tmp_path, media))
    assert actual[-3:] == [150, 180, 210] if keeps_sets else actual == [0]
