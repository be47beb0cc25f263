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

import structlog
import trio

from appliance.box.sync.client import TIMEOUT_S, CloudClient, CloudUnavailable
from appliance.box.sync.up.private import is_private_kind, without_private
from appliance.domain import Resources
from appliance.kernel import json
from appliance.kernel.errors import Refused
from appliance.kernel.retry import Backoff
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx

PAGE: Final = 100  # rows of one read: about 10 ms
PART_BYTES: Final = 2**18  # a quarter of what is allowed: a slow line carries it in time
PART_BYTES_MAX: Final = 2**20  # once half of the parts that the cloud takes are sent
ALONE_MAX: Final = 2 * 2**20  # one resource that is larger than a part is sent alone, up to this size
PUTS_MAX: Final = 6  # attempts to send one part: a minute or so
COMMIT_S: Final = 300.0
PAUSE_S: Final = 0.02
PATH: Final = "/edge/v1/snapshots"
_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")

log = structlog.get_logger("sync")


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a snapshot."""

    resources: tuple[Resources, ...]
    share_notes: bool


@dataclass(frozen=True, slots=True)
class Commit:
    """A snapshot whose parts the cloud has all. Asked for until it is answered: the cloud goes on applying it
    where it was, and a new snapshot would begin all over. `left_out`: names of resources that it does not
    hold, since they are larger than the cloud takes."""

    path: str
    body: bytes
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of parts, in bytes: `larger` ones from `larger_from` on, so that their number stays below the cloud's
    limit."""

    part: int
    larger: int
    larger_from: int

    def of(self, number: int) -> int:
        return self.larger if number >= self.larger_from else self.part


async def send_parts(
    store: Store,
    client: CloudClient,
    content: Content,
    epoch: str,
    as_of_seq: int,
    reason: str,
    max_bytes_s: float = 0.0,
) -> Commit:
    """Send all of it, at most `max_bytes_s` (0: no limit). Raises what the client raises; it is then begun
    again."""
    asked = {"epoch": epoch, "as_of_seq": as_of_seq, "reason": reason[:300]}
    begun = await client.call("POST", PATH, body=json.encode(asked))
    snapshot_id = begun.get("id")
    if not isinstance(snapshot_id, str) or not _ID.fullmatch(snapshot_id):
        raise CloudUnavailable("cloud_answer", "the cloud began a snapshot without an id", "see its log")
    number, digest, left_out = 0, hashlib.sha256(), list[str]()
    async with aclosing(_parts(store, content, _sizes(begun))) as parts:
        async for part in parts:
            if await _is_too_large(client, f"{PATH}/{snapshot_id}/parts/{number + 1}", part):
                left_out.append(_name_of(part))
                log.error("too_large_for_the_cloud", resource=left_out[-1], bytes=len(part))
                continue
            number += 1
            digest.update(part)
            if max_bytes_s:
                await trio.sleep(len(part) / max_bytes_s)
    ended = {"parts": number, "sha256": digest.hexdigest()}
    return Commit(f"{PATH}/{snapshot_id}/commit", json.encode(ended), tuple(left_out))


async def _is_too_large(client: CloudClient, path: str, part: bytes) -> bool:
    """Send a part. True: it is one resource, and larger than this cloud takes: it must not hold up all
    others. Raises what the client raises."""
    is_one = part.count(b"\n") == 1
    if is_one and len(part) > ALONE_MAX:
        return True
    try:
        await _put(client, path, part)
    except Refused as error:
        if error.status != 413 or not is_one:
            raise
        return True
    return False


def _name_of(line: bytes) -> str:
    """`clip ID`."""
    shown = json.decode_long(line)
    return f"{shown['kind']} {shown['id']}"


def _sizes(begun: dict[str, Any]) -> Sizes:
    """From the limits that the cloud names; parts stay small where it names none."""
    larger, count = begun.get("part_bytes"), begun.get("parts_max")
    if type(larger) is not int or type(count) is not int:
        return Sizes(PART_BYTES, PART_BYTES, 1)
    return Sizes(PART_BYTES, min(max(larger, PART_BYTES), PART_BYTES_MAX), max(1, count // 2))


async def ask_commit(client: CloudClient, path: str, body: bytes) -> None:
    """Raises what the client raises: after CloudUnavailable the same is to be asked for again."""
    await client.call("POST", path, body=body, timeout_s=COMMIT_S)


async def _put(client: CloudClient, path: str, part: bytes) -> None:
    """Send one part, again when the connection fails: over one that breaks every few minutes, not all parts
    would ever arrive otherwise."""
    backoff, timeout_s = Backoff(base_s=1.0, cap_s=30.0), TIMEOUT_S * max(1.0, len(part) / PART_BYTES)
    for left in reversed(range(PUTS_MAX)):
        try:
            await client.call(
                "PUT", path, body=part, content_type="application/x-ndjson", timeout_s=timeout_s
            )
            return
        except CloudUnavailable:
            if not left:
                raise
            await trio.sleep(backoff.next_s())


async def _parts(store: Store, content: Content, sizes: Sizes) -> AsyncGenerator[bytes, None]:
    part, number = bytearray(), 1
    async with aclosing(_lines(store, content)) as lines:
        async for line in lines:
            if part and len(part) + len(line) > sizes.of(number):
                yield bytes(part)
                part.clear()
                number += 1
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
