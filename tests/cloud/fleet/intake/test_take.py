"""Batches in every order, on both databases: each event is taken once, and what differs is noticed."""

from __future__ import annotations

from functools import partial
from typing import Any

import apsw
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.cloud.fleet.intake import parked, rows, take
from appliance.cloud.fleet.intake.parked import ParkedQuery
from appliance.cloud.fleet.sites import load_site, replace_box
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.store import Store, StoreFull
from appliance.kernel.tx import Tx
from tests.cloud.fleet.sending import (
    OTHER_BOX,
    Event,
    Stored,
    batch_of,
    changed,
    deleted,
    event,
    send,
    sha256_of,
    stored,
)

COUNTERS = {"clip_count": 2, "tag_count": 0, "total_duration_seconds": 9.5}


def a_game(site: str = "north") -> list[Event]:
    """Each kind of event: changes, deletes, figures, unknown ones, one that cannot be applied."""
    clip = changed(4, "clip", "c1", site=site)
    clip["data"] |= {"session_id": "s1", "session": COUNTERS}
    return [
        changed(1, "channel", "cam1", site=site),
        changed(2, "session", "s1", site=site),
        changed(3, "play", "p1", site=site),
        clip,
        event(5, "recording_gap", "channel:cam1", {"channel_id": "cam1"}, site=site),
        changed(6, "clip", "c1", 2, site=site),
        event(7, "clip_ready", "clip:c1", {"clip": "not whole"}, site=site),
        event(8, "laser_fired", "laser:1", {"power": 3}, site=site),
        changed(9, "tag", "t1", site=site),
        deleted(10, "clip", "c1", site=site),
        deleted(11, "tag", "never seen", site=site) | {"subject": "tag:t9"},
        changed(12, "session", "s1", 2, site=site),
    ]


async def test_every_delivery_of_a_stream_gives_the_same_state(store: Store) -> None:
    """Any prefix, duplicate, order and split of batches, then the whole stream: as one event at a time."""
    for at in range(12):
        await send(store, a_game("plain")[at : at + 1], site="plain")
    expected = await store.read(partial(stored, site="plain"))
    assert (expected.cursor, len(expected.events), expected.parked) == (12, 12, [(7, "bad_event", "parked")])
    sites = iter(range(10_000))

    async def deliver(slices: list[tuple[int, int]]) -> None:
        site = f"site{next(sites)}"
        events = a_game(site)
        for first, count in [*slices, (0, 12)]:
            try:
                await send(store, events[first : first + count], site=site)
            except Refused as error:
                assert error.code in ("hole", "epoch_superseded")
        state = await store.read(partial(stored, site=site))
        assert state == with_hashes_of(state, expected)

    @settings(max_examples=15 if store.engine.is_shared else 40)
    @given(st.lists(st.tuples(st.integers(0, 11), st.integers(1, 12)), max_size=8))
    def every_delivery(slices: list[tuple[int, int]]) -> None:
        trio.from_thread.run(deliver, slices)

    await trio.to_thread.run_sync(every_delivery)


def with_hashes_of(state: Any, expected: Any) -> Any:
    """`expected` for another site, whose entries have other hashes."""
    events = [
        {**event, "sha256": own["sha256"]} for event, own in zip(expected.events, state.events, strict=True)
    ]
    return type(expected)(events, expected.resources, expected.parked, expected.cursor)


async def test_an_order_within_a_batch_does_not_matter(store: Store) -> None:
    await send(store, a_game()[::-1])
    await send(store, a_game("south"), site="south")
    north, south = [await store.read(partial(stored, site=site)) for site in ("north", "south")]
    assert north == with_hashes_of(north, south)


