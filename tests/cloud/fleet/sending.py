"""What a box sends, made by hand: events of a site, and their delivery to a store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from appliance.cloud.fleet.intake.events import Batch, read_batch
from appliance.cloud.fleet.intake.take import Sender, Taken, take_batch
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx

BOX = "5f0c3a52-3e43-4a71-8d2e-0d7a6a0d5b11"
OTHER_BOX = "0c1f7b9e-6f7d-4e55-9a9c-0d7a6a0d5b22"
EPOCH = "e1"
TIME = "2026-11-20T19:00:00.000Z"
Event = dict[str, Any]


def sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def event(
    seq: int,
    type_: str,
    subject: str,
    data: Any,
    *,
    site: str = "north",
    epoch: str = EPOCH,
    entry: str = "",
) -> Event:
    """`entry`: what the box's journal entry is made of, for its sha256."""
    return {
        "specversion": "1.0",
        "id": f"{epoch}:{seq}",
        "source": f"/sites/{site}",
        "type": f"org.stadiumbox.{type_}.v1",
        "subject": subject,
        "time": TIME,
        "datacontenttype": "application/json",
        "sequence": str(seq),
        "sha256": sha256_of(entry or f"{epoch} {seq} {type_} {subject} {data}"),
        "data": data,
    }


def changed(seq: int, kind: str, row_id: str, rev: int = 1, **options: Any) -> Event:
    """A whole resource after a change."""
    type_ = f"{kind}_created" if rev == 1 else f"{kind}_updated"
    resource = {"id": row_id, "rev": rev, "session_id": "s1", "title": f"{kind} {row_id} {rev}"}
    return event(seq, type_, f"{kind}:{row_id}", {f"{kind}_id": row_id, kind: resource}, **options)


def deleted(seq: int, kind: str, row_id: str, **options: Any) -> Event:
    data = {f"{kind}_id": row_id, "session_id": "s1"}
    return event(seq, f"{kind}_deleted", f"{kind}:{row_id}", data, **options)


def body_of(events: Sequence[Event]) -> bytes:
    return json.dumps(list(events)).encode()


def batch_of(events: Sequence[Event], site: str = "north") -> Batch:
    return read_batch(body_of(events), site)


async def send(
    store: Store,
    events: Sequence[Event],
    *,
    site: str = "north",
    box: str = BOX,
    epoch: str = EPOCH,
    after: tuple[int, str] | None = None,
) -> Taken:
    """Raises what the intake raises."""
    sender = Sender(site, box, epoch, after)
    taken = await store.write(partial(take_batch, sender=sender, batch=batch_of(events, site)))
    if taken.refused is not None:
        raise taken.refused
    return taken


@dataclass(frozen=True)
class Stored:
    """What the store has of a site, without the times at which it got it."""

    events: list[dict[str, Any]]
    resources: list[dict[str, Any]]
    parked: list[tuple[int, str, str]]
    cursor: int


def stored(tx: ReadTx, site: str = "north") -> Stored:
    events = tx.all("SELECT * FROM site_events WHERE site_id = ? ORDER BY epoch_number, seq", (site,))
    resources = tx.all("SELECT * FROM site_resources WHERE site_id = ? ORDER BY kind, id", (site,))
    parked = tx.all("SELECT * FROM parked_events WHERE site_id = ? ORDER BY epoch_number, seq", (site,))
    cursor = tx.value("SELECT cursor FROM site_epochs WHERE site_id = ? ORDER BY number DESC", (site,))
    return Stored(
        [_without(row, "taken_us", "site_id") for row in events],
        [
            _without(row, "updated_us", "site_id")
            | {name: row[name] is not None for name in ("deleted_us", "missing_us")}
            for row in resources
        ],
        [(row["seq"], row["code"], row["status"]) for row in parked],
        int(cursor or 0),
    )


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}
