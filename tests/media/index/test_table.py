"""The caches as bytes: what was written is read back, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.media.clock.timeline import PPB, Knot
from appliance.media.index.index import SegmentIndex
from appliance.media.index.segment import SegmentFacts, closed, facts_of
from appliance.media.index.table import (
    BadTable,
    facts_line,
    forget_line,
    knot_line,
    pack_log,
    pack_table,
    read_log,
    unpack_table,
)
from tests.kit.segments import Camera
from tests.media.index.test_index import RECORDINGS, indexed


@pytest.fixture
def index(tmp_path: Path) -> SegmentIndex:
    path = tmp_path / "2026-11-21_10-00-00-000000Z.mp4"
    path.write_bytes(b"".join(Camera().segment(30)))
    return indexed(path)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda p: p.stem)
def test_the_table_of_a_real_recording_comes_back_as_it_was(path: Path) -> None:
    index = indexed(path)
    facts = closed(facts_of(index))
    parts, keys = unpack_table(pack_table(facts, index.parts, index.keys), facts)
    assert list(parts) == index.parts
    assert list(keys) == index.keys
    assert parts[-1] == index.parts[-1]
    assert list(parts[1:]) == index.parts[1:]


def test_the_properties_of_a_key_are_kept(index: SegmentIndex) -> None:
    index.keys[-1] = replace(index.keys[-1], format_id=1 << 62, recovery=90_000, resets=0)
    _, keys = unpack_table(pack_table(facts_of(index), index.parts, index.keys), facts_of(index))
    assert list(keys) == index.keys and keys[-1].right == index.keys[-1].pts + 90_000


def test_a_table_costs_about_three_hundred_bytes_per_second(index: SegmentIndex) -> None:
    facts = facts_of(index)
    size = len(pack_table(facts, index.parts, index.keys))
    assert facts.first_ns is not None and facts.end_ns is not None
    assert size / ((facts.end_ns - facts.first_ns) / 1e9) < 350


@pytest.mark.parametrize(
    "change",
    [
        {"bytes": 1},
        {"run_id": "22" * 16},
        {"number": 9},
        {"base_ns": -1},
        {"ntp_us": 5},
        {"stsd_id": "0"},
    ],
)
def test_a_table_of_another_file_is_refused(index: SegmentIndex, change: dict[str, object]) -> None:
    facts = facts_of(index)
    data = pack_table(facts, index.parts, index.keys)
    with pytest.raises(BadTable, match="another state"):
        unpack_table(data, replace(facts, **change))  # type: ignore[arg-type]


@given(st.data())
def test_a_damaged_table_is_always_refused(data: st.DataObject) -> None:
    index = indexed(RECORDINGS[0])
    facts = facts_of(index)
    table = bytearray(pack_table(facts, index.parts, index.keys))
    if data.draw(st.booleans()):
        del table[data.draw(st.integers(0, len(table) - 1)) :]
    else:
        at = data.draw(st.integers(0, len(table) - 1))
        table[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadTable):
        unpack_table(bytes(table), facts)


def test_a_log_gives_the_newest_facts_of_every_segment_and_all_knots(index: SegmentIndex) -> None:
    growing = facts_of(index)
    done = closed(growing)
    other = replace(growing, name="other.mp4", holes=((1, 2), (5, 9)), number=None, reason="why")
    first, second = Knot(0, 5, PPB), Knot(10**10, 5 + 10**7, PPB + 200_000)
    log = read_log(
        knot_line("aa", first)
        + facts_line(growing)
        + facts_line(other)
        + knot_line("aa", second)
        + facts_line(done)
        + facts_line(replace(done, name="gone.mp4"))
        + forget_line("gone.mp4")
    )
    assert log.facts == {done.name: done, "other.mp4": other}
    assert log.knots == {"aa": [first, second]}
    assert (log.lines, log.bad_lines, log.stale, log.is_torn) == (7, 0, 3, False)
    again = read_log(pack_log(log.facts.values(), [("aa", knot) for knot in log.knots["aa"]]))
    assert (again.facts, again.knots, again.stale) == (log.facts, log.knots, 0)


def test_a_file_that_is_a_run_of_its_own_takes_its_knots_with_it(index: SegmentIndex) -> None:
    """A later file with its name starts from scratch; a run of several files continues."""
    knot = Knot(1, 2, PPB)
    mine = replace(facts_of(index), name="a.mp4", run_id="name:a.mp4:12345678")
    lines = facts_line(mine) + facts_line(replace(mine, name="b.mp4", run_id="aa"))
    lines += knot_line(mine.run_id, knot) + knot_line("aa", knot)
    assert read_log(lines + forget_line("a.mp4") + forget_line("b.mp4")).knots == {"aa": [knot]}


def test_a_log_torn_by_a_power_cut_loses_its_last_line_only(index: SegmentIndex) -> None:
    whole = b"".join(knot_line("aa", Knot(at, at + 1, PPB)) for at in range(1, 4))
    log = read_log(whole[:-7])
    assert log.knots == {"aa": [Knot(1, 2, PPB), Knot(2, 3, PPB)]}
    assert (log.bad_lines, log.is_torn) == (1, True)


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(1, 255))
def test_no_bytes_make_a_log_fatal(junk: bytes, at: int, flip: int) -> None:
    good = bytearray(knot_line("aa", Knot(1, 2, PPB)) + forget_line("x") + knot_line("bb", Knot(3, 4, PPB)))
    if at < len(good):
        good[at] ^= flip
    log = read_log(junk + b"\n" + bytes(good))
    reports = {knot for knots in log.knots.values() for knot in knots}
    assert reports <= {Knot(1, 2, PPB), Knot(3, 4, PPB)}
    assert len(reports) >= (2 if at >= len(good) else 0)


def test_a_hundred_hours_are_read_back(index: SegmentIndex) -> None:
    """The speed is measured by `scripts/bench start`."""
    facts = closed(facts_of(index))
    many = [replace(facts, name=f"{number:06}.mp4", number=number) for number in range(6000)]
    knots = [("aa" * 16, Knot(n * 10**10, n * 10**7 + 1, PPB)) for n in range(36_000)]
    data = pack_log(many, knots)
    log = read_log(data)
    assert (len(log.facts), len(log.knots["aa" * 16])) == (6000, 36_000)
    assert all(isinstance(each, SegmentFacts) for each in log.facts.values())


def test_facts_of_an_older_layout_are_walked_again_and_keep_their_times() -> None:
    row = json.dumps([1, "f", "a.mp4", 9, 9, "closed"], separators=(",", ":")).encode()
    log = read_log(b"%08x %s\n" % (crc32(row), row))
    assert (log.facts, log.published, log.bad_lines) == ({}, {"a.mp4"}, 0)