async def test_a_hole_names_what_is_expected_and_nothing_is_applied(store: Store) -> None:
    events = a_game()
    await send(store, events[:3])
    for sent in (events[4:], [*events[3:5], *events[7:]]):
        with pytest.raises(Refused) as refused:
            await send(store, sent)
        assert refused.value.code == "hole" and refused.value.status == 409
        assert refused.value.extra["expected"] == (4 if sent[0] is events[4] else 6)
    assert (await store.read(stored)).cursor == 3
    with pytest.raises(Refused) as refused:  # the cloud was set back: it has less than the box was told
        await send(store, [], after=(9, sha256_of("x")))
    assert refused.value.extra["expected"] == 4


async def test_another_journal_is_noticed_and_nothing_is_applied(store: Store) -> None:
    events = a_game()
    await send(store, events[:6])
    other = [each | {"sha256": sha256_of(f"other {at}")} for at, each in enumerate(events)]
    await send(store, events[3:6], after=(3, events[2]["sha256"]))  # the answer was lost: known, the same
    for sent, after, at in (
        (other[4:8], None, 5),
        (other[6:], (6, other[5]["sha256"]), 6),
        ([], (4, other[3]["sha256"]), 4),
    ):
        with pytest.raises(Refused) as refused:
            await send(store, sent, after=after)
        assert (refused.value.status, refused.value.code, refused.value.extra["at"]) == (409, "diverged", at)
    state = await store.read(stored)
    assert state.cursor == 6 and len(state.events) == 6
    assert "set back" in (await store.read(partial(load_site, site_id="north")))["trouble"]
    await store.write(partial(take.resolve_trouble, site_id="north"))
    assert (await store.read(partial(load_site, site_id="north")))["trouble"] == ""


async def test_one_machine_at_a_time_sends_for_a_site(store: Store) -> None:
    await send(store, a_game()[:2])
    with pytest.raises(Refused) as refused:
        await send(store, a_game()[2:], box=OTHER_BOX)
    assert refused.value.code == "other_box"
    await store.write(partial(replace_box, site_id="north"))
    await send(store, a_game()[2:4], box=OTHER_BOX)
    with pytest.raises(Refused):
        await send(store, a_game()[4:])


async def test_an_epoch_that_is_not_the_current_one_is_refused(store: Store) -> None:
    await send(store, a_game()[:2])
    with pytest.raises(Refused) as refused:
        await send(store, [changed(1, "clip", "c1", epoch="e2")])
    assert refused.value.code == "epoch_superseded" and refused.value.extra["is_known"] is False


