"""What sync gives the box: its journal in the cloud, and replicas of what the cloud owns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.box.sync.settings import SyncSettings, contradictions_of
from appliance.domain import Domain, connected
from appliance.kernel.actor import running
from appliance.kernel.version import appliance_version

if TYPE_CHECKING:
    from appliance.box.domains import Services


def _contradictions(settings: Any) -> Iterable[str]:
    return contradictions_of(settings.section(SyncSettings))


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
    from appliance.box.sync.client import open_client
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
        open_client(settings.url, settings.read_token(), own_id) as client,
        running(
            "sync up", run_up, store=box.store, client=client, link=link, clock=box.clock, box=what
        ) as up,
    ):
        head = partial(getattr, box.store.journal, "head")
        box.board.add("cloud", lambda: cloud_part(link, up, head(), box.clock.now_us()))
        add_figures(box.metrics, link, up, head)
        yield


DOMAIN: Domain[Services] = Domain(
    name="sync",
    schema=Path(__file__).parent / "schema",
    sections={"cloud": SyncSettings},
    contradictions=_contradictions,
    run=_run,
)
