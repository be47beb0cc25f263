"""Snapshots on both databases: they bring what is there, and never delete."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from typing import Any

import pytest

from appliance.cloud.fleet.intake import snapshots
from appliance.cloud.fleet.intake.snapshots import (
    PART_BYTES,
    CommitIn,
    Place,
    SnapshotIn,
    begin_snapshot,
    commit_snapshot,
    put_part,
    read_part,
)
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.cloud.fleet.sending import BOX, changed, deleted, send, sha256_of, stored


def line(kind: str, row_id: str, title: str) -> dict[str, Any]:
    return {"kind": kind, "id": row_id, "resource": {"id": row_id, "session_id": "s1", "title": title}}


def gone(kind: str, row_id: str) -> dict[str, Any]:
    return {"kind": kind, "id": row_id, "deleted": True}


async def begin(store: Store, epoch: str, as_of_seq: int) -> Place:
    body = SnapshotIn(epoch=epoch, as_of_seq=as_of_seq, reason="a test")
    begun = await store.write(partial(begin_snapshot, place=Place("north", BOX), body=body))
    return Place("north", BOX, begun["id"])


async def put(store: Store, place: Place, *parts: list[dict[str, Any]]) -> CommitIn:
    """Each part twice; returns what a commit says."""
    digest = hashlib.sha256()
    for number, lines in enumerate(parts, start=1):
        body = b"".join(json.dumps(each).encode() + b"\n" for each in lines)
        digest.update(body)
        for _ in range(2):
            text = read_part(body)
            await store.write(partial(put_part, place=place, number=number, text=text))
    return CommitIn(parts=len(parts), sha256=digest.hexdigest())


async def snapshot(store: Store, epoch: str, as_of_seq: int, *parts: list[dict[str, Any]]) -> dict[str, Any]:
    place = await begin(store, epoch, as_of_seq)
    return await commit_snapshot(store, place, await put(store, place, *parts))


async def states(store: Store) -> dict[str, str]:
    rows = (await store.read(stored)).resources
    words = {(False, False): "there", (True, False): "deleted", (False, True): "missing"}
    return {row["id"]: words[row["deleted_us"], row["missing_us"]] for row in rows}


async def test_a_new_epoch_keeps_what_its_snapshot_lacks_and_lists_it(store: Store) -> None:
    await send(store, [changed(1, "clip", "c1"), changed(2, "clip", "c2"), changed(3, "clip", "c3")])
    answer = await snapshot(
        store, "e2", 40, [line("clip", "c1", "new"), gone("clip", "c2")], [line("clip", "c4", "new")]
    )
    assert answer == {"acked_through": 40, "epoch": "e2", "missing_at_box": 1}
    assert await states(store) == {"c1": "there", "c2": "deleted", "c3": "missing", "c4": "there"}
    trouble = await store.read(lambda tx: tx.value("SELECT trouble FROM sites"))
    assert "lacks 1 resources" in trouble and "a test" in trouble
    with pytest.raises(Refused) as refused:
        await send(store, [changed(4, "clip", "c1")])
    assert refused.value.code == "epoch_superseded" and refused.value.extra["is_known"] is True
    await send(store, [changed(41, "clip", "c3", 2, epoch="e2"), deleted(42, "clip", "c1", epoch="e2")])
    assert await states(store) == {"c1": "deleted", "c2": "deleted", "c3": "there", "c4": "there"}


async def test_a_snapshot_brings_an_epoch_forward(store: Store) -> None:
    """The box's journal was pruned past what it had sent."""
    await send(store, [changed(1, "clip", "c1"), changed(2, "clip", "c2")])
    await snapshot(store, "e1", 90, [line("clip", "c1", "newer"), line("clip", "c3", "new")])
    assert await states(store) == {"c1": "there", "c2": "missing", "c3": "there"}
    assert (await store.read(stored)).cursor == 90
    await send(store, [changed(91, "clip", "c2", 5)], after=(90, sha256_of("whatever")))
    assert (await states(store))["c2"] == "there"
    with pytest.raises(Refused) as refused:
        await begin(store, "e1", 90 - 1)
    assert refused.value.code == "snapshot_too_old"