async def test_an_error_of_ours_parks_one_event(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(tx: Any, site_id: str, epoch_number: int, changes: rows.Changes) -> int:
        if ("play", "p1") in changes:
            raise KeyError("of ours")
        return rows.apply_changes(tx, site_id, epoch_number, changes)

    monkeypatch.setattr(take, "apply_changes", broken)
    taken = await send(store, a_game())
    assert [(each["id"], each["code"]) for each in taken.rejected] == [
        ("e1:3", "internal"),
        ("e1:7", "bad_event"),
    ]
    assert taken.acked_through == 12
    monkeypatch.undo()
    page = await store.read(lambda tx: parked.list_parked(tx, "north", ParkedQuery()))
    (play,) = [each for each in page["items"] if each["code"] == "internal"]
    answer = await store.write(partial(parked.replay, site_id="north", row_id=play["id"]))
    assert answer.resource["status"] == "applied"
    resources = (await store.read(stored)).resources
    assert ("play", "p1", 3) in {(row["kind"], row["id"], row["seq"]) for row in resources}
    assert [each["seq"] for each in (await store.read(stored)).events] == list(range(1, 13))


async def test_what_is_kept_of_an_error_of_ours_quotes_no_row(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> int:
        raise KeyError("Failing row contains (secret)") from ValueError("secret")

    monkeypatch.setattr(take, "apply_changes", broken)
    taken = await send(store, [changed(1, "clip", "c1")])
    (rejected,) = taken.rejected
    assert "KeyError of ValueError" in rejected["detail"] and "secret" not in rejected["detail"]


async def test_a_full_disk_is_not_the_fault_of_an_event(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although there may be room to park it: the batch is refused, and taken whole when it is sent again."""

    def no_room(tx: Tx, site_id: str, epoch_number: int, changes: rows.Changes) -> int:
        if ("play", "p1") in changes and store.engine.is_shared:
            tx.run("DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$")
        elif ("play", "p1") in changes:
            raise apsw.FullError("database or disk is full")
        return rows.apply_changes(tx, site_id, epoch_number, changes)

    monkeypatch.setattr(take, "apply_changes", no_room)
    with pytest.raises(StoreFull):
        await send(store, a_game())
    assert await store.read(stored) == Stored([], [], [], 0)
    monkeypatch.undo()
    taken = await send(store, a_game())
    assert taken.acked_through == 12 and [each["code"] for each in taken.rejected] == ["bad_event"]


async def test_a_parked_event_that_is_older_than_its_row_is_superseded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(tx: Any, site_id: str, epoch_number: int, changes: rows.Changes) -> int:
        raise KeyError("of ours")

    events = [changed(1, "clip", "c1"), changed(2, "clip", "c1", 2)]
    monkeypatch.setattr(take, "apply_changes", broken)
    await send(store, events[:1])
    monkeypatch.undo()
    await send(store, events[1:])
    (row,) = (await store.read(lambda tx: parked.list_parked(tx, "north", ParkedQuery())))["items"]
    answer = await store.write(partial(parked.replay, site_id="north", row_id=row["id"]))
    assert answer.resource["status"] == "superseded"
    (clip,) = (await store.read(stored)).resources
    assert clip["seq"] == 2 and "clip c1 2" in clip["resource"]
    again = await store.write(partial(parked.replay, site_id="north", row_id=row["id"]))
    assert again.resource["status"] == "superseded"


async def test_a_hundred_errors_of_ours_in_a_row_take_nothing_more(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> int:
        raise KeyError("of ours")

    monkeypatch.setattr(take, "apply_changes", broken)
    events = [changed(seq, "clip", f"c{seq}") for seq in range(1, 121)]
    await send(store, events[:60])
    with pytest.raises(Unavailable) as unavailable:
        await send(store, events[60:])
    assert unavailable.value.status == 503
    assert (await store.read(stored)).cursor == 60
    monkeypatch.undo()
    await send(store, events[60:])
    state = await store.read(stored)
    assert state.cursor == 120 and len(state.parked) == 60


async def test_figures_of_a_session_come_with_its_clips(store: Store) -> None:
    await send(store, a_game()[:6])
    (row,) = [row for row in (await store.read(stored)).resources if row["kind"] == "session"]
    assert '"clip_count":2' in row["counters"]
    await send(store, a_game()[6:])
    (row,) = [row for row in (await store.read(stored)).resources if row["kind"] == "session"]
    assert row["counters"] is None and row["seq"] == 12


async def test_text_that_a_database_cannot_hold_is_parked_not_lost(store: Store) -> None:
    events = [
        event(1, "clip_ready", "clip:c\0", {"clip": {"id": "c\0"}}),
        event(2, "note_made", "note:1", {"text": "a\0b"}),
        changed(3, "clip", "c1"),
    ]
    taken = await send(store, events)
    assert [each["id"] for each in taken.rejected] == ["e1:1"] and taken.acked_through == 3


def test_an_old_place_costs_no_more_rows_than_are_shown() -> None:
    """A box may name entry 1 of a million as its last."""
    asked = []

    class Reading:
        def all(self, sql: str, params: Any) -> list[Any]:
            asked.append(params)
            return []

    epoch: Any = {"site_id": "north", "number": 1, "cursor": 50, "cursor_sha256": ""}
    batch = batch_of([changed(5, "clip", "c1"), changed(39, "clip", "c1")])
    reading: Any = Reading()
    assert take._diverges_at(reading, epoch, (1, "0" * 64), batch.events) is None
    assert asked == [("north", 1, 1, 5, 39)]
