"""What a domain gives its composition root, as one record.

A root lists its domains (box/domains.py) and names them nowhere else: settings, routes, snapshot, export,
fsck and what happens at a delete are put together from these records. A domain is removed by deleting its
folder, the folder of its tests and its line in that list.

What a record adds to SQL deep inside another domain (counters of a session, when a clip is forgotten) is read
from here: `connect` is called once by the root of the process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from appliance.kernel.fields import Section

if TYPE_CHECKING:
    from appliance.access.roles import Permission
    from appliance.http.api import Routes
    from appliance.kernel.tx import ReadTx, Row, Tx

S_contra = TypeVar("S_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Resources:
    """Rows of one table that belong to sessions: in the snapshot, in an export, and checked by fsck.

    The table has the columns id, session_id, rev and deleted_us; its journal entries have the subject
    `<kind>:<id>` and hold the whole resource under `<kind>`.
    """

    kind: str
    table: str
    order: str  # column; then by id
    resource: Callable[[ReadTx, Row], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ClipFilter:
    """A query parameter of GET /clips: its type, and an SQL condition on `clips.id` with one `?` for the
    value."""

    kind: Any
    condition: str


@dataclass(frozen=True, slots=True)
class Domain(Generic[S_contra]):
    """`S_contra`: what its root offers to the actors of its domains."""

    name: str
    schema: Path | None = None
    """The folder of its schema files."""
    sections: Mapping[str, type[Section]] = field(default_factory=dict)
    """Its part of the settings tree, by the section's name."""
    demo: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What `appliance demo` sets in these sections."""
    kept_free_gb: Callable[[Any], Mapping[str, float]] = lambda settings: {}
    """Space that its settings keep free on the disk of the recordings, by dotted path."""
    resources: Sequence[Resources] = ()
    clip_parts: Mapping[str, Callable[[ReadTx, str], Any]] = field(default_factory=dict)
    """Fields of a clip that `?include=` adds, from the clip's id."""
    clip_filters: Mapping[str, ClipFilter] = field(default_factory=dict)
    """Its query parameters of GET /clips, by name."""
    clip_uses: Sequence[str] = ()
    """SQL conditions on `clips.id`: a person has worked with the clip, so that it is not a forgotten one."""
    clip_words: Callable[[ReadTx, Row], Sequence[str]] | None = None
    """Its words for the file name of a saved clip, from the clip's row."""
    session_counters: Mapping[str, Callable[[ReadTx, str], int]] = field(default_factory=dict)
    """Figures that it adds to a session and to the events of its clips, from the session's id."""
    on_clip_delete: Callable[[Tx, str], object] | None = None
    """Its part of deleting a clip, in the same transaction."""
    on_restore: Callable[[Tx, str, int], object] | None = None
    """Its part of undoing a delete: of this session's rows those deleted at this instant (us)."""
    before_start: Callable[[Path], object] | None = None
    """Called with the state folder before the database is opened."""
    routes: Callable[[Any], Sequence[Routes]] = lambda settings: ()
    """Its routes, from the root's settings."""
    access: Mapping[str, Permission] = field(default_factory=dict)
    """Who may use them, by "METHOD /path" and "DO command" (access/roles.py)."""
    run: Callable[[S_contra], AbstractAsyncContextManager[object]] | None = None
    """Its actors, from start to end of the block."""


_connected: list[Sequence[Domain[Any]]] = []


def connect(records: Sequence[Domain[Any]]) -> None:
    """Make these the domains of this process: called by its root, once."""
    _connected[:] = [records]


def connected() -> Sequence[Domain[Any]]:
    """The domains of this process. Raises IndexError before `connect`."""
    return _connected[0]


def session_counters(tx: ReadTx, session_id: str) -> dict[str, int]:
    """What the domains add to the counters of a session."""
    return {
        name: count(tx, session_id)
        for domain in connected()
        for name, count in domain.session_counters.items()
    }


def clip_uses() -> list[str]:
    """The domains' SQL conditions on `clips.id` that show that a person has worked with the clip."""
    return [condition for domain in connected() for condition in domain.clip_uses]
