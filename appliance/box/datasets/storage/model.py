"""The interface of a root of sources or outputs: a folder, or a bucket. All calls block: use them in a
thread.

Failures are OSError everywhere: FileNotFoundError for a key that is not there, ENOSPC for a full disk, others
with a text for people.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple, Protocol


class Stored(NamedTuple):
    """An object. `version` changes whenever its bytes are written again."""

    key: str
    size: int
    version: str


class Expected(Enum):
    ANY = "any"
    """Replace whatever is there."""
    NOTHING = "nothing"
    """Create; there must be none."""


class ChangedMeanwhile(Exception):
    """Another run has written the object since it was read."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} was written by another run meanwhile")


class Storage(Protocol):
    @property
    def uri(self) -> str:
        """Without a slash at the end."""
        ...

    @property
    def work(self) -> Path | None:
        """A folder on the same disk as the root, from which `put_file` moves without copying; None: any."""
        ...

    def find(self, key: str) -> Stored | None: ...

    def read(self, key: str) -> bytes:
        """All of a small object."""
        ...

    def put(self, key: str, data: bytes, expected: Expected | str = Expected.ANY) -> Stored:
        """Write it, complete and durable. `expected`: a version it must have. Raises ChangedMeanwhile."""
        ...

    def put_file(self, key: str, path: Path) -> Stored:
        """Write it from a file, which is moved or removed."""
        ...

    def place(self, key: str) -> Path | None:
        """The object as a file in place; None: it must be fetched."""
        ...

    def fetch(self, key: str, target: Path) -> int:
        """Copy it into a file; returns its size."""
        ...

    def copy(self, key: str, target: str) -> None:
        """The same bytes under a second key, without sending them again where that is possible."""
        ...

    def keys(self, prefix: str) -> Iterator[Stored]:
        """Every object whose key begins with `prefix`, which ends with a slash."""
        ...

    def delete(self, key: str) -> None:
        """Nothing happens when there is none."""
        ...


READ_MAX: Final = 256 * 2**20
"""Bytes of a `read`: a manifest of 10,000 plays has 20 MB."""
