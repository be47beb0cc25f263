"""The session's statistics against plays written by hand, and against a simple second implementation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.box.tags.statistics import MERGED, ClipFact, TagFact, is_converted, is_touchdown, session_stats


def clip(name: str, play: str | None = None, *, at: int = 0, favorite: bool = False) -> ClipFact:
    return ClipFact(name, play, at, favorite)


def tag(of: str, at: int = 0, *, important: bool = False, **fields: Any) -> TagFact:
    return TagFact(of, (at, f"t{at}"), {**dict.fromkeys(MERGED), **fields}, important)


def test_the_statistics_of_a_session_without_clips_are_null() -> None:  # V19
    assert session_stats([], []) == {
        "total_plays": 0,
        "tagged_plays": 0,
        "run_pass": {"run": None, "pass": None, "run_share": None, "pass_share": None},
        "third_down": {"attempts": None, "conversions": None, "pct": None},
        "key_plays": [],
        "touchdowns": [],
        "touchdown_plays": [],
        "by_quarter": [],
        "by_play_type": None,
        "by_result": None,
    }


def test_untagged_plays_count_as_plays_and_as_nothing_else() -> None:  # V19
    stats = session_stats([clip("a"), clip("b", "p1"), clip("c", "p1")], [])
    assert (stats["total_plays"], stats["tagged_plays"]) == (2, 0)
    assert stats["run_pass"]["run"] is None
    assert stats["third_down"]["pct"] is None


def test_words_are_listed_by_frequency_then_by_name_in_their_most_frequent_spelling() -> None:  # V19
    words = ["Run", "run", "run", "Sweep", "Option", "Option", "Blast", "Pass", "PASS"]
    clips = [clip(f"c{number}") for number in range(len(words))]
    tags = [tag(f"c{number}", number, play_type=word) for number, word in enumerate(words)]
    by_play_type = session_stats(clips, tags)["by_play_type"]
    assert list(by_play_type.items()) == [("run", 3), ("Option", 2), ("PASS", 2), ("Blast", 1), ("Sweep", 1)]


def test_a_play_on_two_cameras_tagged_three_times_counts_once() -> None:  # V19
    clips = [clip("side", "p1"), clip("end", "p1")]
    tags = [tag("side", 1, play_type="Run"), tag("end", 2, play_type="Run"), tag("end", 3, quarter=2)]
    stats = session_stats(clips, tags)
    assert (stats["total_plays"], stats["tagged_plays"]) == (1, 1)
    assert stats["run_pass"] == {"run": 1, "pass": 0, "run_share": 1.0, "pass_share": 0.0}
    assert stats["by_play_type"] == {"Run": 1}


def test_each_field_comes_from_the_newest_tag_that_has_it() -> None:  # V19
    clips = [clip("side", "p1"), clip("end", "p1")]
    tags = [
        tag("end", 3, down=3, play_type=None),
        tag("side", 1, play_type="Run", result="Complete", down=2),
        tag("end", 2, play_type="Pass"),
    ]
    stats = session_stats(clips, tags)
    assert stats["by_play_type"] == {"Pass": 1}
    assert stats["by_result"] == {"Complete": 1}
    assert stats["third_down"]["attempts"] == 1


def test_the_split_is_the_share_of_plays_tagged_run_or_pass() -> None:  # V19
    kinds = ["Run", "run", "RUN", "Pass", "Punt", None]
    clips = [clip(str(at)) for at in range(len(kinds))]
    stats = session_stats(clips, [tag(str(at), play_type=kind) for at, kind in enumerate(kinds)])
    assert stats["run_pass"] == {"run": 3, "pass": 1, "run_share": 0.75, "pass_share": 0.25}
    assert stats["by_play_type"] == {"RUN": 3, "Pass": 1, "Punt": 1}


@pytest.mark.parametrize(
    ("fields", "converted"),
    [
        ({"yards_gained": 7, "distance": 7}, True),
        ({"yards_gained": 6, "distance": 7}, False),
        ({"yards_gained": -3, "distance": 7}, False),
        ({"yards_gained": 6, "distance": 7, "result": "First Down"}, True),
        ({"result": "first_down"}, True),
        ({"result": "1st Down"}, True),
        ({"result": "Complete, First Down"}, True),
        ({"result": "Touchdown"}, True),
        ({"result": "Rush, TD"}, True),
        ({"result": "Complete TD"}, True),
        ({"result": "Interception, TD"}, False),
        ({"result": "Fumble Return TD"}, False),
        ({"result": "No First Down"}, False),
        ({"result": "Short of first down"}, False),
        ({"result": "Incomplete"}, False),
        ({"yards_gained": 9, "result": "Complete"}, False),
        ({"distance": 7}, None),
        ({"yards_gained": 9}, None),
        ({}, None),
    ],
)
def test_a_third_down_is_converted_by_yards_or_by_word(
    fields: dict[str, Any], converted: bool | None
) -> None:  # V19
    merged = {**dict.fromkeys(MERGED), **fields}
    assert is_converted(merged) is converted
    third = session_stats([clip("a")], [tag("a", down=3, **fields)])["third_down"]
    if converted is None:
        assert third == {"attempts": None, "conversions": None, "pct": None}
    else:
        assert third == {"attempts": 1, "conversions": int(converted), "pct": 100.0 * converted}


def test_only_third_downs_count_and_the_percentage_is_of_known_outcomes() -> None:  # V19
    outcomes = [(3, 10, 5), (3, 2, 5), (3, None, 5), (2, 10, 5), (3, 1, 5), (4, 10, 5)]
    clips = [clip(str(at)) for at in range(len(outcomes))]
    tags = [
        tag(str(at), down=down, yards_gained=gained, distance=distance)
        for at, (down, gained, distance) in enumerate(outcomes)
    ]
    third = session_stats(clips, tags)["third_down"]
    assert (third["attempts"], third["conversions"]) == (3, 1)
    assert third["pct"] == pytest.approx(100 / 3)


def test_key_plays_are_important_or_favourite_in_the_order_they_happened() -> None:  # V19
    clips = [
        clip("late", at=30),
        clip("early", "p1", at=10, favorite=True),
        clip("early2", "p1", at=10),
        clip("dull", at=5),
    ]
    tags = [tag("late", 1, important=True), tag("late", 2, important=False)]
    assert session_stats(clips, tags)["key_plays"] == ["p1", "late"]


def test_touchdowns_are_every_angle_of_the_play() -> None:  # V19
    clips = [clip("side", "p1", at=1), clip("end", "p1", at=1), clip("other", at=2)]
    stats = session_stats(clips, [tag("end", result="touchdown"), tag("other", result="Complete")])
    assert sorted(stats["touchdowns"]) == ["end", "side"]
    assert stats["touchdown_plays"] == ["p1"]
    assert is_touchdown("Interception, TD")
    assert not is_touchdown("No TD")


def test_quarters_have_their_own_figures_and_untagged_plays_none() -> None:  # V19
    clips = [clip("a"), clip("b"), clip("c"), clip("d")]
    tags = [
        tag("a", quarter=1, play_type="Run"),
        tag("b", quarter=5, down=3, yards_gained=3, distance=2),
        tag("c", quarter=1, play_type="Pass"),
    ]
    first, overtime = session_stats(clips, tags)["by_quarter"]
    assert (first["quarter"], first["total_plays"], first["run_pass"]["run_share"]) == (1, 2, 0.5)
    assert (overtime["quarter"], overtime["third_down"]["pct"]) == (5, 100.0)
    assert overtime["run_pass"]["run"] is None


def test_tags_of_deleted_clips_do_not_count() -> None:
    assert session_stats([clip("a")], [tag("deleted", play_type="Run")])["by_play_type"] is None


# -- a second implementation ------------------------------------------------------------------------


def naive(clips: list[ClipFact], tags: list[TagFact]) -> dict[str, Any]:
    """The definitions of V19, implemented literally and slowly."""
    keys = sorted({c.play_id or c.id for c in clips})
    newest: dict[tuple[str, str], Any] = {}
    for key in keys:
        mine = [t for t in tags for c in clips if c.id == t.clip_id and (c.play_id or c.id) == key]
        for name in MERGED:
            having = [t for t in mine if t.fields[name] is not None]
            newest[key, name] = max(having, key=lambda t: t.order).fields[name] if having else None
    runs = [k for k in keys if newest[k, "play_type"] == "Run"]
    passes = [k for k in keys if newest[k, "play_type"] == "Pass"]
    attempts = conversions = 0
    for key in keys:
        gained, distance, result = (newest[key, name] for name in ("yards_gained", "distance", "result"))
        if newest[key, "down"] == 3 and (result is not None or None not in (gained, distance)):
            attempts += 1
            by_yards = None not in (gained, distance) and gained >= distance
            conversions += by_yards or result in ("First Down", "Touchdown")
    return {
        "total_plays": len(keys),
        "run": len(runs) if runs or passes else None,
        "pass": len(passes) if runs or passes else None,
        "attempts": attempts or None,
        "conversions": conversions if attempts else None,
        "touchdown_plays": {k for k in keys if newest[k, "result"] == "Touchdown"},
        "key_plays": {c.play_id or c.id for c in clips if c.is_favorite}
        | {c.play_id or c.id for c in clips for t in tags if t.clip_id == c.id and t.is_important},
        "quarters": {
            q: sum(newest[k, "quarter"] == q for k in keys)
            for q in {newest[k, "quarter"] for k in keys} - {None}
        },
    }


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


tag_fields = st.fixed_dictionaries(
    {
        "quarter": maybe(st.integers(1, 5)),
        "down": maybe(st.sampled_from([1, 3, 3, 3])),
        "distance": maybe(st.integers(1, 10)),
        "play_type": maybe(st.sampled_from(["Run", "Pass", "Punt"])),
        "result": maybe(st.sampled_from(["First Down", "Touchdown", "Complete", "Incomplete"])),
        "yards_gained": maybe(st.integers(-5, 12)),
    }
)


@st.composite
def sessions(draw: st.DrawFn) -> tuple[list[ClipFact], list[TagFact]]:
    clips = [
        ClipFact(
            f"c{at}", draw(maybe(st.sampled_from(["p1", "p2"]))), draw(st.integers(0, 9)), draw(st.booleans())
        )
        for at in range(draw(st.integers(0, 6)))
    ]
    names = [each.id for each in clips] + ["gone"]
    tags = [
        TagFact(
            draw(st.sampled_from(names)),
            (draw(st.integers(0, 3)), f"t{at}"),
            draw(tag_fields),
            draw(st.booleans()),
        )
        for at in range(draw(st.integers(0, 10)))
    ]
    return clips, tags


@given(sessions())
def test_the_figures_agree_with_the_definitions_taken_word_by_word(
    session: tuple[list[ClipFact], list[TagFact]],
) -> None:  # V19
    clips, tags = session
    stats, expected = session_stats(clips, tags), naive(clips, tags)
    assert stats["total_plays"] == expected["total_plays"]
    assert (stats["run_pass"]["run"], stats["run_pass"]["pass"]) == (expected["run"], expected["pass"])
    assert stats["third_down"]["attempts"] == expected["attempts"]
    assert stats["third_down"]["conversions"] == expected["conversions"]
    assert set(stats["touchdown_plays"]) == expected["touchdown_plays"]
    assert set(stats["key_plays"]) == expected["key_plays"]
    assert {each["quarter"]: each["total_plays"] for each in stats["by_quarter"]} == expected["quarters"]
    shares = (stats["run_pass"]["run_share"], stats["run_pass"]["pass_share"])
    assert shares == (None, None) or sum(shares) == pytest.approx(1)


@given(sessions(), st.randoms())
def test_the_figures_do_not_depend_on_the_order_of_rows(
    session: tuple[list[ClipFact], list[TagFact]], random: Any
) -> None:
    clips, tags = session
    before = session_stats(clips, tags)
    random.shuffle(clips)
    random.shuffle(tags)
    assert session_stats(clips, tags) == before
