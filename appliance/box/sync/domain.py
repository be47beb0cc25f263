"""What sync gives the box: its journal in the cloud, and replicas of what the cloud owns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.box.permissions import RUN, WATCH
from appliance.box.sync.settings import SyncSettings, contradictions_of
from appliance.domain import Domain, connected
from appliance.kernel.actor import running
from appliance.kernel.clock import DAY_US
from appliance.kernel.version import appliance_version

if TYPE_CHECKING:
    from appliance.box.domains import Services
    from appliance.box.sync.client import CloudClient
    from appliance.box.sync.down.actor import Reading
    from appliance.box.sync.down.replicas import OnEvent
    from appliance.box.sync.media.store import Keeping
    from appliance.http.api import Routes
    from appliance.kernel.tx import ReadTx, Tx


def _contradictions(settings: Any) -> Iterable[str]:
    return contradictions_of(settings.section(SyncSettings))


def _routes(settings: Any) -> Sequence[Routes]:
    from appliance.box.sync.down.http import replica_routes
    from appliance.box.sync.media.http import media_routes

    return [replica_routes(), media_routes(_keeping(settings))]


def _keeping(settings: Any) -> Keeping | None:
    """None: this box sends no media."""
    from appliance.box.sync.media.store import Keeping

    section = settings.section(SyncSettings)
    if not section.is_on or section.media == "off":
        return None
    return Keeping(section.local_copy_channel, round(section.pin_days * DAY_US))


def _session_completed(tx: Tx, settings: Any, session_id: str) -> None:
    from appliance.box.sync.media.store import keep_session

    if (keeping := _keeping(settings)) is not None:
        keep_session(tx, keeping, session_id)


def _footage_wanted(tx: ReadTx) -> Iterable[tuple[str, int, int]]:
    from appliance.box.sync.media.pins import pinned_footage

    return pinned_footage(tx)


def _session_deleted(tx: Tx, settings: Any, session_id: str) -> None:
    from appliance.box.sync.media.store import drop_session

    drop_session(tx, session_id)


@asynccontextmanager
async def _run(box: Services) -> AsyncIterator[None]:
    """Send what is committed. Without [cloud] url nothing runs, and the journal is not kept for it."""
    settings = box.settings.section(SyncSettings)
    if not settings.is_on:
        from appliance.box.sync.up.state import forget, read_state

        if await box.store.read(read_state) is not None:
            await box.store.write_retrying(forget)
        yield
        return
    token = settings.read_token()
    if not token:
        from appliance.box.sync.health import NO_TOKEN

        box.board.add("cloud", lambda: NO_TOKEN)
        yield
        return
    from appliance.box.sync.client import open_client
    from appliance.box.sync.down.actor import Reading
    from appliance.box.sync.health import add_figures, cloud_part
    from appliance.box.sync.identity import box_id
    from appliance.box.sync.link import Link
    from appliance.box.sync.up.actor import Box, run_up
    from appliance.box.sync.up.snapshot import Content, all_resources

    own_id = box_id(box.settings.storage.state_dir)
    link = Link(settings.url, box.clock.now_us())
    content = Content(all_resources(connected()), settings.share_notes)
    what = Box(box.settings.site.id, settings.url, appliance_version(), content, settings.max_mbit * 1e6 / 8)
    async with (
        open_client(settings.url, token, own_id, site_id=box.settings.site.id) as client,
        running(
            "sync up", run_up, store=box.store, client=client, link=link, clock=box.clock, box=what
        ) as up,
    ):
        head = partial(getattr, box.store.journal, "head")
        box.board.add("cloud", lambda: cloud_part(link, up, head(), box.clock.now_us()))
        add_figures(box.metrics, link, up, head)
        headers = [
            (b"authorization", f"Bearer {token}".encode()),
            (b"box-id", own_id.encode()),
            (b"site-id", box.settings.site.id.encode()),
        ]
        reading = Reading(client, settings.url, box.settings.site.id, link)
        async with _down(box, settings, reading, headers), _media(box, settings, client):
            yield


@asynccontextmanager
async def _media(box: Services, settings: SyncSettings, client: CloudClient) -> AsyncIterator[None]:
    """Send files, unless media = "off"; in safe mode, which has no recordings, none."""
    keeping = _keeping(box.settings)
    if keeping is None or getattr(box, "recordings", None) is None:
        yield
        return
    from appliance.box.sync.media.content import Content
    from appliance.box.sync.media.health import add_media_figures, media_part
    from appliance.box.sync.media.uploader import run_media

    content = Content(box.recordings, box.settings.storage.clips, box.threads)
    async with running(
        "media",
        run_media,
        store=box.store,
        client=client,
        content=content,
        keeping=keeping,
        when=settings.media,
        max_bytes_s=settings.max_mbit * 1e6 / 8,
    ) as link:
        box.board.add("media", lambda: media_part(link))
        add_media_figures(box.metrics, link)
        yield


@asynccontextmanager
async def _down(
    box: Services, settings: SyncSettings, reading: Reading, headers: list[tuple[bytes, bytes]]
) -> AsyncIterator[None]:
    """Keep copies of what the cloud owns."""
    from appliance.box.sync.down.actor import Down, Nudges
    from appliance.box.sync.down.health import replicas_part
    from appliance.box.sync.down.nudge import run_nudges

    nudges = Nudges()
    on_event = _session_of(box) if settings.sessions_from_events else None
    down = Down(box.store, box.clock, reading, nudges, on_event)
    box.board.add("replicas", lambda: replicas_part(down.position, box.clock.now_us()))
    async with (
        running("nudges", run_nudges, nudges=nudges, url=settings.url, headers=headers),
        running("sync down", down.run),
    ):
        yield


def _session_of(box: Services) -> OnEvent:
    from appliance.box.sync.down.planned import planned_of

    def on_event(tx: Tx, event: dict[str, Any], before: dict[str, Any] | None) -> None:
        if (planned := planned_of(event, before, tx.now_us)) is not None:
            box.plan_session(tx, planned)

    return on_event


DOMAIN: Domain[Services] = Domain(
    name="sync",
    schema=Path(__file__).parent / "schema",
    sections={"cloud": SyncSettings},
    contradictions=_contradictions,
    routes=_routes,
    access={"GET /replicas": WATCH, "GET /media-uploads": WATCH, "POST /media-uploads": RUN},
    footage_wanted=_footage_wanted,
    on_session_complete=_session_completed,
    on_session_delete=_session_deleted,
    run=_run,
)
