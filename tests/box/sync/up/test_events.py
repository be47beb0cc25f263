"""Entries as CloudEvents: the other side reads what the journal holds."""

from __future__ import annotations

import json

from appliance.box.sync.up import events
from appliance.box.sync.up.events import Wire, make_batch, sha256_of
from appliance.cloud.fleet.box_request import BODY_MAX
from appliance.cloud.fleet.intake import events as intake
from appliance.cloud.fleet.intake.events import read_batch
from appliance.kernel.journal import Entry, event_bytes
from tests.kit.clock import KICKOFF_US

WIRE = Wire("north", "e1", share_notes=False)


def entry(seq: int, body: object, type_: str = "tag_created", subject: str = "tag:t1") -> Entry:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    return Entry(seq, KICKOFF_US, type_, subject, None, event_bytes(type_, seq, KICKOFF_US, text))


def test_both_sides_agree_on_the_limits() -> None:
    assert (events.EVENTS_MAX, events.BATCH_BYTES) == (intake.EVENTS_MAX, intake.BATCH_BYTES)


def test_the_wire_form() -> None:
    tag = {"id": "t1", "session_id": "s1", "notes": "ü"}
    sent = entry(7, {"session_id": "s1", "tag": tag})
    (event,) = json.loads(make_batch([sent], WIRE).body)
    assert event == {
        "specversion": "1.0",
        "id": "e1:7",
        "source": "/sites/north",
        "type": "org.stadiumbox.tag_created.v1",
        "subject": "tag:t1",
        "time": json.loads(sent.event)["ts"],
        "datacontenttype": "application/json",
        "sequence": "7",
        "sha256": sha256_of(sent),
        "data": {"session_id": "s1", "tag": tag},
    }
    (read,) = read_batch(make_batch([sent], WIRE).body, "north").events
    assert (read.seq, read.type, read.session_id, read.sha256) == (7, "tag_created", "s1", sha256_of(sent))
    assert read.change is not None and json.loads(read.change.resource or "") == tag


def test_the_hash_is_that_of_the_whole_entry_although_a_field_is_not_sent() -> None:
    sent = entry(7, {"tag": {"id": "t1", "coach_notes": "secret"}})
    batch = make_batch([sent], WIRE)
    assert b"secret" not in batch.body and batch.sha256 == sha256_of(sent)
    assert b"secret" in make_batch([sent], Wire("north", "e1", share_notes=True)).body


def test_a_private_kind_keeps_only_its_place() -> None:
    sent = entry(7, {"drawing": {"id": "secret"}}, "drawing_created", "drawing:secret")
    batch = make_batch([sent], WIRE)
    (read,) = read_batch(batch.body, "north").events
    assert b"secret" not in batch.body and (read.seq, read.type, read.data) == (7, "withheld", "{}")


def test_an_entry_without_fields() -> None:
    (read,) = read_batch(make_batch([entry(1, {}, "x", "y")], WIRE).body, "north").events
    assert read.data == "{}"


def test_a_batch_ends_at_either_limit_and_a_large_entry_goes_alone() -> None:
    small = [entry(seq, {"n": seq}) for seq in range(1, 700)]
    batch = make_batch(small, WIRE)
    assert (batch.first, batch.last) == (1, 500)
    wide = [entry(seq, {"text": "x" * 300_000}) for seq in range(1, 9)]
    batch = make_batch(wide, WIRE)
    assert batch.last == 3 and len(batch.body) <= events.BATCH_BYTES
    assert batch.sha256 == sha256_of(wide[2])
    alone = make_batch([entry(1, {"text": "x" * 2_000_000}), *small[1:]], WIRE)
    assert (alone.first, alone.last) == (1, 1)
    assert len(read_batch(alone.body, "north").events) == 1


def test_an_entry_that_is_too_large_keeps_its_place_and_is_parked_there() -> None:
    sent = entry(7, {"tag": {"id": "t1", "session_id": "s1", "notes": "x" * 2_100_000}})
    batch = make_batch([sent, entry(8, {})], WIRE)
    assert len(batch.body) < 2000 and (batch.first, batch.last) == (7, 8)
    taken = read_batch(batch.body, "north").events[0]
    assert taken.sha256 == sha256_of(sent) and "more than an event may have" in taken.bad


def test_an_entry_at_the_limit_goes_whole() -> None:
    notes = "x" * (events.EVENT_MAX - 5000)
    batch = make_batch([entry(7, {"tag": {"id": "t1", "session_id": "s1", "notes": notes}})], WIRE)
    assert len(batch.body) <= BODY_MAX
    assert read_batch(batch.body, "north").events[0].bad == ""
