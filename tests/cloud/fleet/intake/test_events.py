"""A batch as it comes: what is refused whole, what is only marked, what each type changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.cloud.fleet.intake.events import (
    BATCH_BYTES,
    EVENTS_MAX,
    PREFIX,
    read_after,
    read_batch,
    snapshot_change,
)
from appliance.kernel.clock import from_rfc3339
from appliance.kernel.errors import Refused
from appliance.kernel.journal import Entry, event_bytes
from tests.cloud.fleet.sending import batch_of, body_of, changed, deleted, event

DEEP = json.loads("[" * 40 + "]" * 40)


def refusal(body: bytes) -> Refused:
    with pytest.raises(Refused) as refused:
        read_batch(body, "north")
    return refused.value


@pytest.mark.parametrize(
    ("change", "status", "where"),
    [
        ({"specversion": "0.3"}, 422, "0.specversion"),
        ({"id": "e1"}, 422, "0.id"),
        ({"id": "e1:0"}, 422, "0.id"),
        ({"id": "e1:07"}, 422, "0.id"),
        ({"id": 7}, 422, "0.id"),
        ({"id": "e1:9999999999999999"}, 422, "0.id"),
        ({"sequence": "8"}, 422, "0.sequence"),
        ({"sequence": 7}, 422, "0.sequence"),
        ({"source": "/sites/south"}, 404, "/sites/north"),
        ({"source": None}, 404, "/sites/north"),
    ],
)
def test_an_event_whose_place_is_not_clear_is_refused(
    change: dict[str, Any], status: int, where: str
) -> None:
    error = refusal(body_of([changed(7, "clip", "c1") | change]))
    assert error.status == status and where in error.detail


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[NaN]", 400),
        (b"[" * 1000 + b"]" * 1000, 400),
        (b"{}", 422),
        (b"[1]", 422),
        (b"null", 422),
        (body_of([changed(1, "clip", "c1"), changed(2, "clip", "c1", epoch="e2")]), 422),
        (body_of([changed(1, "clip", "c1"), changed(1, "clip", "c2")]), 422),
        (body_of([changed(seq, "clip", "c1") for seq in range(1, EVENTS_MAX + 2)]), 413),
    ],
)
def test_a_batch_that_is_none_is_refused(body: bytes, status: int) -> None:
    assert refusal(body).status == status


def test_one_large_event_goes_alone() -> None:
    large = event(1, "clip_ready", "clip:c1", {"clip": {"id": "c1", "title": "x" * BATCH_BYTES}})
    assert len(batch_of([large]).events) == 1
    assert refusal(body_of([large, changed(2, "clip", "c1")])).status == 413


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (event(1, "clip_ready", "clip:c1", {"clip": None}), "data.clip"),
        (event(1, "clip_ready", "clip:c1", {"clip": {"id": "c2"}}), "data.clip.id"),
        (event(1, "clip_ready", "c1", {"clip": {"id": "c1"}}), "subject"),
        (event(1, "clip_deleted", "clip:../x", {}), "subject"),
        (event(1, "clip_ready", "clip:c1", [1]), "data"),
        (event(1, "clip_ready", "clip:c1", {"clip": {"id": "c1", "session_id": 5}}), "session_id"),
        (event(1, "clip_ready", "clip:c1", {"clip": {"id": "c1", "x": DEEP}}), "nested"),
        (event(1, "x", "y", {}) | {"time": 5}, "time"),
        (event(1, "x", "y" * 300, {}), "subject"),
    ],
)  # fmt: skip
def test_an_event_whose_content_is_wrong_is_marked(sent: dict[str, Any], why: str) -> None:
    (read,) = batch_of([sent]).events
    assert why in read.bad and read.change is None and read.as_sent == sent


def test_what_each_type_changes() -> None:
    sent = [
        changed(1, "session", "s1"),
        changed(2, "clip", "c1"),
        deleted(3, "clip", "c1"),
        event(4, "channel_status", "channel:cam1", {"channel_id": "cam1", "channel": {"id": "cam1"}}),
        event(5, "footage_deleted", "channel:cam1", {}),
        event(6, "clip_shared", "clip:c1", {"with": "x"}),  # of a newer box, without the resource
        event(7, "clip_shared", "clip:c1", {"clip": {"id": "c1", "session_id": "s1"}}),  # with it
        event(8, "clip_ready", "clip:c1", {"clip": {"id": "c1"}}) | {"type": f"{PREFIX}clip_ready.v2"},
        event(9, "withheld", "withheld", {}),
    ]
    read = batch_of(sent).events
    changes = [
        (each.change.kind, each.change.id, each.change.session_id) if each.change else None for each in read
    ]
    assert changes == [
        ("session", "s1", "s1"),
        ("clip", "c1", "s1"),
        ("clip", "c1", "s1"),
        ("channel", "cam1", None),
        None,
        None,
        ("clip", "c1", "s1"),
        None,
        None,
    ]  # fmt: skip
    assert [each.bad for each in read] == [""] * 9
    play = {"id": "p1", "clip_ids": [], "number": 3}
    (stored,) = batch_of([event(1, "play_created", "play:p1", {"play": play})]).events
    assert stored.change is not None and stored.change.resource == '{"id":"p1","number":3}'
    assert read[2].change is not None and read[2].change.is_deleted
    assert read[7].type == f"{PREFIX}clip_ready.v2"


def test_the_hash_of_an_entry_is_that_of_the_event_as_the_box_shows_it() -> None:
    """Unless the box sends it, because fields are missing."""
    import hashlib

    time = "2026-11-20T19:00:00.000000Z"
    data = {"clip_id": "c1", "clip": {"id": "c1", "n": 1.5, "text": "ü"}}
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
    entry = Entry(7, from_rfc3339(time), "clip_ready", "clip:c1", None, b"")
    whole = event_bytes(entry.type, entry.seq, entry.ts_us, text)
    sent = event(7, "clip_ready", "clip:c1", data)
    sent["time"] = json.loads(whole)["ts"]
    (given,) = batch_of([sent]).events
    assert given.sha256 == sent.pop("sha256")
    (computed,) = batch_of([sent]).events
    assert computed.sha256 == hashlib.sha256(whole).hexdigest()


def test_the_header_of_the_last_acknowledged_entry() -> None:
    digest = "a" * 64
    assert read_after("") is None
    assert read_after(f"7:{digest}") == (7, digest)
    assert read_after("7:") == read_after("7") == (7, "")
    for wrong in ("x", "7:abc", f"-1:{digest}", f"7:{digest}0"):
        with pytest.raises(Refused):
            read_after(wrong)


@pytest.mark.parametrize(
    "line",
    [
        5,
        {},
        {"kind": "La ser", "id": "1", "deleted": True},
        {"kind": "clip", "id": "", "deleted": True},
        {"kind": "clip", "id": "c1"},
        {"kind": "clip", "id": "c1", "resource": {"id": "c2"}},
    ],
)
def test_a_line_of_a_snapshot_that_is_none(line: Any) -> None:
    with pytest.raises(ValueError):
        snapshot_change(line)
