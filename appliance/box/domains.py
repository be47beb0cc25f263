"""The box's domains, a line each, and what the box offers to their actors.

What a domain is stands in its `domain.py`. The order of the list is that in which their actors start, and in
which schema files of one number are applied.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance.domain import (
    Consistency,
    Domain,
    Resources,
    access_of,
    connect,
    demo_of,
    routes_of,
    running_all,
    section_lists_of,
    sections_of,
)
from appliance.kernel.fields import Section
from appliance.kernel.schema import use_schemas

if TYPE_CHECKING:
    import trio

    from appliance.access.roles import Permission
    from appliance.box.channels.monitor import MonitorHandle
    from appliance.box.clips.cutting.media_jobs import MediaJobs
    from appliance.box.clips.housekeeping.actor import ClipFiles
    from appliance.box.clips.viewing.thumbnails import DecodeKey
    from appliance.box.mediamtx.hook import HookCalls
    from appliance.box.mediamtx.publishers import PublishersHandle
    from appliance.box.recorder.embedded import RecorderHandle
    from appliance.box.recordings.actor import RecordingsHandle
    from appliance.box.recordings.following.channel_state import WhyEnded
    from appliance.box.sessions.model import PlannedSession
    from appliance.box.settings import Settings
    from appliance.http.access import Door
    from appliance.http.api import Routes
    from appliance.kernel.clock import BoxClock
    from appliance.kernel.safemode import Hold
    from appliance.kernel.store import Store
    from appliance.kernel.tx import Tx
    from appliance.ops.health import Board
    from appliance.ops.metrics import Metrics

NAMES: Final = (
    "sessions",
    "scores",
    "recorder",
    "mediamtx",
    "recordings",
    "channels",
    "clips",
    "retention",
    "tags",
    "datasets",
    "sync",
    "live",
)

_ACCESS_SCHEMA: Final = Path(__file__).parents[1] / "access" / "schema"
REMOVABLE: Final = ("retention", "tags")
"""Those without which a test starts a box: no other needs them. Nor do others need scores and sync."""


@dataclass(frozen=True, slots=True)
class SafeModeHolds:
    """What safe mode holds back: a part begins when its event is set."""

    recordings: Hold
    old_recordings: Hold
    cutting: Hold
    files: Hold


@dataclass(slots=True)
class Services:
    """What the box offers to its domains, and what they offer to those that start after them.

    The last group is filled by `run` of the domains in their order: a handle is read by later domains, and by
    the root when all of them run.
    """

    settings: Settings
    store: Store
    clock: BoxClock
    board: Board  # health
    metrics: Metrics
    threads: trio.CapacityLimiter  # for reads of recordings
    holds: SafeModeHolds
    after_cut: bool  # the machine was rebooted: bytes that were not synced may be gone
    stop: trio.Event  # set when the box is to end
    door: Door  # who may do what
    # adapters, set by the root
    media_jobs: MediaJobs = field(init=False)
    decode_key: DecodeKey = field(init=False)
    why_ended: Callable[[RecorderHandle | None, PublishersHandle | None], WhyEnded] = field(init=False)
    source_down: Callable[[RecorderHandle | None], Callable[[str], bool]] = field(init=False)
    plan_session: Callable[[Tx, PlannedSession], bool] = field(init=False)
    # handles of the domains
    recorder: RecorderHandle | None = None  # None: MediaMTX records
    publishers: PublishersHandle | None = None  # None: MediaMTX is not asked
    hook_calls: HookCalls = field(init=False)  # of MediaMTX
    recordings: RecordingsHandle = field(init=False)
    monitor: MonitorHandle = field(init=False)  # of channels
    clip_files: ClipFiles = field(init=False)
    expire_clip: Callable[[Tx, str, str], bool] = field(init=False)
    routes: list[Routes] = field(default_factory=list)
    local_routes: list[Routes] = field(default_factory=list)  # of the local listener
    before_closing: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Called when the box ends, before the web server closes its sockets."""


@cache
def domains() -> tuple[Domain[Services], ...]:
    """Their records. The daemon's code of a domain is loaded by `routes` and `run`, not by this."""
    records = tuple(import_module(f"appliance.box.{name}.domain").DOMAIN for name in NAMES)
    connect(records)
    use_schemas(_ACCESS_SCHEMA, *(record.schema for record in records if record.schema is not None))
    return records


def sections() -> dict[str, type[Section]]:
    """Sections of the settings tree, by name."""
    return sections_of(domains())


def section_lists() -> dict[str, type[Section]]:
    """Sections that the file may have several of, by name."""
    return section_lists_of(domains())


def demo_sections() -> dict[str, Mapping[str, Any]]:
    """What `appliance demo` sets in them."""
    return demo_of(domains())


def kept_free_gb(settings: Any) -> dict[str, float]:
    """Space kept free on the disk of the recordings, by dotted path of its setting."""
    return {name: gb for domain in domains() for name, gb in domain.kept_free_gb(settings).items()}


def media_workers(settings: Any) -> int:
    """How many media workers the domains' jobs may keep busy together."""
    return sum(domain.media_workers(settings) for domain in domains())


def resources() -> list[Resources]:
    return [each for domain in domains() for each in domain.resources]


def consistency() -> list[Consistency]:
    """What fsck checks of the domains' rows and files."""
    return [domain.consistency() for domain in domains() if domain.consistency is not None]


def before_start(state_dir: Path) -> None:
    """What must be done before the database is opened."""
    for domain in domains():
        if domain.before_start is not None:
            domain.before_start(state_dir)


def access_rows() -> list[Mapping[str, Permission]]:
    """Who may use their routes and commands."""
    return access_of(domains())


def routes(settings: Any) -> Sequence[Routes]:
    """Routes that need no actor."""
    return routes_of(domains(), settings)


def running_domains(box: Services) -> AbstractAsyncContextManager[None]:
    """Everything that was prepared, and their actors in the order of the list; the last one ends first."""
    return running_all(domains(), box)
