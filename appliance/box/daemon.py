"""The stadium box: every actor, in the order in which they depend on each other. Read this first.

Data enters as an HTTP or /ws command, a heartbeat, or a file that grows, becomes one transaction, and leaves
through the journal. Domains do not import each other: they are connected here. Leaving the block of
`run_daemon` ends the layers from the inside out, so that each finishes its work while the layers it depends
on still run.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog
import trio

from appliance.box import domains
from appliance.box.channels.http import channel_routes
from appliance.box.channels.monitor import MonitorHandle, run_channel_monitor
from appliance.box.clips.cutting.cutter import CutterHandle, run_cutter
from appliance.box.clips.cutting.exports import Exports
from appliance.box.clips.cutting.from_own_file import OwnCuts
from appliance.box.clips.cutting.planner import Planner
from appliance.box.clips.files.delivery import Delivery, media_routes
from appliance.box.clips.housekeeping.actor import ClipFiles, run_clip_files
from appliance.box.clips.http import clip_routes, play_routes
from appliance.box.clips.records.marks import MarkRules, expire_clip
from appliance.box.clips.records.plays import close_session_ghosts, delete_session_clips
from appliance.box.clips.viewing.exact_frames import ExactFrames
from appliance.box.clips.viewing.quality import quality_routes
from appliance.box.clips.viewing.replay import Replays, picture_routes
from appliance.box.clips.viewing.thumbnails import Pictures
from appliance.box.domains import Services
from appliance.box.live.broadcaster import run_live
from appliance.box.live.pictures.video import READERS, LiveVideo
from appliance.box.mediamtx.publishers import PublishersHandle
from appliance.box.recorder.embedded import RecorderHandle
from appliance.box.recordings.actor import RecordingsHandle
from appliance.box.recordings.http import recordings_routes
from appliance.box.sessions.http import session_routes
from appliance.box.settings import Settings
from appliance.box.snapshot import snapshot
from appliance.box.wiring import boards, bridges, database_check, safe_mode_parts
from appliance.box.wiring.access import Access, access_of
from appliance.box.wiring.media import PoolJobs
from appliance.box.wiring.sources import HookCalls, Sources
from appliance.http.api import Command, Routes
from appliance.kernel.actor import running
from appliance.kernel.allocator import run_trimming
from appliance.kernel.clock import BoxClock
from appliance.kernel.safemode import MarkerFile, SafeMode, run_leaving
from appliance.kernel.store import Store, open_store
from appliance.ops.clockwatch import adopt_clock, run_clock_watch
from appliance.ops.health import Board, clock_part
from appliance.ops.lock import hold_state
from appliance.ops.loopwatch import LoopWatch
from appliance.ops.measurements import DiskLimits, run_pulse
from appliance.ops.metrics import Metrics, run_journal_metrics
from appliance.ops.notify import Notifier
from appliance.ops.pruning import run_pruning
from appliance.ops.snapshots import run_snapshots
from appliance.ops.watchdog import interval_s, run_watchdog
from appliance.server.app import make_app, make_local_app
from appliance.server.box_routes import Hooks, Site
from appliance.server.connections.server import Bound, run_server
from appliance.workers.pool import WorkerPoolHandle, run_worker_pool
from appliance.workers.unit import SOCKET_DIR

log = structlog.get_logger("daemon")

MEDIA_THREADS = 16  # reads of recordings: a hung disk blocks these and nothing else

Ready = Callable[[Bound, Store], Awaitable[None]]
"""Called once everything serves. The demo creates its session with it."""


@dataclass(slots=True)
class Box:
    """The handles of the running layers. None: that layer is off (safe mode, external recorder)."""

    settings: Settings
    safe: SafeMode
    marker_file: MarkerFile
    clock: BoxClock
    store: Store
    board: Board
    metrics: Metrics
    threads: trio.CapacityLimiter
    after_cut: bool  # the machine was rebooted: bytes that were not synced may be gone
    access: Access | None = None
    recordings: RecordingsHandle | None = None
    recorder: RecorderHandle | None = None
    publishers: PublishersHandle | None = None
    hooks: HookCalls = field(default_factory=HookCalls)
    workers: WorkerPoolHandle | None = None


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
            threads = trio.CapacityLimiter(MEDIA_THREADS)
            box = Box(settings, safe, marker_file, clock, store, Board(), Metrics(), threads, after_cut)
            box.board.add("safe_mode", lambda: safe_mode_parts.safe_mode_line(safe))
            box.board.add("clock", lambda: clock_part(clock.step_us()))
            report = await store.read(database_check.read_report)
            box.board.add("database", lambda: database_check.database_part(report, state_dir))
            async with (
                access_of(settings, store, clock) as box.access,
                bridges.channels_of_the_file(settings, store) as channels,
            ):
                box.board.add("settings", lambda: boards.settings_part(channels.applied))
                await _footage_layer(box, stop, loop, ready)


async def _footage_layer(box: Box, stop: trio.Event, loop: LoopWatch, ready: Ready | None) -> None:
    """Workers, recorder and index: the sources of footage, and what reads it."""
    settings, store = box.settings, box.store
    async with (
        running(
            "workers",
            run_worker_pool,
            count=settings.clips.workers,
            socket_dir=SOCKET_DIR if SOCKET_DIR.is_dir() else None,
        ) as box.workers,
        bridges.embedded_recorder(settings, store, box.clock) as box.recorder,
        bridges.publishers(settings) as box.publishers,
        bridges.recordings_index(
            settings,
            store,
            box.clock,
            safe=box.safe,
            after_cut=box.after_cut,
            recorder=box.recorder,
            why_ended=bridges.why_ended(box.recorder, box.publishers),
        ) as box.recordings,
    ):
        await _clips_layer(box, stop, loop, ready)


async def _clips_layer(box: Box, stop: trio.Event, loop: LoopWatch, ready: Ready | None) -> None:
    """Channels, the cutter and its files: they turn footage and marks into clips."""
    settings, store = box.settings, box.store
    assert box.recordings is not None and box.access is not None
    footage = box.recordings
    rules = _mark_rules(settings)
    planner = Planner(footage, box.threads)
    delivery = Delivery(footage, settings.storage.clips, box.threads)
    assert box.workers is not None
    jobs = PoolJobs(box.workers)
    exports = Exports(store, jobs, delivery, slots=max(1, settings.clips.workers - 1))
    exact = ExactFrames(store, jobs, delivery, planner.plan_span)
    decode_key = bridges.decode_key(box.workers)
    pictures = Pictures(store, footage, decode_key, settings.storage.clips, box.threads, exact, delivery.disk)
    async with (
        running(
            "channels",
            run_channel_monitor,
            db=store,
            clock=box.clock,
            interval_s=settings.heartbeat.interval_s,
            timeout_s=settings.heartbeat.timeout_s,
            footage_age_s=footage.newest_part_age_s,
            footage_from_outside=settings.recorder.mode == "external",
        ) as monitor,
        running(
            "clip files",
            run_clip_files,
            store=store,
            footage=footage,
            clips_dir=settings.storage.clips,
            look_inside=box.after_cut,
            readers=delivery.readers,
            disk=delivery.disk,
            hold=box.safe.hold(safe_mode_parts.FILES),
        ) as files,
        running(
            "cutter",
            run_cutter,
            store=store,
            footage=footage,
            source_down=bridges.source_down(box.recorder),
            rules=rules,
            clock=box.clock,
            plan_span=planner.plan_span,
            plan_together=planner.plan_together,
            exports=exports,
            own_cuts=OwnCuts(store, settings.storage.clips, box.threads, delivery.disk),
            hold=box.safe.hold(safe_mode_parts.CUTTING),
        ) as cutter,
        domains.running_domains(_services(box, files, rules)),
        running("pictures", pictures.run, hold=box.safe.hold(safe_mode_parts.FILES)),
        bridges.previews(settings, store, box.access.door) as previews,
    ):
        routes = _routes(box, monitor, cutter, rules, delivery, pictures, planner)
        disk_errors = [cutter.disk_errors, files.disk_errors]
        box.board.add("clip_disks", lambda: boards.clip_disks_part(disk_errors))
        box.board.add("clip_files", lambda: boards.clip_files_part(files.kept))
        routes += [quality_routes(jobs, delivery), previews.routes(), *_live_pictures(box, stop)]
        await _watching_layer(box, routes, stop, loop, ready)


def _routes(
    box: Box,
    monitor: MonitorHandle,
    cutter: CutterHandle,
    rules: MarkRules,
    delivery: Delivery,
    pictures: Pictures,
    planner: Planner,
) -> list[Routes]:
    """Every domain's routes. A removable domain is a line in domains.py."""
    replays = Replays(box.store, delivery.footage, box.clock, rules, planner.plan_span, delivery)
    zone = box.settings.site.timezone
    media = Routes(
        "media",
        raw=[
            *media_routes(store=box.store, delivery=delivery, zone=zone, words=domains.clip_words),
            *picture_routes(pictures),
        ],
    )
    sessions = session_routes(
        on_complete=lambda tx, session_id: close_session_ghosts(tx, rules, session_id),
        on_delete=lambda tx, session_id: delete_session_clips(tx, rules, session_id),
        on_restore=bridges.restore_marks,
    )
    groups = [
        sessions,
        channel_routes(monitor, box.clock, box.settings.recorder.input_networks),
        play_routes(rules=rules, cutter=cutter),
        clip_routes(rules=rules, cutter=cutter),
        *domains.routes(box.settings),
        media,
        replays.routes(),
    ]
    assert box.recordings is not None
    groups.append(recordings_routes(box.recordings, box.clock))
    boards.add_parts(box.board, box.metrics, box.recordings, box.recorder, box.workers, cutter)
    sources = Sources(box.clock, monitor, box.recordings, box.recorder, box.publishers)
    sources.add(box.board, box.metrics, box.hooks, external=box.settings.recorder.mode == "external")
    groups.append(sources.routes())
    return groups


