"""The domains of the hosted side, a line each, and what the program offers to their actors.

What a domain is stands in its `domain.py`. The order of the list is that in which their actors start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance.domain import (
    Domain,
    StatusPart,
    access_of,
    connect_resources,
    demo_of,
    routes_of,
    running_all,
    section_lists_of,
    sections_of,
)
from appliance.kernel.fields import Section

if TYPE_CHECKING:
    import trio

    from appliance.access.roles import Permission
    from appliance.cloud.objects.model import Objects
    from appliance.cloud.settings import CloudSettings
    from appliance.http.access import Door
    from appliance.http.api import Routes
    from appliance.kernel.clock import Clock
    from appliance.kernel.store import Store
    from appliance.kernel.tx import ReadTx
    from appliance.network.outbound import Outbound
    from appliance.ops.health import Board
    from appliance.ops.metrics import Metrics

NAMES: Final[tuple[str, ...]] = ("competitions", "deliveries", "fleet", "scoring", "breakdowns", "uploads")

_OWN_SCHEMAS: Final = (
    Path(__file__).parents[1] / "access/tokens/schema",
    Path(__file__).parent / "status/schema",
)


@dataclass(slots=True)
class Services:
    """What the program offers to its domains."""

    settings: CloudSettings
    store: Store
    clock: Clock
    board: Board  # health
    metrics: Metrics
    stop: trio.Event  # set when the program is to end
    process: str  # identifies this process among those that share the database: owner of its leases
    outbound: Outbound = field(init=False)  # for every request to another host
    objects: Objects = field(init=False)
    door: Door = field(init=False)  # for routes that check access themselves
    routes: list[Routes] = field(default_factory=list)
    port: int | None = None  # that it listens on; None: not yet

    def base_url(self) -> str:
        """Where clients, and this service itself, reach it: https://api.example, http://127.0.0.1:8090."""
        settings = self.settings
        if settings.cloud.api_domain:
            return f"https://{settings.cloud.api_domain}"
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.server.host, settings.server.host)
        return f"http://{host}:{self.port or settings.server.port}"


@cache
def domains() -> tuple[Domain[Services], ...]:
    """Their records. The code of a domain is loaded by `routes` and `run`, not by this."""
    records = tuple(import_module(f"appliance.cloud.{name}.domain").DOMAIN for name in NAMES)
    connect_resources(records)
    return records


def schemas() -> list[Path]:
    """The domains' folders of schema files, and the program's own."""
    return [*_OWN_SCHEMAS, *(domain.schema for domain in domains() if domain.schema is not None)]


def sections() -> dict[str, type[Section]]:
    """The domains' sections of the settings, by name."""
    return sections_of(domains())


def section_lists() -> dict[str, type[Section]]:
    """The domains' sections that may occur several times in the settings file, by name."""
    return section_lists_of(domains())


def contradictions(settings: CloudSettings) -> list[str]:
    """Settings that are each valid but contradict each other: one line each, beginning with a key."""
    return [problem for domain in domains() for problem in domain.contradictions(settings)]


def demo_sections() -> dict[str, Mapping[str, Any]]:
    """The values that `appliance cloud demo` sets in the domains' sections."""
    return demo_of(domains())


def status_parts() -> dict[str, Callable[[ReadTx], StatusPart]]:
    """The domains' parts of GET /status, by name."""
    return {domain.name: domain.status for domain in domains() if domain.status is not None}


def access_rows() -> list[Mapping[str, Permission]]:
    """The domains' rows of the permission matrix."""
    return access_of(domains())


def routes(settings: CloudSettings) -> Sequence[Routes]:
    """The domains' routes that need no actor."""
    return routes_of(domains(), settings)


def running_domains(cloud: Services) -> AbstractAsyncContextManager[None]:
    """Run the domains' actors, started in the order of the list; the last one ends first."""
    return running_all(domains(), cloud)
