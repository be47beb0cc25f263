"""The stadium box: every layer, in the order in which they depend on each other. Read this first.

Data enters as an HTTP or /ws command, a heartbeat, or a file that grows, becomes one transaction, and leaves
through the journal. Domains do not import each other: each gives a record (its `domain.py`), and
box/domains.py lists them. Leaving the block of `run_daemon` ends the layers from the inside out, so that each
finishes its work while the layers it depends on still run.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
import trio

from appliance.box import database_check, domains, safe_mode_parts
from appliance.box.domains import Services
from appliance.box.journal_metrics import run_journal_metrics
from appliance.box.sessions.planned import plan_session
from appliance.box.settings import Settings
from appliance.box.snapshot import snapshot
from appliance.box.sources import Sources
from appliance.box.wiring import bridges, media
from appliance.box.wiring.access import access_of
from appliance.box.wiring.encryption import Encryption, encryption
from appliance.kernel.actor import running
from appliance.kernel.allocator import run_trimming
from appliance.kernel.clock import BoxClock
from appliance.kernel.safemode import MarkerFile, SafeMode, run_leaving
from appliance.kernel.store import Store, open_store
from appliance.network.announce import run_announcer
from appliance.ops.checks.access import open_to_all
from appliance.ops.checks.devices import devices_part
from appliance.ops.clockwatch import adopt_clock, run_clock_watch
from appliance.ops.health import Board, clock_part
from appliance.ops.lock import hold_state
from appliance.ops.loopwatch import LoopWatch
from appliance.ops.measurements import DiskLimits, run_measurements
from appliance.ops.metrics import Metrics
from appliance.ops.notify import Notifier
from appliance.ops.pruning import run_pruning
from appliance.ops.snapshots import run_snapshots
from appliance.ops.watchdog import interval_s, run_watchdog
from appliance.server.app import make_app, make_local_app
from appliance.server.box_routes import Hooks, Site
from appliance.server.connections.priority import MarkPriority
from appliance.server.connections.server import Bound, TlsListener, run_server
from appliance.server.plain_port import PlainPort, trust_routes
from appliance.workers.pool import run_worker_pool
from appliance.workers.unit import SOCKET_DIR

log = structlog.get_logger("daemon")

MEDIA_THREADS = 16  # reads of recordings: a hung disk blocks these and nothing else

Ready = Callable[[Bound, Store], Awaitable[None]]
"""Called once everything serves. The demo creates its session with it."""


async def run_daemon(
    settings: Settings, *, stop: trio.Event, loop: LoopWatch, ready: Ready | None = None
) -> None:
    """The whole box, until `stop` is set; then every layer finishes its work and this returns.

    Raises: StateBusy, CannotListen, WrongDatabase at start; later any error that an actor did not declare, in
    exception groups. A clean return clears the record of earlier crashes (safe mode).
    """
    state_dir = settings.storage.state_dir
    bridges.make_folder(settings.storage.recordings_dir)
    bridges.make_folder(settings.storage.clips)
    with hold_state(state_dir) as lock, safe_mode_parts.safe_mode(state_dir) as (safe, marker_file):
        domains.before_start(state_dir)
        clock = BoxClock.start(None, None)
        database_check.make_sound(settings, clock.now_us())
        async with open_store(state_dir / database_check.DATABASE, clock, claim=lock) as store:
            await database_check.claim_site(store, settings)
            after_cut = await adopt_clock(store, clock)
            async with access_of(settings, store, clock) as access:
                box = Services(
                    settings=settings,
                    store=store,
                    clock=clock,
                    board=Board(),
                    metrics=Metrics(),
                    threads=trio.CapacityLimiter(MEDIA_THREADS),
                    holds=safe_mode_parts.holds(safe),
                    after_cut=after_cut,
                    stop=stop,
                    door=access.door,
                    routes=[*access.routes],
                )
                if (exposed := open_to_all(settings)) is not None:
                    box.board.add("access", lambda: exposed)
                box.board.add("devices", partial(devices_part, access.registry, settings))
                box.board.add("safe_mode", lambda: safe_mode_parts.safe_mode_line(safe))
                box.board.add("clock", lambda: clock_part(clock.step_us()))
                report = await store.read(database_check.read_report)
                box.board.add("database", lambda: database_check.database_part(report, state_dir))
                await _domains_layer(box, safe, marker_file, loop, ready)


async def _domains_layer(
    box: Services, safe: SafeMode, marker_file: MarkerFile, loop: LoopWatch, ready: Ready | None
) -> None:
    """The media workers, then every domain: what they need of each other is connected here."""
    async with running(
        "workers",
        run_worker_pool,
        count=domains.media_workers(box.settings),
        socket_dir=SOCKET_DIR if SOCKET_DIR.is_dir() else None,
    ) as workers:
        media.add_workers(box.board, box.metrics, workers)
        box.media_jobs = media.PoolJobs(workers)
        box.decode_key = media.decode_key(workers)
        box.why_ended, box.source_down = bridges.why_ended, bridges.source_down
        box.plan_session = plan_session
        async with domains.running_domains(box):
            sources = Sources(box.clock, box.monitor, box.recordings, box.recorder, box.publishers)
            external = box.settings.recorder.mode == "external"
            sources.add(box.board, box.metrics, box.hook_calls, external=external)
            box.routes.append(sources.routes())
            await _watching_layer(box, safe, marker_file, loop, ready)


async def _watching_layer(
    box: Services, safe: SafeMode, marker_file: MarkerFile, loop: LoopWatch, ready: Ready | None
) -> None:
    """Watching the box itself: clock, database, disks, loop; and reporting to systemd."""
    settings, store = box.settings, box.store
    notifier = Notifier(os.environ.get("NOTIFY_SOCKET", ""))
    every_s = interval_s(dict(os.environ), os.getpid())
    min_free_gb = max(domains.kept_free_gb(settings).values(), default=0.0)
    async with (
        running("clock watch", run_clock_watch, store=store, clock=box.clock),
        running("pruning", run_pruning, store=store),
        running("allocator", run_trimming),
        running("safe mode", run_leaving, safe=safe, marker_file=marker_file),
        running(
            "snapshots",
            run_snapshots,
            store=store,
            clock=box.clock,
            site_id=settings.site.id,
            folder=database_check.snapshots_of(settings),
        ) as snapshots,
        running("journal metrics", run_journal_metrics, journal=store.journal, metrics=box.metrics),
        running(
            "measurements",
            run_measurements,
            store=store,
            loop=loop,
            folders=safe_mode_parts.folders_of(settings),
            limits=DiskLimits(settings.storage.reserve_gb * 1e9, min_free_gb * 1e9),
            board=box.board,
            metrics=box.metrics,
        ) as measured,
        bridges.unless(
            every_s is None,
            "watchdog",
            run_watchdog,
            notifier=notifier,
            every_s=every_s,
            trouble=measured.trouble,
        ),
    ):
        box.board.add("snapshots", lambda: snapshots.part(store.journal.head))
        await _serving_layer(box, notifier, ready, is_safe=safe.on)


async def _serving_layer(box: Services, notifier: Notifier, ready: Ready | None, *, is_safe: bool) -> None:
    """The web server and its announcement on the network: started last, stopped first."""
    server, closing, priority = box.settings.server, trio.Event(), MarkPriority()
    async with (
        encryption(box.settings, box.board) as encrypted,
        running(
            "web",
            run_server,
            host=server.host,
            port=server.port,
            local_port=server.local_port or None,
            stop=closing,
            finish=closing.set,
            priority=priority,
            **_applications(box, encrypted, priority),
        ) as bound,
        bridges.unless(
            not bridges.is_announced(box.settings),
            "announcer",
            run_announcer,
            announcement=bridges.announcement(box.settings, bound.port),
        ) as announcer,
    ):
        if announcer is not None:
            box.board.add("announcement", partial(bridges.announcement_part, announcer))
        log.info("ready", url=f"http://{server.host}:{bound.port}", safe_mode=is_safe)
        await notifier.ready(f"serving on port {bound.port}" + (", SAFE MODE" if is_safe else ""))
        if ready is not None:
            await ready(bound, box.store)
        await box.stop.wait()
        await notifier.stopping()
        for close in box.before_closing:  # /ws closes its clients with 4001: reconnect
            await close()


def _applications(box: Services, encrypted: Encryption | None, priority: MarkPriority) -> dict[str, Any]:
    """What the web server serves on each of its ports."""
    place, server = box.settings.site, box.settings.server
    plain_port = server.port if server.tls != "off" else None
    site = Site(place.id, place.name, bridges.host_names(box.settings), place.timezone, plain_port)
    hooks = Hooks(ready=box.board.parts, metrics=box.metrics.render, snapshot=snapshot)
    common: dict[str, Any] = {"store": box.store, "clock": box.clock, "site": site, "hooks": hooks}
    local = make_local_app(box.local_routes, **common)
    if encrypted is None:
        return {"app": make_app(box.routes, **common, door=box.door, priority=priority), "local_app": local}
    routes = [*box.routes, trust_routes(encrypted.trust, server.tls_port)]
    app = make_app(routes, **common, door=box.door, priority=priority)
    return {
        "app": PlainPort(app, app.gate, server.tls_port, box.door),
        "local_app": local,
        "tls": TlsListener(app, server.tls_port, encrypted.tls.context),
    }
