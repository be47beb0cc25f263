"""What uploads leave over: objects of parts that no longer count, uploads that got no byte for too long, rows
of those that came to nothing.

Owns: the order: objects first, then the rows that name them. Everything here may be killed and repeated, by
several processes at once. Must not know: HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from appliance.cloud.objects.model import Objects
from appliance.cloud.uploads.store import Part, expire_uploads, forget_parts, left_parts, prune_uploads
from appliance.kernel.errors import Unavailable
from appliance.kernel.store import Store


async def delete_parts(store: Store, objects: Objects, upload_id: str, parts: Sequence[Part]) -> None:
    """Raises Unavailable."""
    for part in parts:
        await objects.delete(part.object_key)
    if parts:
        await store.write(partial(forget_parts, upload_id=upload_id, parts=parts))


async def clean(store: Store, objects: Objects, upload_id: str) -> Unavailable | None:
    """Delete the parts of an upload that has ended; what cannot be deleted now is left to the sweep."""
    try:
        for ended_id, parts in await store.read(partial(left_parts, upload_id=upload_id)):
            await delete_parts(store, objects, ended_id, parts)
    except Unavailable as error:
        return error
    return None


async def sweep(store: Store, objects: Objects, owner: str) -> None:
    """Expire, delete the objects of what has ended, forget what ended long ago. Raises Unavailable."""
    while await store.write(partial(expire_uploads, owner=owner)):
        pass
    while left := await store.read(left_parts):
        for upload_id, parts in left:
            await delete_parts(store, objects, upload_id, parts)
    while await store.write(prune_uploads):
        pass
