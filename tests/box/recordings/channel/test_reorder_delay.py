"""How early MediaMTX's start times are with B-frames: their pictures' delay, if the disk shows it."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from appliance.box.recordings.channel.channel_index import Channel
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
) -> int:
    """Of the third of some files; each was last written so long after the next one's start time."""
    channel = Channel("cam1", UTC)
    names = [f"{number}.mp4" for number in range(len(late_us))]
    for number, name in enumerate(names):
        begun_us = BEGUN_US + number * FILE_US
        data = init((stream, number, number * FILE_US * 1000, begun_us * 1000))
        for at in range(3):
            ctos = [3000 * (ahead > 0), 3000 * ahead, 0, 0, 3000 * ahead, 0]
            samples = [Sample(3000, place == 0, cto) for place, cto in enumerate(ctos)]
            audio = (0, 4) if sound else None
            data += part(samples, 18_000 * at + 9000 * sound, sequence=at, audio=audio)
        (folder / name).write_bytes(data)
        channel.discover(name, len(data), begun_us + FILE_US + late_us[number], None)
    for name in names:
        index = indexed(folder / name)
        channel.segments[name].claim = index.init.mtxi if index.init is not None else None
    third = channel.segments[names[min(2, len(names) - 1)]]
    channel.walked(third, indexed(folder / third.name), following(channel, third))
    assert third.early_us == early_us(channel, third)
    return third.early_us


def test_a_file_is_as_early_as_its_pictures_are_late(tmp_path: Path) -> None:
    assert early(tmp_path) == DELAY_US


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
def test_the_disk_says_how_early(tmp_path: Path, late_us: tuple[int, ...], expected: int) -> None:
    assert early(tmp_path, late_us=late_us) == expected


def test_files_that_are_not_early(tmp_path: Path) -> None:
    assert early(tmp_path, sound=True) == 0, "it begins with sound, which is not reordered"
    assert early(tmp_path, ahead=0) == 0, "without B-frames"
    assert early(tmp_path, ahead=2) == 0, "with one, a key waits as long to be shown"
    assert early(tmp_path, stream=own_stream_id(RUN)) == 0, "our own recorder's times are right"
