"""Files copied in beside a running box one by one: a later one shows when an earlier one was recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from pathlib import Path

import pytest

from appliance.box.recordings.channel.channel_index import Channel
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
        self.channel = Channel("cam1", UTC)
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
        self.log += facts_line(segment.facts)

    def _write(self, run_id: str, made: Sequence[Knot]) -> None:
        self.log += corrected_lines(self.channel.corrections.take()) + lines_of(run_id, made)

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


@pytest.mark.parametrize("is_reversed", [False, True])
def test_an_odd_claim_is_corrected_by_the_files_of_its_run_that_come_later(
    tmp_path: Path, is_reversed: bool
) -> None:
    """Each is copied after the previous one was placed; the third claims to be 2.5 s later than it is."""
    names = [f"{number}.mp4" for number in range(7)]
    for number, name in enumerate(names):
        ntp_us = BEGUN_US + number * 10 * S + (number == 2) * 2_500_000
        data = segments.init((ONE, number, number * 10_000_000_000, ntp_us * 1000))
        for at in range(50):
            samples = [Sample(3000, (6 * at + each) % 30 == 0) for each in range(6)]
            data += segments.part(samples, 3000 * 6 * at, sequence=at)
        (tmp_path / name).write_bytes(data)
    box = Copied(tmp_path)
    for place, name in enumerate(names[::-1] if is_reversed else names):
        box.find(name, COPIED_US + place * 60 * S)
        box.walk(name)
    for number, name in enumerate(names):
        assert box.begins_s(name) == pytest.approx(10 * number, abs=0.051), name


def test_what_was_seen_being_written_is_not_moved(tmp_path: Path) -> None:
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
