"""Routes of uploads: tus 1.0 for boxes and for people, and what became of each upload as JSON.

Owns: which header means what where, and the headers of every answer. tus-js-client, Uppy and others work
unchanged; a page of any origin may use /logging/v1/uploads with a token (cloud/edge.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from appliance.cloud.objects.model import Objects
from appliance.cloud.uploads import store as uploads
from appliance.cloud.uploads.leftovers import clean
from appliance.cloud.uploads.machine import UploadState
from appliance.cloud.uploads.model import Upload, UploadMetadata, UploadsQuery, upload_resource
from appliance.cloud.uploads.owners import check_machine
from appliance.cloud.uploads.tus import headers as tus
from appliance.cloud.uploads.tus.buffers import Buffers
from appliance.cloud.uploads.tus.receive import Body, Receiving
from appliance.http.access import grant_of
from appliance.http.api import Ctx, RawRoute, Receive, Routes, Scope, Send
from appliance.http.caller import caller_of
from appliance.http.replies import Headers, Reply, json_reply, problem_reply, send_reply
from appliance.http.requests import ClientGone, Request, header_map, read_body, stream_body, validate
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.leases import Lease, LeaseLost, holding_lease
from appliance.kernel.operation import Answer, Caller, perform
from appliance.kernel.store import Store
from appliance.kernel.tx import Row, Tx

BASES: Final = ("/edge/v1/uploads", "/logging/v1/uploads")
"""Of boxes, of people."""
Handler = Callable[[Scope, Receive, Send, dict[str, str]], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Uploads:
    """The handlers. `max_bytes`: of one file, and of one owner's files that are not complete."""

    store: Store
    objects: Callable[[], Objects]
    owner: str  # this process, for its leases
    max_bytes: int
    buffers: Buffers = field(default_factory=Buffers)
    count: Callable[[int], object] = lambda size: None  # bytes that were stored

    def routes(self) -> Routes:
        routes = Routes("uploads")
        for base in BASES:
            routes.raw += self._of(base)

            @routes.get(base, query=UploadsQuery, items=Upload)
            async def listing(ctx: Ctx, query: UploadsQuery) -> Answer:
                """Uploads that the caller sees, in the order in which they were begun."""
                return Answer(200, await ctx.read(lambda tx: uploads.list_uploads(tx, ctx.caller, query)))

        return routes

    def _of(self, base: str) -> list[RawRoute]:
        one, body = f"{base}/{{upload_id}}", tus.CONTENT_TYPE.decode()
        any_origin = base == BASES[1]
        return [
            RawRoute("OPTIONS", base, self._tus(self.options), "What this tus server can do.", status=204),
            RawRoute(
                "POST",
                base,
                self._tus(self.create),
                "Begin an upload (tus): Upload-Length, Upload-Metadata.",
                status=201,
                returns=Upload,
                any_origin=any_origin,
            ),
            RawRoute(
                "GET",
                one,
                self._tus(self.show),
                "What became of an upload; HEAD gives its Upload-Offset (tus).",
                returns=Upload,
                any_origin=any_origin,
            ),
            RawRoute(
                "PATCH",
                one,
                self._tus(self.patch),
                "Send bytes from Upload-Offset on (tus).",
                takes=body,
                status=204,
                any_origin=any_origin,
            ),
            RawRoute(
                "DELETE",
                one,
                self._tus(self.delete),
                "Give an upload up (tus).",
                status=204,
                any_origin=any_origin,
            ),
        ]

    def _tus(self, handler: Handler) -> Callable[[Scope, Receive, Send, dict[str, str]], Awaitable[None]]:
        """The handler with tus's headers on every answer, refusals too."""

        async def answering(scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
            try:
                reply = await handler(scope, receive, send, given)
            except (Refused, Unavailable) as error:
                refused = problem_reply(error)
                versions = ((b"tus-version", tus.VERSION.encode()),) if refused.status == 412 else ()
                reply = _with(refused, *versions)
            await send_reply(send, _with(reply, tus.RESUMABLE))

        return answering

    async def options(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> Reply:
        return Reply(
            204,
            b"",
            headers=(
                (b"tus-version", tus.VERSION.encode()),
                (b"tus-extension", tus.EXTENSIONS.encode()),
                (b"tus-checksum-algorithm", ",".join(tus.ALGORITHMS).encode()),
                (b"tus-max-size", b"%d" % self.max_bytes),
            ),
        )

    async def create(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> Reply:
        headers, caller = header_map(scope), _caller(scope)
        tus.require_version(headers)
        length = tus.length_of(headers)
        metadata = validate(UploadMetadata, tus.metadata_of(headers))
        await read_body(headers, receive, 0)

        def create(tx: Tx) -> Answer:
            check_machine(tx, caller, _text(headers, b"box-id"))
            return uploads.create_upload(tx, caller, length, metadata, self.max_bytes)

        answer = await perform(self.store, caller, create)
        upload_id = answer.resource["id"]
        row = await self.store.read(lambda tx: uploads.visible_upload(tx, caller, upload_id))
        place = (b"location", f"{scope['path']}/{upload_id}".encode())
        return json_reply(201, upload_resource(row), place, *_progress(row))

    async def show(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> Reply:
        row = await self._visible(_caller(scope), given)
        return json_reply(200, upload_resource(row), *_progress(row))

    async def patch(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> Reply:
        """Raises ClientGone once what arrived of a cut body is stored."""
        headers, caller = header_map(scope), _caller(scope)
        await self._visible(caller, given)
        tus.require_version(headers)
        offset, checksum = tus.offset_of(headers), tus.checksum_of(headers)
        await self.store.read(lambda tx: check_machine(tx, caller, _text(headers, b"box-id")))
        body = stream_body(receive, send)
        try:
            async with holding_lease(self.store, uploads.KIND, given["upload_id"], self.owner) as lease:
                outcome = await self._receive(lease, caller, given, offset, checksum, body)
        except LeaseLost:
            outcome = uploads.locked(given["upload_id"])
        if isinstance(outcome, Exception):
            raise outcome
        row = await self._visible(caller, given)
        return Reply(204, b"", headers=_progress(row, outcome))

    async def _receive(
        self,
        lease: Lease | None,
        caller: Caller,
        given: dict[str, str],
        offset: int,
        checksum: tus.Checksum | None,
        body: Body,
    ) -> int | Exception:
        """The new offset, or why the body was not taken: errors are not raised inside the lease's nursery."""
        if lease is None:
            return uploads.locked(given["upload_id"])
        try:
            row = await self._visible(caller, given)  # nothing changes it from now on
            _check_offset(row, offset)
            taking = Receiving(
                self.store, self.objects(), self.buffers, lease, offset, row["length"], checksum
            )
            try:
                return await taking.take(body)
            finally:
                self.count(taking.offset - offset)
        except LeaseLost:
            return uploads.locked(given["upload_id"])
        except (Refused, Unavailable, ClientGone) as error:
            return error

    async def delete(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> Reply:
        headers, caller = header_map(scope), _caller(scope)
        await self._visible(caller, given)
        tus.require_version(headers)
        await self.store.write(
            partial(uploads.delete_upload, caller=caller, upload_id=given["upload_id"], owner=self.owner)
        )
        await clean(self.store, self.objects(), given["upload_id"])
        return Reply(204, b"")

    async def _visible(self, caller: Caller, given: dict[str, str]) -> Row:
        upload_id = given["upload_id"]
        return await self.store.read(lambda tx: uploads.visible_upload(tx, caller, upload_id))


def _check_offset(row: Row, offset: int) -> None:
    if row["state"] != UploadState.RECEIVING:
        raise uploads.no_longer_receiving(row)
    if offset != row["received"]:
        detail = f"Upload-Offset: {row['received']} bytes are stored, not {offset}"
        hint = "send from there; HEAD gives it too"
        raise Refused(409, "wrong_offset", detail, hint, extra={"offset": row["received"]})


def _caller(scope: Scope) -> Caller:
    peer = str((scope.get("client") or ("local", 0))[0])
    query = scope["query_string"].decode("latin-1")
    headers = header_map(scope)
    made = Request(scope["method"], scope["path"], query, headers, _begun(headers), peer, "", grant_of(scope))
    return caller_of(made)


def _begun(headers: Mapping[bytes, bytes]) -> bytes:
    """What makes two creations with one Idempotency-Key the same."""
    return b"\n".join(headers.get(name, b"") for name in (b"upload-length", b"upload-metadata"))


def _progress(row: Row, received: int | None = None) -> Headers:
    """Offset, length and expiry, as tus has them."""
    headers = [
        (b"upload-offset", b"%d" % (row["received"] if received is None else received)),
        (b"upload-length", b"%d" % row["length"]),
    ]
    if row["state"] == UploadState.RECEIVING:
        headers.append((b"upload-expires", tus.http_date(row["until_us"]).encode()))
    return tuple(headers)


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


def _with(reply: Reply, *headers: tuple[bytes, bytes]) -> Reply:
    return replace(reply, headers=(*reply.headers, *headers))