async def test_a_commit_may_be_repeated(store: Store) -> None:
    place = await begin(store, "e1", 5)
    commit = await put(store, place, [line("clip", "c1", "x")])
    first = await commit_snapshot(store, place, commit)
    assert await commit_snapshot(store, place, commit) == {"acked_through": 5, "epoch": first["epoch"]}
    parts = await store.read(lambda tx: tx.value("SELECT count(*) FROM site_snapshot_parts"))
    assert parts == 0
    with pytest.raises(Refused) as refused:
        await put(store, place, [line("clip", "c1", "y")])
    assert refused.value.code == "committed"


async def test_a_commit_that_is_cut_goes_on_where_it_was(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = await begin(store, "e1", 5)
    commit = await put(store, place, *[[line("clip", f"c{number}", "x")] for number in range(4)])
    applied, apply, cut = list[int](), snapshots._apply_part, [True]

    def noted(tx: Tx, place: Place, number: int) -> None:
        if number == 3 and cut.pop():
            cut.append(False)
            raise Unavailable("cut", "the process ended")
        applied.append(number)
        apply(tx, place, number)

    monkeypatch.setattr(snapshots, "_apply_part", noted)
    with pytest.raises(Unavailable):
        await commit_snapshot(store, place, commit)
    for wrong in (put(store, place, [line("clip", "c1", "y")]), commit_snapshot(store, place, other(commit))):
        with pytest.raises(Refused) as refused:  # what is being applied stays as it was checked
            await wrong
        assert refused.value.status == 409
    await commit_snapshot(store, place, commit)
    assert applied == [1, 2, 3, 4] and len(await states(store)) == 4


def other(commit: CommitIn) -> CommitIn:
    return commit.model_copy(update={"sha256": "0" * 64})


async def test_a_snapshot_whose_parts_differ_is_not_applied(store: Store) -> None:
    place = await begin(store, "e1", 5)
    commit = await put(store, place, [line("clip", "c1", "x")], [line("clip", "c2", "x")])
    for wrong in (
        commit.model_copy(update={"parts": 1}),
        commit.model_copy(update={"parts": 3}),
        commit.model_copy(update={"sha256": "0" * 64}),
    ):
        with pytest.raises(Refused) as refused:
            await commit_snapshot(store, place, wrong)
        assert refused.value.code == "parts_differ"
    assert await states(store) == {} and (await store.read(stored)).cursor == 0


async def test_an_unfinished_snapshot_is_dropped_by_the_next_one(store: Store) -> None:
    first = await begin(store, "e1", 5)
    await put(store, first, [line("clip", "c1", "x")])
    await snapshot(store, "e1", 6, [line("clip", "c2", "x")])
    with pytest.raises(Refused) as refused:
        await put(store, first, [line("clip", "c1", "x")])
    assert refused.value.status == 404 and await states(store) == {"c2": "there"}


async def test_another_site_has_no_such_snapshot(store: Store) -> None:
    place = await begin(store, "e1", 5)
    for other in (Place("south", BOX, place.snapshot_id), Place("north", "other", place.snapshot_id)):
        with pytest.raises(Refused) as refused:
            await put(store, other, [line("clip", "c1", "x")])
        assert refused.value.status == 404


async def test_an_empty_box_has_an_empty_snapshot(store: Store) -> None:
    place = await begin(store, "e1", 0)
    answer = await commit_snapshot(store, place, await put(store, place))
    assert answer["acked_through"] == 0
    await send(store, [changed(1, "clip", "c1")])


async def test_a_kind_of_a_newer_box_does_not_hold_back_the_others(store: Store) -> None:
    await snapshot(store, "e1", 5, [line("laser", "l1", "x"), line("clip", "c1", "x")])
    assert await states(store) == {"c1": "there", "l1": "there"}


async def test_a_line_that_is_none_names_its_place() -> None:
    with pytest.raises(Refused) as refused:
        read_part(b'{"kind":"clip","id":"c1","deleted":true}\n{"kind":"laser"}\n')
    assert refused.value.errors[0].loc == "line 2"


def test_a_part_is_limited_and_one_larger_resource_comes_alone() -> None:
    line = json.dumps({"kind": "clip", "id": "c1", "resource": {"id": "c1", "t": "x" * PART_BYTES}}).encode()
    assert read_part(line + b"\n") and read_part(line)
    with pytest.raises(Refused, match="too_large"):
        read_part(line + b"\n" + line + b"\n")
