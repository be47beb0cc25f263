"""What never leaves the box unless [cloud] share_notes: coach notes, drawings, playlists. Pure."""

from __future__ import annotations

from typing import Any, Final

FIELDS: Final = frozenset({"coach_notes", "drawings", "playlists"})
KINDS: Final = ("drawing", "playlist")
_MARKS: Final = tuple(f'"{name}"'.encode() for name in sorted(FIELDS))


def is_private_kind(name: str) -> bool:
    """Of a journal type or a resource's kind: nothing of it is sent but its place in the journal."""
    return name.startswith(KINDS)


def holds_private(text: bytes) -> bool:
    """False: it has no private field for certain, so most events need not be decoded."""
    return any(mark in text for mark in _MARKS)


def without_private(value: Any) -> Any:
    """The value without private fields, at any depth."""
    if isinstance(value, dict):
        return {name: without_private(each) for name, each in value.items() if name not in FIELDS}
    if isinstance(value, list):
        return [without_private(each) for each in value]
    return value
