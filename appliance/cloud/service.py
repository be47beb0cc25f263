"""The hosted side: every layer, in the order in which they depend on each other. Read this first.

The same kernel, http, server and access as the box, other domains (domains.py). Data enters by HTTP, becomes
one transaction, and leaves through the journal and by reads. Processes are equal and keep no state of their
own: on a shared database any number of them may run. Leaving the block of `run_cloud` ends the layers from
the inside out.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog
import trio

from appliance.access.tokens.cache import TokenCache
from appliance.access.tokens.door import TokenDoor
from appliance.access.tokens.http import token_routes
from appliance.cloud import domains
from appliance.cloud.database import SQLITE, ServerClock, described, open_database
from appliance.cloud.domains import Services
from appliance.cloud.edge import CloudEdge
from appliance.cloud.objects.opened import open_objects
from appliance.cloud.permissions import ROLES, cloud_matrix
from appliance.cloud.settings import CloudSettings
from appliance.cloud.status.http import status_routes
from appliance.cloud.status.processes import run_beats
from appliance.cloud.status.report import About
from appliance.http.limits import ServerLimits
from appliance.kernel.actor import running
from appliance.kernel.allocator import run_trimming
from appliance.kernel.store import Store
from appliance.kernel.version import appliance_version
from appliance.network.outbound import Outbound
from appliance.ops.health import Board, HealthPart
from appliance.ops.lock import StateLock, hold_state
from appliance.ops.loopwatch import LoopWatch
from appliance.ops.measurements import DiskLimits, run_measurements
from appliance.ops.metrics import Metrics
from appliance.ops.notify import Notifier
from appliance.ops.pruning import run_pruning
from appliance.ops.watchdog import interval_s, run_watchdog
from appliance.server.app import make_app, make_local_app
from appliance.server.box_routes import Hooks, Site
from appliance.server.connections.server import Bound, run_server
from appliance.server.pages import APP_DIR, CLOUD_SIDE

log = structlog.get_logger("cloud")

TITLE: Final = "The stadium cloud"
_SITE_ID, _RESERVE_BYTES = "cloud", 1e9
# a thousand boxes with a few connections each; a batch of 1 MiB over a stadium's uplink of 0.3 Mbit/s
_LIMITS: Final = ServerLimits(connections=8000, sockets=4000, body_s=30.0)

Ready = Callable[[Bound, Store], Awaitable[None]]
"""Called once everything serves. The demo makes its sample data with it."""


async def run_cloud(
    settings: CloudSettings,
    *,
    stop: trio.Event,
    loop: LoopWatch,
    ready: Ready | None = None,
    is_open: bool = False,
) -> None:
    """The whole program, until `stop` is set; then every layer finishes its work and this returns.

    `is_open`: where it listens on loopback only, requests of this machine need no token (the demo).

    Raises: SettingsError, StateBusy, CannotListen, WrongDatabase at start; later any error that an actor did
    not declare, in exception groups.
    """
    state_dir = settings.cloud.state_dir
    state_dir.mkdir(parents=True, exist_ok=True)
    with _claim(settings) as claim:
        database = settings.database
        opened = open_database(database.url, state_dir, connections=database.connections, claim=claim)
        async with opened as store:
            clock = ServerClock()
            cloud = Services(
                settings=settings,
                store=store,
                clock=clock,
                board=Board(),
                metrics=Metrics(),
                stop=stop,
                process=process_name(),
            )
            environment = HealthPart("ok", f"{settings.cloud.environment}; process {cloud.process}")
            cloud.board.add("environment", lambda: environment)
            door = TokenDoor(
                TokenCache(store),
                cloud_matrix(domains.access_rows()),
                ROLES,
                clock,
                settings.internal_token,
                is_open=is_open and settings.server.is_loopback,
            )
            cloud.door = door
            cloud.objects = open_objects(settings.objects, state_dir, os.environ)
            cloud.outbound = Outbound(settings.net.allow_private)
            async with cloud.outbound, domains.running_domains(cloud):
                await _watching_layer(cloud, door, loop, ready)


def process_name() -> str:
    """Identifies this process: no other, earlier or later one has the same name."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