def _mark_rules(settings: Settings) -> MarkRules:
    zone = settings.site.timezone
    return MarkRules(
        settings.clips,
        zone,
        domains.clip_deleted,
        domains.restored,
        domains.clip_parts(),
        domains.clip_filters(),
    )


def _services(box: Box, files: ClipFiles, rules: MarkRules) -> Services:
    """What the removable domains' actors are given."""
    assert box.recordings is not None
    return Services(
        settings=box.settings,
        store=box.store,
        board=box.board,
        metrics=box.metrics,
        recordings=box.recordings,
        clip_files=files,
        expire_clip=lambda tx, clip_id, reason: expire_clip(tx, rules, clip_id, reason),
        hold=box.safe.hold(safe_mode_parts.FILES),
    )


def _live_pictures(box: Box, stop: trio.Event) -> list[Routes]:
    assert box.recordings is not None and box.access is not None
    video = LiveVideo(box.recordings, trio.CapacityLimiter(READERS), stop, box.access.door)
    boards.add_live_pictures(box.metrics, video.audience)
    return [Routes("live pictures", raw=[video.route()])]


async def _watching_layer(
    box: Box, groups: Sequence[Routes], stop: trio.Event, loop: LoopWatch, ready: Ready | None
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
        running("safe mode", run_leaving, safe=box.safe, marker_file=box.marker_file),
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
            "pulse",
            run_pulse,
            store=store,
            loop=loop,
            folders=safe_mode_parts.folders_of(settings),
            limits=DiskLimits(settings.storage.reserve_gb * 1e9, min_free_gb * 1e9),
            board=box.board,
            metrics=box.metrics,
        ) as pulse,
        bridges.unless(
            every_s is None,
            "watchdog",
            run_watchdog,
            notifier=notifier,
            every_s=every_s,
            trouble=pulse.trouble,
        ),
    ):
        box.board.add("snapshots", lambda: snapshots.part(store.journal.head))
        await _serving_layer(box, groups, notifier, stop, ready)


