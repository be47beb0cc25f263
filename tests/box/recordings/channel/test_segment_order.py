"""The order of a channel's segments, and the neighbours of a span."""

from __future__ import annotations

from appliance.box.recordings.channel.segment_order import Order


def order(**starts: int) -> Order:
    made = Order()
    for name, start_us in starts.items():
        made.place(name, start_us)
    return made


def test_names_are_sorted_by_start_and_move_when_it_changes() -> None:
    made = order(b=20, a=10, c=30)
    assert list(made.newest_first()) == ["c", "b", "a"]
    made.place("a", 25)
    assert list(made.newest_first()) == ["c", "a", "b"]
    assert (made.start_us("a"), made.after("a"), made.after("c")) == (25, "c", None)
    assert list(made.before("c")) == ["a", "b"]
    made.drop("a")
    made.drop("a")
    assert list(made.newest_first()) == ["c", "b"]


def test_around_a_span_are_its_segments_and_one_neighbour_with_footage_on_each_side() -> None:
    made = order(**{f"n{start:02}": start for start in range(0, 100, 10)})
    ends = {f"n{start:02}": start + 10 for start in range(0, 100, 10)}

    def around(start: int, end: int, *empty: str) -> list[str]:
        return made.around(start, end, 10, lambda name: ends[name] > start, lambda name: name not in empty)

    assert around(42, 55) == ["n30", "n40", "n50", "n60"]
    assert around(42, 55, "n30", "n20") == ["n10", "n20", "n30", "n40", "n50", "n60"]
    assert around(-5, 5) == ["n00", "n10"]
    assert around(200, 300) == ["n90"]


def test_where_names_came_went_or_moved_is_reported_once() -> None:
    order = Order()
    order.place("a", 10)
    order.place("b", 20)
    assert order.take_moved() == [10, 20]
    order.place("a", 10)
    assert order.take_moved() == []
    order.place("a", 15)
    order.note_moved("b")
    assert order.take_moved() == [10, 15, 20]
    order.drop("b")
    assert order.take_moved() == [20]
