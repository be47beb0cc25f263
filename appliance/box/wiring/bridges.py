"""Adapters between domains that may not import each other: a few lines each, without state of their own."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
import trio

from appliance.box.channels.configured import Applied, apply_config
from appliance.box.channels.store import footage_changed
from appliance.box.clips.records.undo import restore_session_clips
from appliance.box.clips.viewing.thumbnails import DecodeKey
from appliance.box.domains import restored
from appliance.box.mediamtx.hook import parse_hook
from appliance.box.mediamtx.http import Previews
from appliance.box.mediamtx.publishers import PublishersHandle, run_publisher_watch
from appliance.box.mediamtx.sessions import PreviewSessions
from appliance.box.mediamtx.whep import Whep, open_whep, webrtc_url
from appliance.box.recorder.embedded import RecorderHandle, run_embedded_recorder
from appliance.box.recordings.actor import RecordingsHandle, run_recordings
from appliance.box.recordings.following.channel_state import WhyEnded
from appliance.box.recordings.gap_events import journal_gap
from appliance.box.recordings.model import Fact, FootageChanged
from appliance.box.settings import Settings
from appliance.box.wiring.sources import HookCalls
from appliance.http.access import Door
from appliance.http.api import Ctx, Routes
from appliance.kernel.actor import running
from appliance.kernel.clock import Clock
from appliance.kernel.errors import Unavailable
from appliance.kernel.fields import Input
from appliance.kernel.follow import follow
from appliance.kernel.operation import Answer
from appliance.kernel.safemode import SafeMode
from appliance.kernel.signal import Signal
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Tx
from appliance.media.index.spans import Reason
from appliance.media.mp4.turn import Turn
from appliance.workers.jobs import ThumbnailJob
from appliance.workers.pool import Priority, WorkerPoolHandle

log = structlog.get_logger("wiring")

RECORDINGS: Final = "all recordings, live pictures"
OLD_RECORDINGS: Final = "recordings made before the start"


def host_names(settings: Settings) -> tuple[str, ...]:
    """Every name the box answers to. Two of them are announced by mDNS: its own, and the machine's, which the
    system may announce. A name ending in .local is resolved inside the network, so no page outside can take
    it over."""
    machine = socket.gethostname().partition(".")[0]
    return (
        settings.server.host,
        settings.site.local_name,
        f"{machine}.local",
        *settings.server.allowed_hosts,
    )


def make_folder(folder: Path) -> None:
    """Create the recordings' folder if possible; a disk that is not mounted is reported by /readyz."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)


@asynccontextmanager
async def unless(
    off: bool, name: str, run: Callable[..., Awaitable[Any]], **wiring: Any
) -> AsyncIterator[Any]:
    """`running(...)`, or None when this actor is off."""
    if off:
        yield None
        return
    async with running(name, run, **wiring) as handle:
        yield handle


