"""Footage whose writing was not observed, copied in later: times derived from all its files."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.box.recordings.channel.channel_index import ChannelIndex
from appliance.box.recordings.channel.neighbours import following as after_it
from appliance.box.recordings.segment_state import GrowthTimes
from appliance.media.clock.timeline import PPB, Knot
from appliance.media.index.index import ScanCursor, scan
from appliance.media.index.segment import facts_of
from appliance.media.index.spans import TimelineCoverage
from appliance.media.index.table import ChannelLog
from tests.box.recordings.tree import Box, until
from tests.kit import segments
from tests.kit.segments import Sample
from tests.media.index.test_index import indexed, opened

S = 1_000_000
BEGUN_US = 1_790_000_000 * S
COPIED_US = BEGUN_US + 3600 * S
ONE, OTHER = b"\x01" * 16, b"\x02" * 16


def leaping(path: Path, leap_s: float) -> None:
    """Ten seconds at 30 fps whose media time jumps after six, without a missing picture."""
    data = segments.init((ONE, 0, 0, BEGUN_US * 1000))
    after = round(leap_s * 90_000)
    for number in range(50):
        ticks = [3000 * (6 * number + n) for n in range(6)]
        samples = [Sample(3000, at % 90_000 == 0) for at in ticks]
        if number == 29:
            samples[-1] = Sample(3000 + after)
        data += segments.part(samples, ticks[0] + (after if number >= 30 else 0), sequence=number)
    path.write_bytes(data)


def following(path: Path, begins_s: float, media_s: float) -> None:
    """The next run, four seconds long: it begins `begins_s` after the first one did, at its `media_s`."""
    ntp_ns = BEGUN_US * 1000 + round(begins_s * 1e9)
    data = segments.init((OTHER, 0, round(media_s * 1e9), ntp_ns))
    for number in range(20):
        samples = [Sample(3000, (6 * number + n) % 30 == 0) for n in range(6)]
        data += segments.part(samples, 3000 * 6 * number, sequence=number)
    path.write_bytes(data)


# it kept a false gap of 1.97 s; observed live there was none
CASES = [
    (3.0, 12.0, 2.005),  # MediaMTX restarts: it waits 2 s, and here the next picture is a key
    (3.0, 12.9, 2.9),
    (4.9, 12.3, 2.3),
    (1.5, 12.5, 40.0),
    (0.6, 12.2, 2.2),
    (3.0, 10.5, 0.0),  # the camera reconnected
    (4.9, 12.0, 0.0),
]


def assert_no_gap_but_the_last(known: TimelineCoverage, begins_s: float) -> None:
    (first, second), gaps = known.spans, known.gaps
    assert first.start_us == pytest.approx(BEGUN_US, abs=1000)
    assert first.end_us == pytest.approx(BEGUN_US + 10 * S, abs=33_000)
    assert second.start_us == pytest.approx(BEGUN_US + begins_s * S, abs=1000)
    assert [gap.reason for gap in gaps] in (["recorder_restart"], ["source_lost"])


@pytest.mark.parametrize(("leap_s", "begins_s", "media_s"), CASES)
def test_a_leap_in_copied_files_is_taken_out_by_the_run_that_came_after(
    tmp_path: Path, leap_s: float, begins_s: float, media_s: float
) -> None:
    leaping(tmp_path / "a.mp4", leap_s)
    following(tmp_path / "b.mp4", begins_s, media_s)
    channel = ChannelIndex("cam1", UTC)
    for name in ("a.mp4", "b.mp4"):
        channel.discover(name, (tmp_path / name).stat().st_size, COPIED_US, None)
    newer = indexed(tmp_path / "b.mp4")
    channel.walked(channel.segments["b.mp4"], newer, None)
    assert newer.init is not None
    channel.walked(channel.segments["a.mp4"], indexed(tmp_path / "a.mp4"), newer.init.mtxi)
    assert_no_gap_but_the_last(channel.coverage(BEGUN_US, COPIED_US, is_live=True), begins_s)


@pytest.mark.parametrize("order", ["at the start", "together", "one by one", "the later one first"])
async def test_copied_files_are_placed_alike_whenever_they_come(tmp_path: Path, order: str) -> None:
    box = Box(tmp_path)
    folder = box.recordings / "cam1"
    folder.mkdir(parents=True)
    began = [datetime.fromtimestamp(at / S, UTC) for at in (BEGUN_US, BEGUN_US + 12 * S)]
    names = [f"{at:%Y-%m-%d_%H-%M-%S}.mp4" for at in began]
    leaping(tmp_path / names[0], 3.0)
    following(tmp_path / names[1], 12.0, 2.005)

    def copy(name: str) -> None:
        os.replace(tmp_path / name, folder / name)

    def runs() -> int:
        return len(handle.coverage("cam1", BEGUN_US, COPIED_US).runs)

    if order == "at the start":
        for name in names:
            copy(name)
    async with box.running() as handle:
        if order != "at the start":
            first, second = names[::-1] if order == "the later one first" else names
            copy(first)
            if order != "together":
                handle.rescan_now()
                await until(handle, lambda: runs() == 1)
            copy(second)
            handle.rescan_now()
        await until(handle, lambda: runs() == 2 and not handle.statistics()["segments_waiting"])
        # recorders write the machine's clock, and box time may be some us ahead of it
        assert_no_gap_but_the_last(handle.coverage("cam1", BEGUN_US + 1000, BEGUN_US + 15 * S), 12.0)


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("leap_s", [4.0, 60.0, 7200.0])
def test_a_leap_between_two_files_of_a_known_run_is_taken_out_though_nothing_grows_any_more(
    tmp_path: Path, leap_s: float, is_open: bool
) -> None:
    """The daemon was down, the recorder has ended since: the file's mtime shows when the second file was
    written."""
    paths = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for number, path in enumerate(paths):
        media_ns = number * round((4 + leap_s) * 1e9)
        data = segments.init((ONE, number, media_ns, BEGUN_US * 1000 + number * 4_000_000_000))
        for at in range(20):
            samples = [Sample(3000, (6 * at + n) % 30 == 0) for n in range(6)]
            data += segments.part(samples, 3000 * 6 * at, sequence=at)
        path.write_bytes(data)
    first, second = map(indexed, paths)
    first.is_closed = True
    run_id = first.run_id
    channel = ChannelIndex("cam1", UTC)
    log = ChannelLog(knots={run_id: [Knot(0, BEGUN_US, PPB)]}, observed={run_id})
    log.facts["a.mp4"] = facts_of(first)
    channel.restore(log)
    channel.discover("a.mp4", paths[0].stat().st_size, BEGUN_US + 4 * S, log.facts["a.mp4"])
    segment = channel.discover("b.mp4", paths[1].stat().st_size, BEGUN_US + 8 * S, None)
    if is_open:
        channel.opened(segment)
        with opened(paths[1]) as fd:
            channel.grow(segment, scan(ScanCursor(), fd, paths[1].stat().st_size), GrowthTimes(None))
        channel.close(segment)
    else:
        channel.walked(segment, second, None)
    known = channel.coverage(BEGUN_US, BEGUN_US + 8000 * S, is_live=True)
    assert known.gaps == ()
    assert known.spans[-1].end_us == pytest.approx(BEGUN_US + 8 * S, abs=33_000)


@pytest.mark.parametrize("is_copied", [True, False])
@pytest.mark.parametrize("leap_s", [0.3, 3.0])
@pytest.mark.parametrize("at", range(1, 6))
@pytest.mark.parametrize("is_newest_first", [True, False])
def test_a_leap_before_any_file_of_a_run_moves_none(
    tmp_path: Path, is_newest_first: bool, at: int, leap_s: float, is_copied: bool
) -> None:
    """Six files of ten seconds, without a missing picture."""
    channel = ChannelIndex("cam1", UTC)
    names = [f"{number}.mp4" for number in range(6)]
    for number, name in enumerate(names):
        media_ns = number * 10_000_000_000 + round(leap_s * 1e9) * (number >= at)
        data = segments.init((ONE, number, media_ns, BEGUN_US * 1000 + number * 10_000_000_000))
        for n in range(50):
            samples = [Sample(3000, (6 * n + each) % 30 == 0) for each in range(6)]
            data += segments.part(samples, 3000 * 6 * n, sequence=n)
        (tmp_path / name).write_bytes(data)
        written_us = COPIED_US if is_copied else BEGUN_US + (10 * number + 10) * S + 20_000
        segment = channel.discover(name, len(data), written_us, None)
        init = indexed(tmp_path / name).init
        assert init is not None
        segment.claim = init.mtxi
    for name in names[::-1] if is_newest_first else names:
        segment = channel.segments[name]
        channel.walked(segment, indexed(tmp_path / name), after_it(channel, segment))
    known = channel.coverage(BEGUN_US, COPIED_US, is_live=True)
    assert known.gaps == () or leap_s < 1, "sound may begin a file 0.2 s before its picture"
    for number, name in enumerate(names):
        if leap_s < 1 and at < 3 and not number:
            continue  # its claim may be late by as much: the run's first sample often is
        segment, clock = channel.segments[name], channel.clock_of(channel.segments[name])
        assert segment.facts is not None and segment.facts.first_ns is not None and clock is not None
        begins_us = clock.wall_us(segment.facts.first_ns)
        assert begins_us == pytest.approx(BEGUN_US + 10 * number * S, abs=51_000), name
