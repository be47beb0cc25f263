"""The record of the domain recordings: the index of the recordings, for box/domains.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from appliance.box.permissions import WATCH
from appliance.domain import Domain, footage_changed

if TYPE_CHECKING:
    from appliance.box.domains import Services
    from appliance.box.recorder.embedded import RecorderHandle
    from appliance.box.recordings.model import Fact
    from appliance.kernel.signal import Signal
    from appliance.kernel.tx import ReadTx, Tx


def followed_channels(tx: ReadTx) -> dict[str, int]:
    """Channels whose folders are indexed: id -> latency_ms. Archived ones keep their recordings and clips."""
    return {row["id"]: row["latency_ms"] for row in tx.all("SELECT id, latency_ms FROM channels")}


def journal_fact(tx: Tx, fact: Fact) -> None:
    """A fact of the index, as rows and events."""
    from appliance.box.recordings.gap_events import journal_gap
    from appliance.box.recordings.model import FootageChanged

    if isinstance(fact, FootageChanged):
        footage_changed(tx, fact.channel_id, fact.footage)
        return
    journal_gap(tx, fact)


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


@asynccontextmanager
async def _run(box: Services) -> AsyncIterator[None]:
    """The index of every channel's recordings; in safe mode of those that grow.

    Tasks that wait for footage are woken when a source of the embedded recorder goes down or returns.
    """
    import trio

    from appliance.box.recordings.actor import run_recordings
    from appliance.box.recordings.health import add_recordings
    from appliance.box.recordings.http import recordings_routes
    from appliance.kernel.actor import running
    from appliance.kernel.follow import calling_on_entries

    settings, store = box.settings, box.store

    async def announce(fact: Fact) -> None:
        await store.write(lambda tx: journal_fact(tx, fact))

    async with running(
        "recordings",
        run_recordings,
        recordings_dir=settings.storage.recordings_dir,
        index_dir=settings.storage.state_dir / "index",
        channels=await store.read(followed_channels),
        clock=box.clock,
        name_timezone=ZoneInfo(settings.recorder.name_timezone),
        announce=announce,
        after_cut=box.after_cut,
        why_ended=box.why_ended(box.recorder, box.publishers),
        dies_with_us=settings.recorder.mode == "embedded",
        hold=box.holds.recordings,
        hold_old=box.holds.old_recordings,
    ) as recordings:

        async def want() -> None:
            recordings.want(await store.read(followed_channels))

        box.recordings = recordings
        box.routes.append(recordings_routes(recordings, box.clock))
        add_recordings(box.board, box.metrics, recordings)
        async with calling_on_entries(store.journal, "channel_", want), trio.open_nursery() as nursery:
            if box.recorder is not None:
                nursery.start_soon(wake_with_sources, box.recorder, recordings.changed)
            yield
            nursery.cancel_scope.cancel()


DOMAIN: Domain[Services] = Domain(
    name="recordings",
    schema=Path(__file__).parent / "schema",
    access={
        "GET /channels/{channel_id}/timeline": WATCH,
    },
    run=_run,
)