@asynccontextmanager
async def following(store: Store, prefix: str, look: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Call `look` now and whenever an entry whose type starts with `prefix` was committed."""

    follower = follow(store.journal)

    async def look_again() -> None:
        while True:
            await follower.wait_for(lambda entry: entry.type.startswith(prefix))
            await look()

    await look()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(look_again, name=f"following {prefix}*")
        yield
        nursery.cancel_scope.cancel()


class HookIn(Input):
    """The body that config/mediamtx-hook posts."""

    event: str
    path: str
    segment: str | None = None
    duration: str | None = None


@dataclass(slots=True)
class FileChannels:
    """`applied` None: the database could not be written yet, its channels are those of the last start."""

    applied: Applied | None = None


@asynccontextmanager
async def channels_of_the_file(settings: Settings, store: Store) -> AsyncIterator[FileChannels]:
    """Apply the settings file's channels to the database; on a full disk, as soon as there is space."""
    external = settings.recorder.mode == "external"
    apply = partial(apply_config, channels=settings.channels, footage_from_outside=external)
    channels = FileChannels()
    try:
        channels.applied = await store.write(apply)
    except Unavailable as error:
        log.error("settings_not_applied", reason=error.detail, hint="free space on the state disk")

    async def later() -> None:
        channels.applied = await store.write_retrying(apply)

    async with trio.open_nursery() as nursery:
        if channels.applied is None:
            nursery.start_soon(later, name="channels of the file")
        yield channels
        nursery.cancel_scope.cancel()


# -- recording -------------------------------------------------------------------------------------------


def recorded_inputs(tx: ReadTx) -> dict[str, str]:
    """Channels that this daemon records: id -> input_url."""
    rows = tx.all("SELECT id, input_url FROM channels WHERE input_url IS NOT NULL AND archived_us IS NULL")
    return {row["id"]: row["input_url"] for row in rows}


@asynccontextmanager
async def embedded_recorder(
    settings: Settings, store: Store, clock: Clock
) -> AsyncIterator[RecorderHandle | None]:
    """The recorder of channels with an input_url; None in external mode."""
    if settings.recorder.mode == "external":
        yield None
        return
    async with running(
        "recorder",
        run_embedded_recorder,
        channels=await store.read(recorded_inputs),
        recordings_dir=settings.storage.recordings_dir,
        part_s=settings.recorder.part_s,
        segment_s=settings.recorder.segment_s,
        clock=clock,
        networks=settings.recorder.input_networks,
    ) as recorder:

        async def want() -> None:
            recorder.want(await store.read(recorded_inputs))

        async with following(store, "channel_", want):
            yield recorder


def source_down(recorder: RecorderHandle | None) -> Callable[[str], bool]:
    """Whether a channel's source is known to be down. False when unknown (MediaMTX without API)."""

    def known_down(channel_id: str) -> bool:
        facts = None if recorder is None else recorder.facts().get(channel_id)
        return facts is not None and facts.is_down

    return known_down


@asynccontextmanager
async def publishers(settings: Settings) -> AsyncIterator[PublishersHandle | None]:
    """The encoders that send to MediaMTX; None in embedded mode and when its API address is not set."""
    mediamtx = settings.mediamtx
    if settings.recorder.mode != "external" or not mediamtx.api_url:
        yield None
        return
    async with running(
        "publishers",
        run_publisher_watch,
        api_url=mediamtx.api_url,
        user=mediamtx.read_user,
        password=mediamtx.read_password,
    ) as handle:
        yield handle


def why_ended(recorder: RecorderHandle | None, publishers: PublishersHandle | None) -> WhyEnded:
    """Why a channel's footage stopped: from the embedded recorder, or from MediaMTX's API."""

    def why(channel_id: str, since_s: float) -> Reason | None:
        if publishers is not None:
            return publishers.why_ended(channel_id, since_s)
        facts = None if recorder is None else recorder.facts().get(channel_id)
        if facts is None:
            return None
        return "recorder_restart" if facts.last_end == "recorder" else "source_lost"

    return why


def followed_channels(tx: ReadTx) -> dict[str, int]:
    """Channels whose folders are indexed: id -> latency_ms. Archived ones keep their recordings and clips."""
    return {row["id"]: row["latency_ms"] for row in tx.all("SELECT id, latency_ms FROM channels")}


@asynccontextmanager
async def recordings_index(
    settings: Settings,
    store: Store,
    clock: Clock,
    *,
    safe: SafeMode,
    after_cut: bool,
    recorder: RecorderHandle | None,
    why_ended: WhyEnded,
) -> AsyncIterator[RecordingsHandle]:
    """The index of every channel's recordings; in safe mode of those that grow.

    Tasks that wait for footage are woken when a source of `recorder` goes down or returns.
    """

    async def announce(fact: Fact) -> None:
        await store.write(lambda tx: journal_fact(tx, fact))

    async with running(
        "recordings",
        run_recordings,
        recordings_dir=settings.storage.recordings_dir,
        index_dir=settings.storage.state_dir / "index",
        channels=await store.read(followed_channels),
        clock=clock,
        name_timezone=ZoneInfo(settings.recorder.name_timezone),
        announce=announce,
        after_cut=after_cut,
        why_ended=why_ended,
        dies_with_us=settings.recorder.mode == "embedded",
        hold=safe.hold(RECORDINGS),
        hold_old=safe.hold(OLD_RECORDINGS),
    ) as recordings:

        async def want() -> None:
            recordings.want(await store.read(followed_channels))

        async with following(store, "channel_", want), trio.open_nursery() as nursery:
            if recorder is not None:
                nursery.start_soon(wake_with_sources, recorder, recordings.changed)
            yield recordings
            nursery.cancel_scope.cancel()


async def wake_with_sources(recorder: RecorderHandle, wake: Signal) -> None:
    """Notify `wake` when a source goes down or returns, until cancelled."""
    down: set[str] = set()
    while True:
        seen = recorder.changed.count
        now = {id for id, facts in recorder.facts().items() if facts.is_down}
        if now != down:
            down = now
            wake.notify()
        await recorder.changed.wait_past(seen)


def journal_fact(tx: Tx, fact: Fact) -> None:
    """A fact of the index, as rows and events."""
    if isinstance(fact, FootageChanged):
        footage_changed(tx, fact.channel_id, fact.footage)
        return
    journal_gap(tx, fact)


def hook_routes(recordings: RecordingsHandle, hooks: HookCalls) -> list[Routes]:
    """POST /mediamtx/hook: a hint to check a folder now. The disk still decides: a lost hook costs 5 s."""
    routes = Routes("mediamtx")

    @routes.post("/mediamtx/hook", body=HookIn)
    async def hook(ctx: Ctx, body: HookIn) -> Answer:
        """MediaMTX reports that a segment began or ended, or that a camera connected or disconnected."""
        event = parse_hook(body.model_dump(exclude_none=True))
        hooks.count(str(event.event))
        if event.channel_id in recordings.channel_ids():
            recordings.rescan_now(event.channel_id)
        return Answer(200, {"heard": str(event.event)})

    return [routes]


@asynccontextmanager
async def whep(settings: Settings) -> AsyncIterator[Whep | None]:
    """MediaMTX's WebRTC previews; None in embedded mode and when its address is not set."""
    mediamtx = settings.mediamtx
    if settings.recorder.mode != "external" or not (mediamtx.webrtc_url or mediamtx.api_url):
        yield None
        return
    url = mediamtx.webrtc_url or webrtc_url(mediamtx.api_url)
    if not url:
        yield None
        return
    async with open_whep(url, mediamtx.read_user, mediamtx.read_password) as client:
        yield client


@asynccontextmanager
async def previews(settings: Settings, store: Store, door: Door) -> AsyncIterator[Previews]:
    """Their routes, and the end of those whose device loses its access."""
    async with whep(settings) as client:
        if client is None:
            yield Previews(store, None)
            return
        sessions = PreviewSessions(client, door)
        async with running("previews", sessions.run):
            yield Previews(store, client, sessions)


# -- pictures --------------------------------------------------------------------------------------------


def decode_key(workers: WorkerPoolHandle | None) -> DecodeKey:
    """A worker's thumbnail job with the clips' interface."""
    assert workers is not None

    async def decode(
        recording: int,
        *,
        codec: str,
        extradata: bytes,
        offset: int,
        length: int,
        width_px: int,
        turn: Turn,
        bulk: bool,
    ) -> bytes:
        job = ThumbnailJob(codec, extradata, offset, length, width_px, turn)
        picture = await workers.thumbnail(job, recording, Priority.BULK if bulk else Priority.LIVE)
        return picture.data

    return decode


def restore_marks(tx: Tx, session_id: str, deleted_us: int) -> None:
    """Restore what belongs to a session whose delete is undone: plays, clips, rows of other domains."""
    restore_session_clips(tx, session_id, deleted_us)
    restored(tx, session_id, deleted_us)
