"""The box's copies: whatever happens to answers on their way, the copies become what the cloud has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.box.sync.down import model, replicas
from appliance.box.sync.down.model import Answer, BadAnswer, read_answer
from appliance.box.sync.down.replicas import apply_changes, apply_snapshot, forget_cursor, position
from appliance.kernel import json
from appliance.kernel.tx import Tx
from tests.box.sync.down.cloud import SITE, URL, Cloud, answer, change, event, event_id, team

SCHEMA = next(Path(replicas.__file__).parents[1].glob("schema/*_sync_down.sql")).read_text()


def new_tx(now_us: int = 1) -> Tx:
    db = apsw.Connection(":memory:")
    db.execute(SCHEMA)
    return Tx(db, now_us)


@pytest.fixture
def tx() -> Iterator[Tx]:
    yield new_tx()


def stored(tx: Tx) -> dict[tuple[str, str], Any]:
    rows = tx.all("SELECT kind, id, resource FROM replicas")
    return {(row["kind"], row["id"]): json.decode(row["resource"].encode()) for row in rows}


def read(value: dict[str, Any]) -> Answer:
    return read_answer(value, SITE)


def begun(tx: Tx, cloud: Cloud) -> None:
    assert apply_snapshot(tx, URL, "", [read(cloud.snapshot())])


STEPS = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 3), st.integers(0, 9)),
    st.tuples(st.just("remove"), st.integers(0, 3), st.just(0)),
    st.tuples(st.just("ask"), st.integers(1, 3), st.just(0)),  # with pages of this size
    st.tuples(st.just("deliver"), st.integers(0, 20), st.just(0)),  # an answer that was given, new or old
    st.tuples(st.just("expire"), st.just(0), st.just(0)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_any_split_repetition_reordering_and_cut_ends_in_the_same_rows(
    steps: list[tuple[str, int, int]],
) -> None:
    tx, cloud, given_answers = new_tx(), Cloud(), list[tuple[str, Answer]]()
    begun(tx, cloud)
    for do, number, value in steps:
        row_id, asked = event_id(number), position(tx, URL).cursor
        if do == "put":
            cloud.put("event", row_id, event(number, rev=value))
        elif do == "remove":
            cloud.put("event", row_id, None)
        elif do == "ask" and asked:
            given_answers.append((asked, read(cloud.changes(int(asked), number))))
        elif do == "deliver" and given_answers:
            was_asked, page = given_answers[number % len(given_answers)]
            assert apply_changes(tx, URL, was_asked, page) == (was_asked == asked)
        elif do == "expire":
            forget_cursor(tx, URL)
            begun(tx, cloud)
    more = True
    while more:  # the line is good again
        asked = position(tx, URL).cursor
        page = read(cloud.changes(int(asked), 2))
        assert apply_changes(tx, URL, asked, page)
        more = page.more
    assert stored(tx) == cloud.live()


def test_a_snapshot_replaces_what_a_restored_cloud_no_longer_has(tx: Tx) -> None:
    cloud = Cloud()
    cloud.put("event", event_id(1), event(1, rev=1))
    begun(tx, cloud)
    for row_id in (1, 2):  # what the copy of the cloud lacks
        asked = position(tx, URL).cursor
        cloud.put("event", event_id(row_id), event(row_id, rev=9))
        assert apply_changes(tx, URL, asked, read(cloud.changes(int(asked))))
    restored = Cloud()
    restored.put("event", event_id(1), event(1, rev=1))
    forget_cursor(tx, URL)
    assert len(stored(tx)) == 2 and position(tx, URL).as_of_us == 1  # shown until the snapshot is here
    begun(tx, restored)
    assert stored(tx) == restored.live()


def test_a_resource_that_cannot_be_read_leaves_the_old_one_and_is_told(tx: Tx) -> None:
    begun(tx, Cloud())
    bad = event(1, home="Rovers")
    for seq, resource, count in ((1, event(1), 0), (2, bad, 1), (3, event(1, rev=3), 0)):
        asked = position(tx, URL).cursor
        page = read(answer(str(seq), change(seq, "event", resource)))
        assert apply_changes(tx, URL, asked, page)
        refused = position(tx, URL).refused
        assert len(refused) == count and all("home" in why for _, why in refused)
        assert stored(tx)["event", event_id(1)]["rev"] == (3 if seq == 3 else 1)


def test_another_cloud_and_another_format_begin_with_a_snapshot(
    tx: Tx, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert position(tx, URL).cursor == ""
    cloud = Cloud()
    cloud.put("team", team()["id"], team())
    begun(tx, cloud)
    assert position(tx, URL).cursor == "1" and position(tx, "https://other.example").cursor == ""
    monkeypatch.setattr(replicas, "FORMAT", model.FORMAT + 1)
    assert position(tx, URL).cursor == ""
    assert len(stored(tx)) == 1


def test_each_event_is_told_with_the_one_before(tx: Tx) -> None:
    told: list[tuple[int, int | None]] = []

    def on_event(_: Tx, now: dict[str, Any], before: dict[str, Any] | None) -> None:
        told.append((now["rev"], None if before is None else before["rev"]))

    cloud = Cloud()
    cloud.put("event", event_id(1), event(1, rev=1))
    assert apply_snapshot(tx, URL, "", [read(cloud.snapshot())], on_event)
    cloud.put("event", event_id(1), event(1, rev=2))
    assert apply_changes(tx, URL, "1", read(cloud.changes(1)), on_event)
    cloud.put("event", event_id(1), None)
    assert apply_changes(tx, URL, "2", read(cloud.changes(2)), on_event)
    assert told == [(1, None), (2, 1)]


def test_a_cloud_that_sends_without_end_fills_no_disk(tx: Tx, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(tx, Cloud())
    monkeypatch.setattr(replicas, "REPLICAS_MAX", 2)
    changes = [change(number, "event", event(number)) for number in range(3)]
    assert apply_changes(tx, URL, "0", read(answer("2", *changes[:2])))
    with pytest.raises(BadAnswer, match="more than 2"):
        apply_changes(tx, URL, "2", read(answer("3", changes[2])))
