"""The body of one PATCH: into objects of at most 8 MiB, each durable before it counts.

Owns: what is kept of a body that is cut, too long, or not what its checksum says. Without a checksum every
part counts at once, so a cut body keeps what arrived. With one the body counts whole or not at all: half a
body cannot be checked. Must not know: HTTP answers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import structlog

from appliance.cloud.objects.model import Objects
from appliance.cloud.uploads.leftovers import delete_parts
from appliance.cloud.uploads.store import Part, begin_part, count_parts
from appliance.cloud.uploads.tus.buffers import Buffer, Buffers
from appliance.cloud.uploads.tus.headers import CHECKSUM_MISMATCH, Checksum
from appliance.http.requests import ClientGone
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.leases import Lease
from appliance.kernel.store import Store

log = structlog.get_logger("uploads")

Body = AsyncIterator[bytes]
"""Chunks as they come. Raises ClientGone when the connection ends before the body."""


@dataclass(slots=True)
class Receiving:
    """One PATCH of an upload, under its lease. `offset`: where the next byte belongs; `length`: of the whole
    file."""

    store: Store
    objects: Objects
    buffers: Buffers
    lease: Lease
    offset: int
    length: int
    checksum: Checksum | None = None
    _unchecked: list[Part] = field(default_factory=list)  # durable, and do not count before the checksum
    _hash: Any = None

    async def take(self, body: Body) -> int:
        """Store the body; returns the new offset. Raises Refused (413 more bytes than the upload has, 460),
        Unavailable, LeaseLost, and ClientGone after what arrived was stored."""
        self._hash = self.checksum.begin() if self.checksum is not None else None
        buffer = self.buffers.begin()
        try:
            await self._take(body, buffer)
            await self._check()
        finally:
            buffer.clear()
        return self.offset

    async def _take(self, body: Body, buffer: Buffer) -> None:
        try:
            async for data in body:
                await self._add(data, buffer)
        except ClientGone:
            if self.checksum is None:
                await self._flush(buffer)
            else:
                await self._drop()
            raise
        await self._flush(buffer)

    async def _add(self, data: bytes, buffer: Buffer) -> None:
        if self.offset + len(buffer.data) + len(data) > self.length:
            if self.checksum is None:
                await self._flush(buffer)
            else:
                await self._drop()
            detail = f"the upload has {self.length} bytes, and the body goes on"
            raise Refused(
                413, "too_large", detail, "send what is missing", extra={"limit_bytes": self.length}
            )
        if self._hash is not None:
            self._hash.update(data)
        left = memoryview(data)
        while left:
            left = left[buffer.add(left) :]
            if buffer.is_due:
                await self._flush(buffer)

    async def _flush(self, buffer: Buffer) -> None:
        """Make the buffer an object. The row comes first: whatever happens, the object is known."""
        if not buffer.data:
            return
        begun = await self.store.write(partial(begin_part, lease=self.lease, start_byte=self.offset))
        # no other attempt has this key, so an object that is there already is this one (a repeated request
        # to the bucket)
        await self.objects.create(begun.object_key, bytes(buffer.data))
        part = replace(begun, size_bytes=len(buffer.data))
        if self.checksum is None:
            await self.store.write(partial(count_parts, lease=self.lease, parts=[part]))
        else:
            self._unchecked.append(part)
        self.offset += part.size_bytes
        buffer.clear()

    async def _check(self) -> None:
        if self.checksum is None:
            return
        if self._hash.digest() != self.checksum.digest:
            await self._drop()
            name = self.checksum.algorithm
            detail = f"the {name} of the body is another than Upload-Checksum: nothing of it is kept"
            raise Refused(CHECKSUM_MISMATCH, "checksum_mismatch", detail, "send it again")
        if self._unchecked:
            await self.store.write(partial(count_parts, lease=self.lease, parts=self._unchecked))

    async def _drop(self) -> None:
        """Delete what does not count. What cannot be deleted now goes with the upload (leftovers.py)."""
        parts, self._unchecked = self._unchecked, []
        try:
            await delete_parts(self.store, self.objects, self.lease.subject, parts)
        except Unavailable as error:
            log.warning("upload_parts_left", upload=self.lease.subject, reason=error.detail)
