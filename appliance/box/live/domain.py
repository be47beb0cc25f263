"""The record of the domain live: /ws and live video, for box/domains.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from appliance.box.permissions import WATCH, WATCH_HEALTH
from appliance.domain import Domain

if TYPE_CHECKING:
    from appliance.box.domains import Services


@asynccontextmanager
async def _run(box: Services) -> AsyncIterator[None]:
    """Send every change to every client. The last domain: the commands of all others travel on /ws."""
    import trio  # imports here: the small commands do not load them

    from appliance.box.live.broadcaster import run_live
    from appliance.box.live.health import add_live, add_live_pictures
    from appliance.box.live.pictures.video import READERS, LiveVideo
    from appliance.http.api import Routes
    from appliance.kernel.actor import running

    video = LiveVideo(box.recordings, trio.CapacityLimiter(READERS), box.stop, box.door)
    add_live_pictures(box.metrics, video.audience)
    box.routes.append(Routes("live pictures", raw=[video.route()]))
    async with running(
        "live",
        run_live,
        store=box.store,
        site_id=box.settings.site.id,
        clock=box.clock,
        commands=[command for routes in box.routes for command in routes.commands],
        door=box.door,
    ) as live:
        add_live(box.board, box.metrics, live)
        box.routes.append(live.routes())
        box.before_closing.append(live.stop)
        yield


DOMAIN: Domain[Services] = Domain(
    name="live",
    access={
        "GET /clients": WATCH_HEALTH,
        "WS /ws": WATCH,
        "WS /channels/{channel_id}/live": WATCH,
    },
    run=_run,
)
