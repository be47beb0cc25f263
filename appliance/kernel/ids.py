"""Identifiers: UUIDv7 made here, any RFC 9562 UUID taken from clients."""

from __future__ import annotations

import uuid

import uuid_utils


def new_uuid() -> str:
    """A new UUIDv7: sorts by the time it was made (RFC 9562 section 5.7)."""
    return str(uuid_utils.uuid7())


def canonical_uuid(text: str) -> str:
    """The lower-case hyphenated form. Raises ValueError for anything that is not a UUID."""
    try:
        made: str | None = str(uuid.UUID(text))
    except ValueError:
        made = None
    if made is None or made != text.lower():  # uuid.UUID also accepts braces, urn: and underscores
        raise ValueError("must be a UUID such as 0193b2f0-7c1e-7a55-9d3e-1f2a3b4c5d6e")
    return made
