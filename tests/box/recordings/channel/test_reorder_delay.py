"""How early MediaMTX's start times are with B-frames: their pictures' delay, if the disk shows it."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from appliance.box.recordings.channel.channel_index import ChannelIndex
from appliance.box.recordings.channel.neighbours import following
from appliance.box.recordings.channel.reorder_delay import early_us
from appliance.media.mp4.fragment import own_stream_id
from tests.kit.segments import Sample, init, part
from tests.media.index.test_index import indexed

BEGUN_US = 1_790_000_000_000_000
FILE_US = 600_000
DELAY_US = 66_666  # two frames of 30 fps: groups I P B B, keys are decoded a frame before they are shown
RUN = b"\x07" * 16


def early(
    folder: Path,
    *,
    late_us: tuple[int, ...] = (DELAY_US + 3_000,) * 4,
    stream: bytes = RUN,
    sound: bool = False,
    ahead: int = 3,
    key: int = 1,
    at: int = 2,
) -> tuple[int, int]:
    """Of one of some files; each was last written so long after the next one's start time. Pictures are shown
    at most `ahead` frames after they are decoded, keys `key`, but the first of the run at once."""
    channel = ChannelIndex("cam1", UTC)
    names = [f"{number}.mp4" for number in range(len(late_us))]
    for number, name in enumerate(names):
        begun_us = BEGUN_US + number * FILE_US
        data = init((stream, number, number * FILE_US * 1000, begun_us * 1000))
        for at_part in range(3):
            is_first = number == at_part == 0
            ctos = [3000 * key * (not is_first), 3000 * ahead, 0, 0, 3000 * ahead, 0]
            samples = [Sample(3000, place == 0, cto) for place, cto in enumerate(ctos)]
            audio = (0, 4) if sound else None
            data += part(samples, 18_000 * at_part + 9000 * sound, sequence=at_part, audio=audio)
        (folder / name).write_bytes(data)
        channel.discover(name, len(data), begun_us + FILE_US + late_us[number], None)
    for name in names:
        index = indexed(folder / name)
        channel.segments[name].claim = index.init.mtxi if index.init is not None else None
    segment = channel.segments[names[min(at, len(names) - 1)]]
    channel.walked(segment, indexed(folder / segment.name), following(channel, segment))
    stored_us = segment.early_us, segment.own_early_us
    assert stored_us == early_us(channel, segment)
    return stored_us


def test_a_file_is_as_early_as_its_pictures_are_late(tmp_path: Path) -> None:
    assert early(tmp_path) == (DELAY_US, 0)
    assert early(tmp_path, at=0) == (DELAY_US, 33_333), "the first key of a run is decoded when it is shown"


@pytest.mark.parametrize(
    ("ahead", "key", "late_us"),
    [(2, 1, 35_000), (2, 1, 33_333), (5, 2, 120_000)],
    ids=["one B-frame", "one B-frame, at once", "three B-frames and a pyramid"],
)
def test_a_key_may_wait_as_long_as_the_others_are_ahead(
    tmp_path: Path, ahead: int, key: int, late_us: int
) -> None:
    delay_us = (ahead - key) * 100_000 // 3
    assert early(tmp_path, ahead=ahead, key=key, late_us=(late_us,) * 4) == (delay_us, 0)
    assert early(tmp_path, ahead=ahead, key=key, late_us=(3_000,) * 4) == (0, 0), "counts by decode times"


@pytest.mark.parametrize(
    ("late_us", "expected"),
    [
        ((1_000, 9_000, 4_000, 2_000), 0),  # a recorder that counts by decode times: jitter
        ((DELAY_US // 2,) * 4, 0),  # ... whose pictures arrive when they are shown
        ((200_000, 70_000, 180_000, 90_000), DELAY_US),  # a slow disk
        ((200_000, 57_000, 180_000, 90_000), DELAY_US),  # times of writing are cut to a tick
        ((-300_000,) * 4, 0),  # the disk's clock is behind
        ((3_600_000_000,) * 4, 0),  # copied an hour later
        ((DELAY_US, DELAY_US), 0),  # one border tells nothing: a write may have waited
        ((DELAY_US,), 0),
    ],
)
def test_the_reorder_delay_is_measured_by_times_of_writing(
    tmp_path: Path, late_us: tuple[int, ...], expected: int
) -> None:
    assert early(tmp_path, late_us=late_us) == (expected, 0)


def test_files_that_are_not_early(tmp_path: Path) -> None:
    assert early(tmp_path, sound=True) == (0, 0), "it begins with sound, which is not reordered"
    assert early(tmp_path, ahead=0, key=0) == (0, 0), "without B-frames"
    assert early(tmp_path, stream=own_stream_id(RUN)) == (0, 0), "our own recorder's times are right"