@contextmanager
def _claim(settings: CloudSettings) -> Iterator[StateLock | None]:
    """The lock of the state folder for a database that is in it; a shared database needs none."""
    if not settings.database.url.startswith(SQLITE):
        yield None
        return
    with hold_state(settings.cloud.state_dir) as lock:
        yield lock


async def _watching_layer(cloud: Services, door: TokenDoor, loop: LoopWatch, ready: Ready | None) -> None:
    """The checks of the program itself: database, disk, event loop; and the reports to systemd."""
    store, notifier = cloud.store, Notifier(os.environ.get("NOTIFY_SOCKET", ""))
    every_s = interval_s(dict(os.environ), os.getpid())
    async with (
        running("pruning", run_pruning, store=store),
        running("allocator", run_trimming),
        running("beats", run_beats, store=store, process=cloud.process, version=appliance_version()),
        running(
            "measurements",
            run_measurements,
            store=store,
            loop=loop,
            folders={"state": cloud.settings.cloud.state_dir},
            limits=DiskLimits(_RESERVE_BYTES, 2 * _RESERVE_BYTES),
            board=cloud.board,
            metrics=cloud.metrics,
        ) as measured,
        AsyncExitStack() as stack,
    ):
        if every_s is not None:
            watchdog = running(
                "watchdog", run_watchdog, notifier=notifier, every_s=every_s, trouble=measured.trouble
            )
            await stack.enter_async_context(watchdog)
        await _serving_layer(cloud, door, notifier, ready)


async def _serving_layer(cloud: Services, door: TokenDoor, notifier: Notifier, ready: Ready | None) -> None:
    """The web server: started last, stopped first."""
    server, closing = cloud.settings.server, trio.Event()
    app, local_app = applications(cloud, door, APP_DIR)
    async with running(
        "web",
        run_server,
        app=app,
        local_app=local_app,
        host=server.host,
        port=server.port,
        local_port=server.local_port or None,
        stop=closing,
        limits=replace(_LIMITS, proxies=server.trusted_proxies),
        finish=closing.set,
    ) as bound:
        cloud.port = bound.port
        log.info("ready", url=f"http://{server.host}:{bound.port}", process=cloud.process)
        await notifier.ready(f"serving on port {bound.port}")
        if ready is not None:
            await ready(bound, cloud.store)
        await cloud.stop.wait()
        cloud.store.journal.end_waits()
        await notifier.stopping()


def applications(
    cloud: Services, door: TokenDoor, static_dir: Path | None = None
) -> tuple[CloudEdge, object]:
    """The application of the public port and that of the local port."""
    site = Site(_SITE_ID, TITLE, host_names(cloud.settings))
    hooks = Hooks(ready=cloud.board.parts, metrics=cloud.metrics.render, snapshot=None)
    app = make_app(
        [*cloud.routes, token_routes(), status_routes(about(cloud))],
        store=cloud.store,
        clock=cloud.clock,
        site=site,
        hooks=hooks,
        static_dir=static_dir,
        side=CLOUD_SIDE,
        door=door,
        title=TITLE,
    )
    app.sockets_max = _LIMITS.sockets
    local = make_local_app([], store=cloud.store, clock=cloud.clock, site=site, hooks=hooks)
    any_origin = [route.path for group in cloud.routes for route in group.raw if route.any_origin]
    return CloudEdge(app, door, cloud.settings.server.trusted_proxies, any_origin), local


def about(cloud: Services) -> About:
    """What GET /status shows of this process."""
    settings = cloud.settings
    database = settings.database
    return About(
        environment=settings.cloud.environment,
        api_domain=settings.cloud.api_domain,
        version=appliance_version(),
        process=cloud.process,
        database=described(database.url, database.connections),
        parts=domains.status_parts(),
    )


def host_names(settings: CloudSettings) -> tuple[str, ...]:
    """Every name the service answers to."""
    domain = settings.cloud.api_domain.partition(":")[0]
    return (settings.server.host, *([domain] if domain else []), *settings.server.allowed_hosts)
