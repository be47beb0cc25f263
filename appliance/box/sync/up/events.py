"""Journal entries as CloudEvents, and batches of them. Pure.

Owns: the wire form (`id` = {epoch}:{seq}, `source` = /sites/{site_id}, `sequence`, `sha256` of the entry) and
the size of a batch. `sha256` is that of the whole entry on the box, so that it can be compared although
private fields are not sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from appliance.box.sync.up.private import holds_private, is_private_kind, without_private
from appliance.kernel import json
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.journal import Entry, event_bytes

EVENTS_MAX: Final = 500
BATCH_BYTES: Final = 2**20
EVENT_MAX: Final = 2 * 2**20 - 2  # of one event alone, with the brackets of its batch
CONTENT_TYPE: Final = "application/cloudevents-batch+json"
_HEAD_MAX: Final = 2048  # of what stands in front of the data
WITHHELD: Final = (
    "withheld"  # the type of an entry whose content is private: its place in the journal is sent
)


@dataclass(frozen=True, slots=True)
class Batch:
    """`first` and `last`: seqs. `sha256`: of the last entry."""

    first: int
    last: int
    sha256: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Wire:
    """What is the same for every event of a box in an epoch."""

    site_id: str
    epoch: str
    share_notes: bool


def sha256_of(entry: Entry) -> str:
    """Of an entry as it stands in the journal."""
    return hashlib.sha256(entry.event).hexdigest()


def cloud_event(entry: Entry, wire: Wire) -> bytes:
    """One event, as JSON."""
    data = _data(entry)
    type_, subject = entry.type, entry.subject
    if not wire.share_notes:
        if is_private_kind(type_):
            type_, subject, data = WITHHELD, WITHHELD, b"{}"
        elif holds_private(data):
            data = json.encode(without_private(json.decode_long(data)))
    if len(data) > EVENT_MAX - _HEAD_MAX:
        data = json.encode({"too_large": len(data)})  # its place is sent, and the cloud parks it
    head = {
        "specversion": "1.0",
        "id": f"{wire.epoch}:{entry.seq}",
        "source": f"/sites/{wire.site_id}",
        "type": f"org.stadiumbox.{type_}.v1",
        "subject": subject,
        "time": to_rfc3339(entry.ts_us),
        "datacontenttype": "application/json",
        "sequence": str(entry.seq),
        "sha256": sha256_of(entry),
    }
    return json.encode(head)[:-1] + b',"data":' + data + b"}"


def _data(entry: Entry) -> bytes:
    """The event without type, seq and ts, which stand in front."""
    head = len(event_bytes(entry.type, entry.seq, entry.ts_us, b"{}")) - 1
    rest = entry.event[head:]
    return b"{" + rest[1:] if rest[:1] == b"," else b"{}"


def make_batch(entries: Sequence[Entry], wire: Wire, limit: int = EVENTS_MAX) -> Batch:
    """A batch of the first entries, as many as go into one. `entries` is not empty."""
    events: list[bytes] = []
    size = 2
    for event in _events(entries[:limit], wire):
        size += len(event) + 1
        if events and size > BATCH_BYTES:
            break
        events.append(event)
    last = entries[len(events) - 1]
    return Batch(entries[0].seq, last.seq, sha256_of(last), b"[" + b",".join(events) + b"]")


def _events(entries: Iterable[Entry], wire: Wire) -> Iterable[bytes]:
    return (cloud_event(entry, wire) for entry in entries)
