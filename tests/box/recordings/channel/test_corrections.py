"""Files copied in beside a running box one by one: a later one shows when an earlier one was recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from pathlib import Path

import pytest

from appliance.box.recordings.channel.channel_index import ChannelIndex
from appliance.box.recordings.channel.neighbours import following as after_it
from appliance.box.recordings.clocks.placement import Correction
from appliance.box.recordings.following.cache import corrected_lines, lines_of
from appliance.box.recordings.segment_state import GrowthTimes
from appliance.media.clock.timeline import Knot
from appliance.media.index.index import ScanCursor, scan
from appliance.media.index.segment import SegmentFacts, facts_of
from appliance.media.index.table import facts_line, knot_line, observed_line, read_log
from tests.box.recordings.clocks.test_file_times import (
    BEGUN_US,
    CASES,
    COPIED_US,
    ONE,
    S,
    assert_no_gap_but_the_last,
    following,
    leaping,
)
from tests.kit import segments
from tests.kit.segments import Sample
from tests.media.index.test_index import indexed, opened

Take = Callable[["Copied", str], None]


class Copied:
    """A channel into which files are copied, one at a time; `log` is its log on disk."""

    def __init__(self, folder: Path, log: bytes = b"") -> None:
        self.folder, self.log = folder, log
        self.channel = ChannelIndex("cam1", UTC)
        self.channel.restore(read_log(log))

    def find(self, name: str, written_us: int = COPIED_US) -> None:
        remembered = read_log(self.log).facts.get(name)
        size = (self.folder / name).stat().st_size
        segment = self.channel.discover(name, size, written_us, remembered)
        init = indexed(self.folder / name).init
        segment.claim = init.mtxi if init is not None else None

    def walk(self, name: str) -> None:
        segment, index = self.channel.segments[name], indexed(self.folder / name)
        made = self.channel.walked(segment, index, after_it(self.channel, segment))
        self._write(index.run_id, made)
        assert segment.facts is not None
        self.log += facts_line(segment.facts)

    def follow(self, name: str) -> None:
        """As the actor does with a new file that does not grow."""
        segment = self.channel.segments[name]
        self.channel.opened(segment)
        with opened(self.folder / name) as fd:
            growth = scan(ScanCursor(), fd, segment.bytes)
            made = self.channel.grow(segment, growth, GrowthTimes(COPIED_US, may_be_burst=True))
        assert segment.index is not None and segment.facts is not None
        made = [*made, *self.channel.conclude(segment)]
        self._write(segment.index.run_id, made)
        self.channel.close(segment)
        self._write(segment.index.run_id, [])
        self.log += facts_line(segment.facts)

    def _write(self, run_id: str, made: Sequence[Knot]) -> None:
        self.log += lines_of(run_id, made) + corrected_lines(self.channel.corrections.take())

    def begins_s(self, name: str) -> float:
        at_us = self.channel.shown_from_us(self.channel.segments[name])
        assert at_us is not None
        return (at_us - BEGUN_US) / S


TAKES = {"walked": Copied.walk, "followed": Copied.follow}


@pytest.mark.parametrize("take", TAKES.values(), ids=TAKES)
@pytest.mark.parametrize(("leap_s", "begins_s", "media_s"), CASES)
@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_leap_is_taken_out_once_the_run_after_it_is_copied(
    tmp_path: Path, take: Take, leap_s: float, begins_s: float, media_s: float, is_restarted: bool
) -> None:
    leaping(tmp_path / "a.mp4", leap_s)
    following(tmp_path / "b.mp4", begins_s, media_s)
    box = Copied(tmp_path)
    box.find("a.mp4")
    take(box, "a.mp4")
    assert box.channel.video_until_us == pytest.approx(BEGUN_US + (10 + leap_s) * S, abs=33_000)
    if is_restarted:
        box = Copied(tmp_path, box.log)
        box.find("a.mp4")
    box.find("b.mp4", COPIED_US + 60 * S)
    take(box, "b.mp4")
    known = box.channel.coverage(BEGUN_US, COPIED_US, is_live=True)
    assert_no_gap_but_the_last(known, begins_s)
    assert box.channel.video_until_us == known.spans[-1].end_us
    again = Copied(tmp_path, box.log)
    for name in ("a.mp4", "b.mp4"):
        again.find(name)
    assert again.channel.coverage(BEGUN_US, COPIED_US, is_live=True) == known


ODD = {
    "first": {0: 2.5},
    "first, early": {0: -2.5},
    "second": {1: 2.5},
    "middle": {3: -0.3},
    "last": {6: 2.5},
    "last, early": {6: -2.5},
    "first two": {0: 2.5, 1: 2.5},
    "first two, apart": {0: 2.5, 1: -3.0},
    "middle two": {3: 2.5, 4: 2.5},
    "last two": {5: -0.3, 6: -0.3},
    "both ends": {0: -2.5, 6: 0.3},
}
ORDERS = {"oldest first": range(7), "newest first": range(7)[::-1], "mixed": (3, 0, 6, 1, 5, 2, 4)}


@pytest.mark.parametrize("take", TAKES.values(), ids=TAKES)
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("odd_s", ODD.values(), ids=ODD)
def test_a_wrong_time_in_one_or_two_files_of_a_copied_run_moves_none(
    tmp_path: Path, take: Take, order: Sequence[int], odd_s: Mapping[int, float]
) -> None:
    """Each file is copied after the previous one was placed."""
    names = [f"{number}.mp4" for number in range(7)]
    for number, name in enumerate(names):
        run_of(tmp_path / name, number, odd_s.get(number, 0))
    box = Copied(tmp_path)
    for place, number in enumerate(order):
        box.find(names[number], COPIED_US + place * 60 * S)
        take(box, names[number])
    for number, name in enumerate(names):
        assert box.begins_s(name) == pytest.approx(4 * number, abs=0.051), name
    again = Copied(tmp_path, box.log)
    for name in names:
        again.find(name)
        assert again.begins_s(name) == box.begins_s(name)


def run_of(path: Path, number: int, odd_s: float) -> None:
    """A file of four seconds whose start time is wrong by `odd_s`."""
    ntp_us = BEGUN_US + number * 4 * S + round(odd_s * S)
    data = segments.init((ONE, number, number * 4_000_000_000, ntp_us * 1000))
    for at in range(4):
        data += segments.part([Sample(3000, not each) for each in range(30)], 90_000 * at, sequence=at)
    path.write_bytes(data)


def test_a_file_whose_writing_was_observed_is_not_moved(tmp_path: Path) -> None:
    leaping(tmp_path / "a.mp4", 3.0)
    following(tmp_path / "b.mp4", 12.0, 0.0)
    run_id = ONE.hex()
    log = knot_line(run_id, Knot(0, BEGUN_US, 1_000_000_000)) + observed_line(run_id)
    log += facts_line(segment_facts(tmp_path / "a.mp4"))
    box = Copied(tmp_path, log)
    for name in ("a.mp4", "b.mp4"):
        box.find(name)
    box.walk("b.mp4")
    known = box.channel.coverage(BEGUN_US, COPIED_US, is_live=True)
    assert [gap.reason for gap in known.gaps] == ["discontinuity"]


def segment_facts(path: Path) -> SegmentFacts:
    index = indexed(path)
    index.is_closed = True
    return facts_of(index)


def test_a_line_of_the_log_takes_back_the_knots_before_it() -> None:
    old = [Knot(0, 100, 1_000_000_000), Knot(10, 200, 1_000_000_000), Knot(20, 300, 1_000_000_000)]
    new = [Knot(10, 150, 1_000_000_000), Knot(12, 160, 1_000_000_000)]
    log = lines_of("run", old) + corrected_lines([Correction("run", 10, 20, new)])
    assert sorted(read_log(log).knots["run"]) == [old[0], *new, old[2]]
