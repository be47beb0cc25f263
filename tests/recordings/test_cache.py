"""The index's files: what survives, what is dropped, what a full disk does."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.media.segment import SegmentFacts, closed, facts_of
from appliance.media.table import facts_line, published_line
from appliance.media.timeline import PPB, Knot
from appliance.recordings.cache import ChannelCache, lines_of
from tests.media.test_index import RECORDINGS, indexed

KNOTS = [Knot(0, 10, PPB), Knot(10**10, 10**7 + 10, PPB)]


@pytest.fixture
def cache(tmp_path: Path) -> ChannelCache:
    return ChannelCache(tmp_path / "cam1")


def some_facts(name: str = "a.mp4") -> SegmentFacts:
    return replace(closed(facts_of(indexed(RECORDINGS[0]))), name=name, run_id="aa")


def test_what_was_appended_is_loaded(cache: ChannelCache) -> None:
    assert cache.load().facts == {}
    cache.append(lines_of("aa", KNOTS))
    cache.append(facts_line(some_facts()) + published_line("b.mp4"))
    cache.sync()
    log = cache.load()
    assert (log.facts, log.knots) == ({"a.mp4": some_facts()}, {"aa": KNOTS})
    assert log.published == {"a.mp4", "b.mp4"}


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


def test_a_torn_log_is_written_anew_and_keeps_all_that_could_be_read(
    cache: ChannelCache, tmp_path: Path
) -> None:
    cache.append(lines_of("aa", KNOTS) + facts_line(some_facts()) + facts_line(some_facts("gone.mp4"))[:-5])
    cache.tidy(cache.load(), {"a.mp4"})
    log = cache.load()
    assert (log.knots, list(log.facts), log.bad_lines, log.is_torn) == ({"aa": KNOTS}, ["a.mp4"], 0, False)


def test_a_log_that_says_much_twice_shrinks(cache: ChannelCache, tmp_path: Path) -> None:
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
