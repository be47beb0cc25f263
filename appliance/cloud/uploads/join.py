"""Makes the file of an upload that has all its bytes: its parts, in order, become the object sha256/{hex}.

Owns: the order of the steps, so that a process may end between any two of them: the object is made whole or
not at all, then the row is changed, then the parts are deleted; each step may be repeated. The file is hashed
while it is written; if its sender declared no SHA-256, or the object exists, it is hashed first. Must not
know: SQL, who sent it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial

import structlog

from appliance.cloud.objects.model import NoObject, Objects
from appliance.cloud.uploads.leftovers import clean
from appliance.cloud.uploads.model import object_of
from appliance.cloud.uploads.store import (
    KIND,
    Part,
    complete_upload,
    fail_upload,
    read_upload,
)
from appliance.kernel.errors import Unavailable
from appliance.kernel.leases import Lease, LeaseLost, holding_lease
from appliance.kernel.store import Store
from appliance.kernel.tx import Row

log = structlog.get_logger("uploads")


class BadFile(Exception):
    """The parts are not the file that was declared. The message is for people."""


async def join_upload(store: Store, objects: Objects, upload_id: str, owner: str) -> bool:
    """Join one upload, then delete its parts; False: another process does, or it has to be tried again."""
    outcome: Exception | None = None
    try:
        async with holding_lease(store, KIND, upload_id, owner) as lease:
            if lease is None:
                return False
            try:
                await _join(store, objects, lease)
            except (Unavailable, LeaseLost) as error:
                outcome = error
    except LeaseLost as error:
        outcome = error
    if outcome is None:
        outcome = await clean(store, objects, upload_id)
    if outcome is not None:
        log.warning("upload_join_put_off", upload=upload_id, reason=str(outcome))
    return outcome is None


async def _join(store: Store, objects: Objects, lease: Lease) -> None:
    upload, parts = await store.read(partial(read_upload, upload_id=lease.subject))
    try:
        sha256 = await _make_object(objects, upload, parts)
    except (BadFile, NoObject) as error:
        reason = str(error) if isinstance(error, BadFile) else f"a stored part is missing: {error}"
        log.error("upload_failed", upload=upload["id"], reason=reason)
        await store.write(partial(fail_upload, lease=lease, reason=reason))
    else:
        await store.write(partial(complete_upload, lease=lease, sha256=sha256))
        log.info("upload_completed", upload=upload["id"], sha256=sha256, bytes=upload["length"])


async def _make_object(objects: Objects, upload: Row, parts: Sequence[Part]) -> str:
    """The SHA-256 of the object, which exists now. Raises BadFile, NoObject, Unavailable."""
    _require_whole(upload, parts)
    wanted = upload["wanted_sha256"]
    if wanted is None or await _exists(objects, object_of(wanted)):
        hashed = await _sha256_of(objects, parts)
        _require_equal(wanted, hashed)
        wanted = hashed
    # when the object exists meanwhile, it has this SHA-256
    await objects.create_long(object_of(wanted), _Stream(objects, parts, wanted), upload["length"])
    return str(wanted)


def _require_whole(upload: Row, parts: Sequence[Part]) -> None:
    at = 0
    for part in parts:
        if part.start_byte != at:
            raise BadFile(f"its parts do not follow one another at byte {at}")
        at += part.size_bytes
    if at != upload["length"]:
        raise BadFile(f"its parts have {at} bytes, not {upload['length']}")


def _require_equal(wanted: str | None, found: str) -> None:
    if wanted is not None and wanted != found:
        raise BadFile(f"its SHA-256 is {found}, and its sender declared {wanted}")


async def _exists(objects: Objects, key: str) -> bool:
    try:
        await objects.size(key)
    except NoObject:
        return False
    return True


class _Stream:
    """The bytes of the parts, in order. Raises BadFile after the last one when their SHA-256 is another than
    `wanted`."""

    def __init__(self, objects: Objects, parts: Sequence[Part], wanted: str | None = None) -> None:
        self._objects = objects
        self._parts = iter(parts)
        self._wanted = wanted
        self.digest = hashlib.sha256()

    def __aiter__(self) -> _Stream:
        return self

    async def __anext__(self) -> bytes:
        part = next(self._parts, None)
        if part is None:
            _require_equal(self._wanted, self.digest.hexdigest())
            raise StopAsyncIteration
        data = await self._objects.read(part.object_key)
        if len(data) != part.size_bytes:
            raise BadFile(f"a stored part has {len(data)} bytes, not {part.size_bytes}")
        self.digest.update(data)
        return data


async def _sha256_of(objects: Objects, parts: Sequence[Part]) -> str:
    stream = _Stream(objects, parts)
    async for _ in stream:
        pass
    return stream.digest.hexdigest()
