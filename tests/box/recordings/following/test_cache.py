"""The index's files: what survives, what is dropped, and the effect of a full disk."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import pytest

from appliance.box.recordings.following.cache import ChannelCache, lines_of
from appliance.media.clock.timeline import PPB, Knot
from appliance.media.index.segment import SegmentFacts, closed, facts_of
from appliance.media.index.table import facts_line, observed_line, published_line
from tests.media.index.test_index import RECORDINGS, indexed

KNOTS = [Knot(0, 10, PPB), Knot(10**10, 10**7 + 10, PPB)]


@pytest.fixture
def cache(tmp_path: Path) -> ChannelCache:
    return ChannelCache(tmp_path / "cam1")


def some_facts(name: str = "a.mp4") -> SegmentFacts:
    return replace(closed(facts_of(indexed(RECORDINGS[0]))), name=name, run_id="aa")


def test_appended_lines_are_loaded(cache: ChannelCache) -> None:
    assert cache.load().facts == {}
    cache.append(lines_of("aa", KNOTS))
    cache.append(facts_line(some_facts()) + published_line("b.mp4"))
    cache.sync()
    log = cache.load()
    assert (log.facts, log.knots) == ({"a.mp4": some_facts()}, {"aa": KNOTS})
    assert log.published == {"a.mp4", "b.mp4"}


def test_slews_and_what_was_observed_are_kept_when_the_log_is_written_anew(cache: ChannelCache) -> None:
    slewed = [KNOTS[0], Knot(10**10, 10**7 + 10, PPB + 20, 10**9, PPB + 10**7)]
    cache.append(lines_of("aa", slewed) + observed_line("aa") + facts_line(some_facts()) + b"torn")
    cache.tidy(cache.load(), {"a.mp4"})
    log = cache.load()
    assert (log.knots, log.observed, log.bad_lines, log.stale) == ({"aa": slewed}, {"aa"}, 0, 0)


def test_the_log_of_the_first_release_is_read(cache: ChannelCache, tmp_path: Path) -> None:
    line = b'3a930b87 [1,"k","aa",0,10,1000000000]\n'
    (tmp_path / "cam1").mkdir()
    (tmp_path / "cam1" / "log").write_bytes(line)
    assert (cache.load().knots, cache.load().bad_lines) == ({"aa": KNOTS[:1]}, 0)


@pytest.mark.parametrize("rest", [[0], [-5], [PPB, -1, PPB], [PPB, 5, 0], [PPB, 5, -PPB], [PPB, 1, 1, 1]])
def test_a_knot_by_which_time_would_not_rise_is_a_bad_line(cache: ChannelCache, rest: list[int]) -> None:
    text = json.dumps([1, "k", "aa", 0, 10, *rest], separators=(",", ":")).encode()
    cache.append(b"%08x %s\n" % (crc32(text), text))
    assert (cache.load().knots, cache.load().bad_lines) == ({}, 1)


def test_a_line_cut_short_by_a_full_disk_costs_that_line_alone(
    cache: ChannelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = os.write
    cache.append(lines_of("aa", KNOTS[:1]))
    monkeypatch.setattr(os, "write", lambda fd, data: usual(fd, data[:20]))
    with pytest.raises(OSError, match="written whole"):
        cache.append(facts_line(some_facts()))
    monkeypatch.setattr(os, "write", usual)
    cache.append(lines_of("aa", KNOTS[1:]))
    log = cache.load()
    assert (log.knots, log.facts, log.bad_lines) == ({"aa": KNOTS}, {}, 1)


def test_a_damaged_log_is_rewritten_with_all_readable_lines(cache: ChannelCache, tmp_path: Path) -> None:
    cache.append(lines_of("aa", KNOTS) + facts_line(some_facts()) + facts_line(some_facts("gone.mp4"))[:-5])
    cache.tidy(cache.load(), {"a.mp4"})
    log = cache.load()
    assert (log.knots, list(log.facts), log.bad_lines, log.is_torn) == ({"aa": KNOTS}, ["a.mp4"], 0, False)


def test_a_log_with_many_repeated_lines_is_rewritten_shorter(cache: ChannelCache, tmp_path: Path) -> None:
    cache.append(b"".join(facts_line(some_facts()) for _ in range(1500)) + lines_of("old", KNOTS))
    before = (tmp_path / "cam1" / "log").stat().st_size
    cache.tidy(cache.load(), {"a.mp4"})
    assert (tmp_path / "cam1" / "log").stat().st_size < before / 100
    assert cache.load().facts == {"a.mp4": some_facts()}


def test_knots_of_a_segment_that_was_growing_are_never_dropped(cache: ChannelCache) -> None:
    cache.append(lines_of("run of b", KNOTS) + published_line("b.mp4"))
    cache.append(b"torn")
    cache.tidy(cache.load(), {"b.mp4"})
    log = cache.load()
    assert (log.knots, log.published) == ({"run of b": KNOTS}, {"b.mp4"})


def test_a_table_of_another_file_is_not_given(cache: ChannelCache) -> None:
    index = indexed(RECORDINGS[0])
    facts = closed(facts_of(index))
    assert cache.load_table(facts) is None
    cache.save_table(facts, index.parts, index.keys)
    loaded = cache.load_table(facts)
    assert loaded is not None
    assert list(loaded[0]) == index.parts
    assert cache.load_table(replace(facts, bytes=facts.bytes + 1)) is None


def test_a_forgotten_segment_leaves_nothing_behind(cache: ChannelCache, tmp_path: Path) -> None:
    index = indexed(RECORDINGS[0])
    facts = closed(facts_of(index))
    cache.save_table(facts, index.parts, index.keys)
    cache.append(facts_line(facts))
    cache.forget([facts.name])
    assert [path.name for path in (tmp_path / "cam1").iterdir()] == ["log"]
    assert cache.load().facts == {}
    assert cache.load().published == set()
