"""The interface between a domain and its composition root, as one record.

A root lists its domains (box/domains.py) and names them nowhere else: settings, schema files, routes,
snapshot, export, fsck and what happens at a delete are put together from these records. A domain that no
other needs is removed by deleting its folder, the folder of its tests and its line in that list.

What a record adds to transactions of another domain (counters of a session, a clip's delete, when a clip is
forgotten) is read from here: `connect` is called once by the root of the process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from appliance.kernel.fields import Section

if TYPE_CHECKING:
    from appliance.access.roles import Permission
    from appliance.http.api import Routes
    from appliance.kernel.tx import ReadTx, Row, Tx

S_contra = TypeVar("S_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """How rows of a table are written into an export; what is not named here is written as it is.

    Columns `*_us` are instants and are written as RFC 3339 without the ending; `is_*` are booleans.
    """

    order: str = ""
    """Column; then by id. Default: that of the snapshot."""
    hidden: Sequence[str] = ()
    json_columns: Sequence[str] = ()
    booleans: Sequence[str] = ()
    spans: Mapping[str, str] = field(default_factory=dict)
    """Columns in microseconds that are written in seconds: their names in the export."""
    instants: Mapping[str, str] = field(default_factory=dict)
    """Instants that are written under another name than theirs without `_us`."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Rows of one table, shown as resources: in the snapshot, in an export, and compared by fsck.

    The table has the columns id and rev; its journal entries have the subject `<kind>:<id>` and hold the
    whole resource under `<kind>`.
    """

    kind: str
    table: str
    order: str  # column; then by id
    resource: Callable[[ReadTx, Row], dict[str, Any]]
    of_session: bool = True
    """The rows have a session_id: the snapshot has those of current sessions, an export those of its session.
    False: the snapshot has all of them."""
    present: str = "deleted_us IS NULL"
    """SQL condition: neither deleted nor archived."""
    is_checked: bool = True
    """fsck compares the rows' revisions with those in the journal."""
    export: ExportFormat = ExportFormat()


