"""Routes of boxes: events and snapshots. They read their requests themselves: a batch is larger than other
bodies, and its place is in headers.

Headers: `Box-Id` and `Site-Id` (box_request.py),
`Sync-After` (seq:sha256 of the last acknowledged entry), `Sync-Epoch` (of an
empty batch, by which a box shows that it is there), `Sync-Backlog` (entries still to be sent).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
from pydantic import BaseModel

from appliance.cloud.fleet.box_request import BoxRequest, box_of, read_box_request
from appliance.cloud.fleet.intake.counts import IntakeCounts
from appliance.cloud.fleet.intake.events import read_after, read_batch, read_epoch
from appliance.cloud.fleet.intake.snapshots import (
    CommitIn,
    Place,
    SnapshotIn,
    begin_snapshot,
    commit_snapshot,
    put_part,
    read_part,
)
from appliance.cloud.fleet.intake.take import Sender, Taken, take_batch
from appliance.cloud.fleet.intake.troubles import noting
from appliance.http.api import RawRoute, Receive, Routes, Scope, Send
from appliance.http.replies import json_reply, send_reply
from appliance.http.requests import parse_body
from appliance.kernel.errors import Refused, invalid
from appliance.kernel.ids import canonical_uuid
from appliance.kernel.store import Store

log = structlog.get_logger("fleet")

BATCH: Final = "application/cloudevents-batch+json"
NDJSON: Final = "application/x-ndjson"


class Rejected(BaseModel):
    """An event that was parked."""

    id: str
    code: str
    detail: str


class Acknowledged(BaseModel):
    """Everything up to `acked_through` was taken, `rejected` too. `parked`: how many events of the site still
    are; counted for an empty batch and one of which some were rejected."""

    acked_through: int
    rejected: list[Rejected]
    parked: int | None = None


class NewSnapshot(BaseModel):
    id: str
    part_bytes: int
    parts_max: int


class SnapshotPart(BaseModel):
    number: int
    sha256: str


class Committed(BaseModel):
    acked_through: int
    epoch: str


@dataclass(frozen=True, slots=True)
class Intake:
    """The handlers, over the store."""

    store: Store
    counts: IntakeCounts

    def routes(self) -> Routes:
        base, one = "/edge/v1/snapshots", "/edge/v1/snapshots/{snapshot_id}"
        raw = [
            RawRoute(
                "POST",
                "/edge/v1/events",
                self.events,
                "Take a batch of a box's journal.",
                takes=BATCH,
                returns=Acknowledged,
            ),
            RawRoute(
                "POST",
                base,
                self.begin,
                "Begin a snapshot: everything that a box has.",
                body=SnapshotIn,
                status=201,
                returns=NewSnapshot,
            ),
            RawRoute(
                "PUT",
                f"{one}/parts/{{number}}",
                self.part,
                "One part of a snapshot.",
                takes=NDJSON,
                returns=SnapshotPart,
            ),
            RawRoute(
                "POST",
                f"{one}/commit",
                self.commit,
                "Apply a snapshot.",
                body=CommitIn,
                returns=Committed,
            ),
        ]
        return Routes("boxes", raw=raw)

    async def events(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        """Raises Refused, Unavailable, ClientGone."""
        request = await read_box_request(scope, receive)
        sender = _sender(request)
        batch = read_batch(request.body or b"[]", request.site_id)
        async with noting(self.store, request.site_id, request.box_id):
            taken: Taken = await self.store.write(partial(take_batch, sender=sender, batch=batch))
        if taken.refused is not None:
            log.error("box_diverged", site=request.site_id, at=taken.refused.extra["at"])
            self.counts.diverged()
            raise taken.refused
        self.counts.took(taken)
        for rejected in taken.rejected:
            log.warning("event_parked", site=request.site_id, id=rejected["id"], reason=rejected["detail"])
        answer: dict[str, Any] = {"acked_through": taken.acked_through, "rejected": list(taken.rejected)}
        if taken.parked is not None:
            answer["parked"] = taken.parked
        await _answer(send, 200, answer)

    async def begin(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        request = await read_box_request(scope, receive)
        body = parse_body(request.headers, request.body, SnapshotIn)
        assert body is not None
        place = Place(request.site_id, request.box_id)
        async with noting(self.store, request.site_id, request.box_id):
            begun = await self.store.write(partial(begin_snapshot, place=place, body=body))
        await _answer(send, 201, begun)

    async def part(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        place = _place(box_of(scope), given)
        number = given["number"]
        if not number.isascii() or not number.isdecimal() or len(number) > 6:
            raise invalid("number", "must be a number")
        request = await read_box_request(scope, receive)
        text = read_part(request.body)
        put = partial(put_part, place=place, number=int(number), text=text)
        await _answer(send, 200, await self.store.write(put))

    async def commit(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        request = await read_box_request(scope, receive)
        body = parse_body(request.headers, request.body, CommitIn)
        assert body is not None
        async with noting(self.store, request.site_id, request.box_id):
            result = await commit_snapshot(self.store, _place(request, given), body)
        if missing := result.pop("missing_at_box", 0):
            log.warning("missing_at_box", site=request.site_id, resources=missing)
        log.info("site_snapshot_taken", site=request.site_id, as_of_seq=result["acked_through"])
        await _answer(send, 200, result)


def _place(request: BoxRequest, given: dict[str, str]) -> Place:
    try:
        snapshot_id = canonical_uuid(given["snapshot_id"])
    except ValueError:
        raise Refused(404, "not_found", "no such snapshot") from None
    return Place(request.site_id, request.box_id, snapshot_id)


def _sender(request: BoxRequest) -> Sender:
    def text(name: bytes) -> str:
        return request.headers.get(name, b"").decode("latin-1")

    epoch, backlog, version = text(b"sync-epoch"), text(b"sync-backlog"), text(b"box-version")
    return Sender(
        request.site_id,
        request.box_id,
        read_epoch(epoch) if epoch else "",
        read_after(text(b"sync-after")),
        int(backlog) if backlog.isdecimal() and backlog.isascii() and len(backlog) < 16 else 0,
        version[:64] if version.isprintable() else "",
    )


async def _answer(send: Send, status: int, value: dict[str, Any]) -> None:
    await send_reply(send, json_reply(status, value))
