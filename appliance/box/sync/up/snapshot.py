"""A snapshot for the cloud: every resource, and the id of every one that was deleted, in parts.

Owns: reading it page by page, so that no read of the database is long. A page that is read later may be newer
than `as_of_seq`: the events after it bring the cloud to the same state. Must not know: which domains there
are; each one's `resources` say what it has.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import trio

from appliance.box.sync.client import CloudClient, CloudUnavailable
from appliance.box.sync.up.private import is_private_kind, without_private
from appliance.domain import Resources
from appliance.kernel import json
from appliance.kernel.retry import Backoff
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx

PAGE: Final = 100  # rows of one read: about 10 ms
PART_BYTES: Final = 2**18  # a quarter of what is allowed: a slow line carries it in time
PUTS_MAX: Final = 6  # attempts to send one part: a minute or so
COMMIT_S: Final = 300.0
PAUSE_S: Final = 0.02
PATH: Final = "/edge/v1/snapshots"
_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a snapshot."""

    resources: tuple[Resources, ...]
    share_notes: bool


async def send_snapshot(
    store: Store, client: CloudClient, content: Content, epoch: str, as_of_seq: int, reason: str
) -> None:
    """Send all of it. Raises what the client raises; it is then begun again."""
    asked = {"epoch": epoch, "as_of_seq": as_of_seq, "reason": reason[:300]}
    begun = await client.call("POST", PATH, body=json.encode(asked))
    snapshot_id = begun.get("id")
    if not isinstance(snapshot_id, str) or not _ID.fullmatch(snapshot_id):
        raise CloudUnavailable("cloud_answer", "the cloud began a snapshot without an id", "see its log")
    number, digest = 0, hashlib.sha256()
    async with aclosing(_parts(store, content)) as parts:
        async for part in parts:
            number += 1
            digest.update(part)
            await _put(client, f"{PATH}/{snapshot_id}/parts/{number}", part)
    ended = {"parts": number, "sha256": digest.hexdigest()}
    path = f"{PATH}/{snapshot_id}/commit"
    await client.call("POST", path, body=json.encode(ended), timeout_s=COMMIT_S)


async def _put(client: CloudClient, path: str, part: bytes) -> None:
    """Again when the line fails: one that breaks every few minutes would otherwise never carry all parts."""
    backoff = Backoff(base_s=1.0, cap_s=30.0)
    for left in reversed(range(PUTS_MAX)):
        try:
            await client.call("PUT", path, body=part, content_type="application/x-ndjson")
            return
        except CloudUnavailable:
            if not left:
                raise
            await trio.sleep(backoff.next_s())


async def _parts(store: Store, content: Content) -> AsyncGenerator[bytes, None]:
    part = bytearray()
    async with aclosing(_lines(store, content)) as lines:
        async for line in lines:
            if part and len(part) + len(line) > PART_BYTES:
                yield bytes(part)
                part.clear()
            part += line
    if part:
        yield bytes(part)


async def _lines(store: Store, content: Content) -> AsyncGenerator[bytes, None]:
    for kind in content.resources:
        if is_private_kind(kind.kind) and not content.share_notes:
            continue
        last: str | None = ""
        while last is not None:
            lines, last = await store.read(partial(_page, kind, last, content.share_notes))
            for line in lines:
                yield line
            await trio.sleep(PAUSE_S)  # a snapshot never takes the machine from a game


def _page(kind: Resources, after: str, share_notes: bool, tx: ReadTx) -> tuple[list[bytes], str | None]:
    """(lines of the next rows by id, the last id; None: there are no more)."""
    sql = (
        f"SELECT *, CASE WHEN {kind.present} THEN 1 ELSE 0 END AS is_present"
        f" FROM {kind.table} WHERE id > ? ORDER BY id LIMIT ?"
    )
    rows = tx.all(sql, (after, PAGE))
    lines = []
    for row in rows:
        if row.pop("is_present"):
            resource = kind.resource(tx, row)
            shown = resource if share_notes else without_private(resource)
            line: dict[str, Any] = {"kind": kind.kind, "id": row["id"], "resource": shown}
        else:
            line = {"kind": kind.kind, "id": row["id"], "deleted": True, "session_id": row.get("session_id")}
        lines.append(json.encode(line) + b"\n")
    return lines, rows[-1]["id"] if len(rows) == PAGE else None


def all_resources(domains: Iterable[Any]) -> tuple[Resources, ...]:
    """Of every domain, in its order."""
    return tuple(each for domain in domains for each in domain.resources)
