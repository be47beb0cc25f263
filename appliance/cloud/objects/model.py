"""The interface of an object store, and the form of keys.

An object is written once and never changed: `create` either makes it, complete and durable, or finds that it
exists. The store is not used for anything else: which object is the newest, and which belong together, is in
rows of the database.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final, Protocol

from appliance.kernel.errors import Unavailable

PART_MAX: Final = 8 * 1024 * 1024  # bytes of one call that are held in memory
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]*(/[A-Za-z0-9][A-Za-z0-9._=-]*)*")
_KEY_MAX: Final = 512


class NoObject(LookupError):
    """There is no object under this key."""


class Objects(Protocol):
    """An object store. A key is names joined by slashes, as in "uploads/0193b2f0/0". All methods raise
    ValueError for other keys, and Unavailable when the store does not answer or a disk is full."""

    async def create(self, key: str, data: bytes) -> bool:
        """Make the object, up to PART_MAX bytes; False: there is one already, which is left as it is. Durable
        when it returns, either way."""
        ...

    async def create_long(self, key: str, parts: AsyncIterator[bytes], length: int) -> bool:
        """Make an object of any length from its parts in order; `length`: of all of them, in bytes. False as
        `create`. When `parts` raises, nothing is made and the error propagates. Of several that make one key
        at once, in a bucket the last one stays: for keys that name their content."""
        ...

    async def size(self, key: str) -> int:
        """The size in bytes. Raises NoObject."""
        ...

    async def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """The bytes [start, end), cut at the object's end; at most PART_MAX. Raises NoObject."""
        ...

    async def delete(self, key: str) -> None:
        """Delete the object; nothing happens when there is none."""
        ...


def checked_key(key: str) -> str:
    """The key itself. Raises ValueError for a key of another form (no "..", no hidden file)."""
    if len(key) > _KEY_MAX or not _KEY.fullmatch(key):
        raise ValueError(f"no key of an object: {key[:100]!r}")
    return key


def checked_data(data: bytes) -> bytes:
    if len(data) > PART_MAX:
        raise ValueError(f"an object has at most {PART_MAX} bytes here, not {len(data)}")
    return data


def checked_range(start: int, end: int | None) -> tuple[int, int]:
    """(start, the most bytes to read)."""
    length = PART_MAX if end is None else end - start
    if start < 0 or not 0 <= length <= PART_MAX:
        raise ValueError(f"no range of at most {PART_MAX} bytes: {start} to {end}")
    return start, length


def unavailable(reason: str) -> Unavailable:
    return Unavailable("objects_unavailable", f"objects cannot be read or written: {reason}", "see [objects]")
