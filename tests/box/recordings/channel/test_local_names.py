"""Names in local time across DST changes."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from appliance.box.recordings.channel.channel_index import ChannelIndex
from appliance.box.recordings.segment_state import GrowthTimes
from appliance.media.index.index import scan
from tests.kit import segments
from tests.kit.segments import Camera
from tests.media.index.test_index import indexed, opened

S = 1_000_000
LENGTH_S = 115  # seconds that do not divide the hour: no name comes twice
FOLDS = [
    pytest.param("Europe/Rome", datetime(2026, 10, 25, 1, tzinfo=UTC), id="Rome, autumn"),
    pytest.param("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC), id="New York, autumn"),
    pytest.param("Europe/Rome", datetime(2026, 3, 29, 1, tzinfo=UTC), id="Rome, spring"),
    pytest.param("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC), id="New York, spring"),
]


def record(folder: Path, zone: str, change: datetime) -> dict[str, int]:
    """Consecutive files, 80 minutes to each side of the change: name -> begin in us."""
    begun: dict[str, int] = {}
    change_s = int(change.timestamp())
    for start_s in range(change_s - 4800 - 7, change_s + 4800, LENGTH_S):
        name = f"{datetime.fromtimestamp(start_s, ZoneInfo(zone)):%Y-%m-%d_%H-%M-%S}.mp4"
        camera = Camera(frames_per_part=2, frame_ticks=90_000 * LENGTH_S // 4)
        data = segments.init(None) + camera.next_part() + camera.next_part()
        (folder / name).write_bytes(data)
        assert name not in begun
        begun[name] = start_s * S
    return begun


def shown(channel: ChannelIndex) -> dict[str, int]:
    return {name: channel.shown_from_us(each) or 0 for name, each in channel.segments.items()}


@pytest.mark.parametrize(("zone", "change"), FOLDS)
@pytest.mark.parametrize(
    ("mtimes", "order"),
    [
        ("kept", "newest first"),
        ("kept", "oldest first"),
        ("kept", "any"),
        ("of the copy", "newest first"),  # only the order decides: they are read from one end
        ("of the copy", "oldest first"),
    ],
)
def test_order_and_last_write_decide_which_hour_a_name_means(
    tmp_path: Path, zone: str, change: datetime, mtimes: str, order: str
) -> None:
    begun = record(tmp_path, zone, change)
    channel = ChannelIndex("cam1", ZoneInfo(zone))
    for name, start_us in begun.items():
        copied_us = int(change.timestamp() + 86_400) * S
        written_us = start_us + LENGTH_S * S if mtimes == "kept" else copied_us
        channel.discover(name, (tmp_path / name).stat().st_size, written_us, None)
    if order == "any":
        names = list(begun)
        random.Random(1).shuffle(names)
    else:
        names = [item.name for item in channel.waiting()]
        if order == "oldest first":
            names.reverse()
    for name in names:
        channel.walked(channel.segments[name], indexed(tmp_path / name), None)
    assert shown(channel) == begun
    gaps = channel.coverage(0, 1 << 61, is_live=False).gaps
    assert [gap.end_us for gap in gaps] == [min(begun.values()), None], "no gap inside"


@pytest.mark.parametrize(("zone", "change"), FOLDS)
def test_a_file_seen_growing_is_of_the_hour_in_which_it_grows(
    tmp_path: Path, zone: str, change: datetime
) -> None:
    for offset_s in (-1800, -30, 30, 1800):
        start_us = int(change.timestamp() + offset_s) * S
        name = f"{datetime.fromtimestamp(start_us / S, ZoneInfo(zone)):%Y-%m-%d_%H-%M-%S}.mp4"
        path = tmp_path / name
        path.write_bytes(segments.init(None) + Camera().next_part())
        channel = ChannelIndex("cam1", ZoneInfo(zone))
        segment = channel.discover(name, 0, start_us + 200_000, None)
        channel.opened(segment)
        assert segment.index is not None
        with opened(path) as fd:
            growth = scan(segment.index.cursor, fd, path.stat().st_size)
        channel.grow(segment, growth, GrowthTimes(start_us + 200_000))
        assert channel.is_live(segment)
        assert channel.shown_from_us(segment) == start_us
        assert channel.clocks.newest_off_us == 0
