"""The box's domains that can be removed, a line each, and what the box offers to their actors.

What a domain is stands in its `domain.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance.access.roles import Permission
from appliance.domain import ClipFilter, Domain, Resources, connect
from appliance.kernel.fields import Section
from appliance.kernel.schema import use_schemas

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from appliance.box.clips.housekeeping.actor import ClipFiles
    from appliance.box.recordings.actor import RecordingsHandle
    from appliance.box.settings import Settings
    from appliance.http.api import Routes
    from appliance.kernel.safemode import Hold
    from appliance.kernel.store import Store
    from appliance.kernel.tx import ReadTx, Row, Tx
    from appliance.ops.health import Board
    from appliance.ops.metrics import Metrics

NAMES: Final = (
    "retention",
    "tags",
)

_ACCESS_SCHEMA: Final = Path(__file__).parents[1] / "access" / "schema"
_WITH_TABLES: Final = ("sessions", "channels", "recordings", "clips")
"""The domains that stay, in the order in which their tables depend on each other."""


@dataclass(frozen=True, slots=True)
class Services:
    """Handles of the layers below, and where a domain shows its health and figures."""

    settings: Settings
    store: Store
    board: Board
    metrics: Metrics
    recordings: RecordingsHandle
    clip_files: ClipFiles
    expire_clip: Callable[[Tx, str, str], bool]
    hold: Hold


@cache
def domains() -> tuple[Domain[Services], ...]:
    """Their records. The daemon's code of a domain is loaded by `routes` and `run`, not by this."""
    records = tuple(import_module(f"appliance.box.{name}.domain").DOMAIN for name in NAMES)
    connect(records)
    own = [Path(__file__).parent / name / "schema" for name in _WITH_TABLES]
    use_schemas(_ACCESS_SCHEMA, *own, *(record.schema for record in records if record.schema is not None))
    return records


def sections() -> dict[str, type[Section]]:
    """Sections of the settings tree, by name."""
    return {name: section for domain in domains() for name, section in domain.sections.items()}


def demo_sections() -> dict[str, Mapping[str, Any]]:
    """What `appliance demo` sets in them."""
    return {name: values for domain in domains() for name, values in domain.demo.items()}


def kept_free_gb(settings: Any) -> dict[str, float]:
    """Space kept free on the disk of the recordings, by dotted path of its setting."""
    return {name: gb for domain in domains() for name, gb in domain.kept_free_gb(settings).items()}


def resources() -> list[Resources]:
    return [each for domain in domains() for each in domain.resources]


def clip_parts() -> dict[str, Callable[[ReadTx, str], Any]]:
    return {name: part for domain in domains() for name, part in domain.clip_parts.items()}


def clip_filters() -> dict[str, ClipFilter]:
    return {name: clip_filter for domain in domains() for name, clip_filter in domain.clip_filters.items()}


def clip_words(tx: ReadTx, clip: Row) -> list[str]:
    """The domains' words for the file name of a saved clip."""
    found = [domain.clip_words(tx, clip) for domain in domains() if domain.clip_words is not None]
    return [word for words in found for word in words]


def clip_deleted(tx: Tx, clip_id: str) -> None:
    """What every domain does when a clip is deleted."""
    for domain in domains():
        if domain.on_clip_delete is not None:
            domain.on_clip_delete(tx, clip_id)


def restored(tx: Tx, session_id: str, deleted_us: int) -> None:
    """What every domain does when a delete of that instant (us) is undone."""
    for domain in domains():
        if domain.on_restore is not None:
            domain.on_restore(tx, session_id, deleted_us)


def before_start(state_dir: Path) -> None:
    """What must be done before the database is opened."""
    for domain in domains():
        if domain.before_start is not None:
            domain.before_start(state_dir)


def access_rows() -> list[Mapping[str, Permission]]:
    """Who may use their routes and commands."""
    return [domain.access for domain in domains()]


def routes(settings: Any) -> Sequence[Routes]:
    return [each for domain in domains() for each in domain.routes(settings)]


@asynccontextmanager
async def running_domains(services: Services) -> AsyncIterator[None]:
    """Their actors, in the order of the list; the last one ends first."""
    async with AsyncExitStack() as stack:
        for domain in domains():
            layer: AbstractAsyncContextManager[object] | None = domain.run and domain.run(services)
            if layer is not None:
                await stack.enter_async_context(layer)
        yield