async def _serving_layer(
    box: Box, groups: Sequence[Routes], notifier: Notifier, stop: trio.Event, ready: Ready | None
) -> None:
    """The web server: started last, stopped first."""
    server, store, clock = box.settings.server, box.store, box.clock
    commands: list[Command] = [command for routes in groups for command in routes.commands]
    place = box.settings.site
    site = Site(place.id, place.name, bridges.host_names(box.settings), place.timezone)
    assert box.recordings is not None and box.access is not None
    hooks = Hooks(ready=box.board.parts, metrics=box.metrics.render, snapshot=snapshot)
    local = make_local_app(
        bridges.hook_routes(box.recordings, box.hooks), store=store, clock=clock, site=site, hooks=hooks
    )
    closing = trio.Event()
    async with (
        running(
            "live",
            run_live,
            store=store,
            site_id=site.id,
            clock=clock,
            commands=commands,
            door=box.access.door,
        ) as live,
        running(
            "web",
            run_server,
            app=make_app(
                [*groups, live.routes(), box.access.routes],
                store=store,
                clock=clock,
                site=site,
                hooks=hooks,
                door=box.access.door,
            ),
            host=server.host,
            port=server.port,
            local_app=local,
            local_port=server.local_port or None,
            stop=closing,
            finish=closing.set,
        ) as bound,
    ):
        boards.add_live(box.board, box.metrics, live)
        log.info("ready", url=f"http://{server.host}:{bound.port}", safe_mode=box.safe.on)
        await notifier.ready(f"serving on port {bound.port}" + (", SAFE MODE" if box.safe.on else ""))
        if ready is not None:
            await ready(bound, store)
        await stop.wait()
        await notifier.stopping()
        await live.stop()  # clients are closed with 4001 (reconnect) before their sockets close