@dataclass(frozen=True, slots=True)
class SessionCounters:
    """Figures of a session, computed from the domain's rows: `fields` are (type, default) as of a model,
    `read` gives the values from the session's id."""

    fields: Mapping[str, Any]
    read: Callable[[ReadTx, str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ClipFilter:
    """A query parameter of GET /clips: its type, and an SQL condition on `clips.id` with one `?` for the
    value."""

    kind: Any
    condition: str


@dataclass(frozen=True, slots=True)
class Finding:
    """An invariant that does not hold, as `appliance fsck` reports it. `mend` names the safe repair, "" when
    there is none."""

    code: str
    subject: str
    detail: str
    mend: str = ""
    repaired: bool = False

    def __str__(self) -> str:
        tail = " [repaired]" if self.repaired else " [--repair can mend this]" if self.mend else ""
        return f"{self.code}: {self.subject}: {self.detail}{tail}"


@dataclass(frozen=True, slots=True)
class Consistency:
    """What fsck checks of a domain's rows and files, and how it repairs them. Repairs are found by the name
    in `Finding.mend`, which is unique over all domains. Invariants of every domain: ops/consistency.py."""

    check: Callable[[ReadTx, Any], Sequence[Finding]]
    """Every finding, the gravest kinds first: from one snapshot of the database and the root's settings.
    Runs in a reader's thread, so it may read disks."""
    row_repairs: Mapping[str, Callable[[Tx, Finding], object]] = field(default_factory=dict)
    """In a transaction of their own."""
    file_repairs: Mapping[str, Callable[[Any, Finding], object]] = field(default_factory=dict)
    """From the root's settings, in a thread."""


@dataclass(frozen=True, slots=True)
class StatusLine:
    """Something of a domain that a person may have to look at. `since_us`: None when it has no beginning."""

    status: Literal["ok", "warn", "bad"]
    name: str
    detail: str
    since_us: int | None = None


@dataclass(frozen=True, slots=True)
class StatusPart:
    """What a domain of the hosted side reports in GET /status, for people. `figures`: counts by their words,
    such as "pending"."""

    title: str
    figures: Mapping[str, int]
    lines: Sequence[StatusLine] = ()


@dataclass(frozen=True, slots=True)
class ResourcePart:
    """A field that a domain of the hosted side adds to the resources of another. `model`: loads its model;
    the field may also be null. `read`: its value, from the resource's id."""

    name: str
    model: Callable[[], Any]
    read: Callable[[ReadTx, str], Any]


@dataclass(frozen=True, slots=True)
class Domain(Generic[S_contra]):
    """`S_contra`: what its root offers to the actors of its domains."""

    name: str
    schema: Path | None = None
    """The folder of its schema files."""
    sections: Mapping[str, type[Section]] = field(default_factory=dict)
    """Its part of the settings tree, by the section's name."""
    section_lists: Mapping[str, type[Section]] = field(default_factory=dict)
    """Sections of which the settings file may have several ([[name]]): the settings have a tuple of them."""
    contradictions: Callable[[Any], Iterable[str]] = lambda settings: ()
    """Its settings that are each valid but contradict each other or others: one line per contradiction, each
    starting with the dotted path of the key to change."""
    demo: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What `appliance demo` sets in these sections."""
    kept_free_gb: Callable[[Any], Mapping[str, float]] = lambda settings: {}
    """Space that its settings keep free on the disk of the recordings, by dotted path."""
    media_workers: Callable[[Any], int] = lambda settings: 0
    """How many media workers its jobs may keep busy, by the root's settings."""
    resources: Sequence[Resources] = ()
    consistency: Callable[[], Consistency] | None = None
    """Loads what fsck checks beyond the revisions of `resources`."""
    clip_parts: Mapping[str, Callable[[ReadTx, str], Any]] = field(default_factory=dict)
    """Fields of a clip that `?include=` adds, from the clip's id."""
    clip_filters: Mapping[str, ClipFilter] = field(default_factory=dict)
    """Its query parameters of GET /clips, by name."""
    clip_uses: Sequence[str] = ()
    """SQL conditions on `clips.id`: a person has worked with the clip, so that it is not a forgotten one."""
    clip_words: Callable[[ReadTx, Row], Sequence[str]] | None = None
    """Its words for the file name of a saved clip, from the clip's row."""
    session_counters: SessionCounters | None = None
    """Figures that it adds to a session and to the events of its clips."""
    on_session_complete: Callable[[Tx, Any, str], object] | None = None
    """Its part of completing a session, in the same transaction: (tx, the root's settings, session id)."""
    on_session_delete: Callable[[Tx, Any, str], object] | None = None
    """Its part of deleting a session: (tx, the root's settings, session id)."""
    on_session_restore: Callable[[Tx, str, int], object] | None = None
    """Its part of undoing a session's delete, before every domain's `on_restore`."""
    on_clip_delete: Callable[[Tx, str], object] | None = None
    """Its part of deleting a clip, in the same transaction."""
    on_restore: Callable[[Tx, str, int], object] | None = None
    """Its part of undoing any delete: of this session's rows those deleted at this instant (us)."""
    footage_wanted: Callable[[ReadTx], Iterable[tuple[str, int, int]]] | None = None
    """Footage that is not deleted for its age alone: (channel id, from, until), wall time in us."""
    on_footage: Callable[[Tx, str, Any], object] | None = None
    """What it does when the footage of a channel comes or ends: (tx, channel id, state)."""
    status: Callable[[ReadTx], StatusPart] | None = None
    """Its part of GET /status of the hosted side."""
    on_resource: Callable[[Tx, str, Row, Row | None, str], object] | None = None
    """What it does in the transaction that made, changed or deleted a resource of any domain of the hosted
    side: (tx, kind, row, the row before; None: it is new, or was deleted; who did it)."""
    resource_parts: Mapping[str, ResourcePart] = field(default_factory=dict)
    """The field that it adds to resources of other domains of the hosted side, by their kind."""
    on_announce: Callable[[Tx, str, Mapping[str, Any], Collection[str]], object] | None = None
    """How it tells others outside what has happened, in the transaction of the change: (tx, type of the
    message, its data, the owners of its subject, as in league:ID)."""
    before_start: Callable[[Path], object] | None = None
    """Called with the state folder before the database is opened."""
    prepare: Callable[[S_contra], AbstractAsyncContextManager[object]] | None = None
    """Entered before the actors of any domain start: rows that the settings file brings."""
    routes: Callable[[Any], Sequence[Routes]] = lambda settings: ()
    """Its routes, from the root's settings; those that need an actor are added by `run`."""
    access: Mapping[str, Permission] = field(default_factory=dict)
    """Who may use them, by "METHOD /path" and "DO command" (access/roles.py)."""
    run: Callable[[S_contra], AbstractAsyncContextManager[object]] | None = None
    """Its actors, from start to end of the block."""


# -- what a root puts together ----------------------------------------------------------------------------


class Offers(Protocol):
    """What `running_all` needs of what a root offers to its domains."""

    routes: list[Routes]

    @property
    def settings(self) -> Any: ...


def sections_of(records: Iterable[Domain[Any]]) -> dict[str, type[Section]]:
    """Sections of the settings tree, by name. One that several domains share has the keys of all of them;
    each reads its own by its own class."""
    shares: dict[str, tuple[type[Section], ...]] = {}
    for name, section in (each for record in records for each in record.sections.items()):
        shares[name] = (*shares.get(name, ()), section)
    own = {"__module__": __name__}
    return {name: kinds[0] if len(kinds) == 1 else type(name, kinds, own) for name, kinds in shares.items()}


def section_lists_of(records: Iterable[Domain[Any]]) -> dict[str, type[Section]]:
    """Sections that the file may have several of, by name."""
    return {name: section for record in records for name, section in record.section_lists.items()}


def demo_of(records: Iterable[Domain[Any]]) -> dict[str, Mapping[str, Any]]:
    """What the demo sets in their sections."""
    return {name: values for record in records for name, values in record.demo.items()}


def access_of(records: Iterable[Domain[Any]]) -> list[Mapping[str, Permission]]:
    """Who may use their routes and commands."""
    return [record.access for record in records]


def routes_of(records: Iterable[Domain[Any]], settings: Any) -> list[Routes]:
    """Routes that need no actor."""
    return [each for record in records for each in record.routes(settings)]


@asynccontextmanager
async def running_all(records: Sequence[Domain[Any]], offered: Offers) -> AsyncIterator[None]:
    """Everything that was prepared, and their actors in the order of the list; the last one ends first."""
    async with AsyncExitStack() as stack:
        for record in records:
            if record.prepare is not None:
                await stack.enter_async_context(record.prepare(offered))
        offered.routes += routes_of(records, offered.settings)
        for record in records:
            if record.run is not None:
                await stack.enter_async_context(record.run(offered))
        yield


# -- the domains of this process --------------------------------------------------------------------------

_connected: list[Sequence[Domain[Any]]] = []


def connect(records: Sequence[Domain[Any]]) -> None:
    """Make these the domains of this process: called by its root, once."""
    _connected[:] = [records]


def connected() -> Sequence[Domain[Any]]:
    """The domains of this process. Raises IndexError before `connect`."""
    return _connected[0]


_hosted: list[Domain[Any]] = []


def connect_resources(records: Iterable[Domain[Any]]) -> None:
    """Make these the domains of the hosted side: called by its root, once."""
    _hosted[:] = records


def resource_changed(tx: Tx, kind: str, row: Row, before: Row | None, by: str) -> None:
    """What every domain of the hosted side does when a resource was made or changed. `by`: who did it."""
    for domain in _hosted:
        if domain.on_resource is not None:
            domain.on_resource(tx, kind, row, before, by)


def announce(tx: Tx, type_: str, data: Mapping[str, Any], scope: Collection[str] = ()) -> None:
    """Send the message to those who subscribed to its type, once this transaction is committed."""
    for domain in _hosted:
        if domain.on_announce is not None:
            domain.on_announce(tx, type_, data, scope)


def resource_parts(kind: str) -> list[ResourcePart]:
    """The fields that other domains of the hosted side add to a resource of this kind."""
    return [domain.resource_parts[kind] for domain in _hosted if kind in domain.resource_parts]


# -- the records of all domains together -----------------------------------------------------------------


def session_counters(tx: ReadTx, session_id: str) -> dict[str, Any]:
    """Every domain's figures of a session: computed, never stored."""
    counters: dict[str, Any] = {}
    for domain in connected():
        if domain.session_counters is not None:
            counters.update(domain.session_counters.read(tx, session_id))
    return counters


def counter_fields() -> dict[str, Any]:
    """The fields of a model that shows them."""
    return {
        name: kind
        for domain in connected()
        if domain.session_counters is not None
        for name, kind in domain.session_counters.fields.items()
    }


def clip_uses() -> list[str]:
    """The domains' SQL conditions on `clips.id` that show that a person has worked with the clip."""
    return [condition for domain in connected() for condition in domain.clip_uses]


def clip_parts() -> dict[str, Callable[[ReadTx, str], Any]]:
    return {name: part for domain in connected() for name, part in domain.clip_parts.items()}


def clip_filters() -> dict[str, ClipFilter]:
    return {name: clip_filter for domain in connected() for name, clip_filter in domain.clip_filters.items()}


def clip_words(tx: ReadTx, clip: Row) -> list[str]:
    """The domains' words for the file name of a saved clip."""
    return [word for domain in connected() if domain.clip_words for word in domain.clip_words(tx, clip)]


def footage_wanted(tx: ReadTx) -> list[tuple[str, int, int]]:
    """The stretches of footage that domains keep from being deleted for their age."""
    return [each for domain in connected() if domain.footage_wanted for each in domain.footage_wanted(tx)]


def session_completed(tx: Tx, settings: Any, session_id: str) -> None:
    """What every domain does when a session is completed."""
    for domain in connected():
        if domain.on_session_complete is not None:
            domain.on_session_complete(tx, settings, session_id)


def session_deleted(tx: Tx, settings: Any, session_id: str) -> None:
    """What every domain does when a session is deleted."""
    for domain in connected():
        if domain.on_session_delete is not None:
            domain.on_session_delete(tx, settings, session_id)


def session_restored(tx: Tx, session_id: str, deleted_us: int) -> None:
    """What every domain does when the delete of a session at that instant (us) is undone."""
    for domain in connected():
        if domain.on_session_restore is not None:
            domain.on_session_restore(tx, session_id, deleted_us)
    restored(tx, session_id, deleted_us)


def clip_deleted(tx: Tx, clip_id: str) -> None:
    """What every domain does when a clip is deleted."""
    for domain in connected():
        if domain.on_clip_delete is not None:
            domain.on_clip_delete(tx, clip_id)


def restored(tx: Tx, session_id: str, deleted_us: int) -> None:
    """What every domain does when a delete of that instant (us) is undone."""
    for domain in connected():
        if domain.on_restore is not None:
            domain.on_restore(tx, session_id, deleted_us)


def footage_changed(tx: Tx, channel_id: str, footage: Any) -> None:
    """What every domain does when the footage of a channel comes or ends."""
    for domain in connected():
        if domain.on_footage is not None:
            domain.on_footage(tx, channel_id, footage)
