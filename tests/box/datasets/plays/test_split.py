"""The split: exact, reproducible, sticky, and without video of one side on the other."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.box.datasets.model import Play
from appliance.box.datasets.plays.overlaps import overlap_groups
from appliance.box.datasets.plays.split import Side, floor_of, order_key, split_games, split_plays

NAMES = st.lists(st.text("abcdef0123456789-", min_size=1, max_size=8), unique=True, max_size=40)
SEEDS = st.text(max_size=10)
TIMES = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 40)), max_size=40)


def play(name: str, start: float, length: float) -> Play:
    return Play(id=name, game_id="g", angle="LEFT", start_s=start, end_s=start + length)


@pytest.mark.parametrize(("count", "training"), [(0, 0), (1, 0), (2, 1), (5, 4), (9, 7), (10, 8), (99, 79)])
def test_the_cut_is_at_the_floor_of_80_percent(count: int, training: int) -> None:  # T18
    assert floor_of(count) == training == int(count * 0.8)
    split = split_plays([(f"p{at}",) for at in range(count)], {}, "seed")
    assert sum(side == "training" for side in split.sides.values()) == training
    assert split.drift() == 0


def test_the_floor_is_that_of_the_first_pipeline_for_every_count() -> None:  # T18
    assert [floor_of(count) for count in range(5000)] == [int(count * 0.8) for count in range(5000)]


def test_the_order_is_hmac_sha256_of_the_play_under_the_seed() -> None:  # T18
    assert order_key("seed", "p1") == hmac.new(b"seed", b"p1", hashlib.sha256).digest()
    names = [f"p{at}" for at in range(10)]
    first = sorted(names, key=lambda name: hmac.new(b"seed", name.encode(), hashlib.sha256).digest())[:8]
    sides = split_plays([(name,) for name in names], {}, "seed").sides
    assert {name for name, side in sides.items() if side == "training"} == set(first)


@given(NAMES, SEEDS, st.randoms())
def test_the_split_does_not_depend_on_the_order_of_the_rows(
    names: list[str], seed: str, random: object
) -> None:
    mixed = names[:]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    one, other = (split_plays([(name,) for name in each], {}, seed) for each in (names, mixed))
    assert one.sides == other.sides


@given(TIMES, SEEDS)
def test_plays_that_overlap_are_on_one_side(times: list[tuple[int, int]], seed: str) -> None:  # T19
    plays = [play(f"p{at}", start, length) for at, (start, length) in enumerate(times)]
    groups = overlap_groups(plays)
    assert sorted(name for group in groups for name in group) == sorted(each.id for each in plays)
    split = split_plays(groups, {}, seed)
    assert set(split.sides) == {each.id for each in plays}
    for one in plays:
        for other in plays:
            if one.start_s < other.end_s and other.start_s < one.end_s:
                assert split.sides[one.id] == split.sides[other.id]


@given(TIMES, TIMES, SEEDS)
def test_later_plays_move_no_earlier_one_and_show_no_video_of_the_other_side(
    early: list[tuple[int, int]], late: list[tuple[int, int]], seed: str
) -> None:  # T18, T19
    plays = [play(f"a{at}", *times) for at, times in enumerate(early)]
    first = split_plays(overlap_groups(plays), {}, seed)
    plays += [play(f"b{at}", *times) for at, times in enumerate(late)]
    second = split_plays(overlap_groups(plays), first.assignments, seed)
    assert first.sides.items() <= second.sides.items()
    assert set(second.sides) | set(second.left_out) == {each.id for each in plays}
    assert not set(second.sides) & set(second.left_out)
    bounds = {each.id: (each.start_s, each.end_s) for each in plays}
    for one, side in second.sides.items():
        for other, other_side in second.sides.items():
            if bounds[one][0] < bounds[other][1] and bounds[other][0] < bounds[one][1]:
                assert side == other_side


def test_a_play_between_both_sides_is_left_out() -> None:  # T19
    known: dict[str, Side] = {"a": "training", "b": "validation"}
    split = split_plays([("a", "b", "bridge")], known, "seed")
    assert split.left_out == ("bridge",) and split.sides == known


def test_a_group_too_large_for_the_cut_still_trains_and_its_drift_is_reported() -> None:  # T18
    split = split_plays([("a", "b", "c", "d", "e")], {}, "seed")
    assert set(split.sides.values()) == {"training"} and split.drift() == pytest.approx(0.2)


def test_an_assignment_outlives_its_play() -> None:  # T18
    first = split_plays([("a",), ("b",)], {}, "seed")
    without = split_plays([("b",)], first.assignments, "seed")
    assert without.sides == {"b": first.sides["b"]} and without.assignments == first.assignments


def test_whole_games_are_on_one_side_on_request() -> None:  # T19
    games = [f"g{at}" for at in range(10)]
    sides = split_games(games, {}, "seed")
    assert sorted(sides) == sorted(games) and list(sides.values()).count("training") == 8
    assert split_games([*games, "new"], sides, "seed").items() >= sides.items()
