"""The record of the domain mediamtx: MediaMTX beside the box, for box/domains.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from appliance.box.mediamtx.contradictions import contradictions
from appliance.box.mediamtx.settings import MediamtxSettings
from appliance.box.permissions import WATCH
from appliance.domain import Domain

if TYPE_CHECKING:
    from appliance.box.domains import Services


def preview_url(settings: Any) -> str:
    """The address to which previews are forwarded; "" where MediaMTX does not record, or it is unknown."""
    from appliance.box.mediamtx.whep import webrtc_url

    if settings.recorder.mode != "external":
        return ""
    mediamtx = settings.section(MediamtxSettings)
    return mediamtx.webrtc_url or (webrtc_url(mediamtx.api_url) if mediamtx.api_url else "")


@asynccontextmanager
async def _run(box: Services) -> AsyncIterator[None]:
    """Poll its API and forward previews. In embedded mode, and where its address is not set, there is
    neither; the hook is answered all the same."""
    from appliance.box.mediamtx.hook import HookCalls
    from appliance.box.mediamtx.http import Previews, hook_routes
    from appliance.box.mediamtx.login import login_of
    from appliance.box.mediamtx.publishers import run_publisher_watch
    from appliance.box.mediamtx.sessions import PreviewSessions
    from appliance.box.mediamtx.whep import open_whep
    from appliance.kernel.actor import running

    mediamtx = box.settings.section(MediamtxSettings)
    user, password = login_of(mediamtx, box.settings.storage.state_dir)
    async with AsyncExitStack() as stack:
        if box.settings.recorder.mode == "external" and mediamtx.api_url:
            box.publishers = await stack.enter_async_context(
                running(
                    "publishers",
                    run_publisher_watch,
                    api_url=mediamtx.api_url,
                    user=user,
                    password=password,
                )
            )
        whep = sessions = None
        if url := preview_url(box.settings):
            whep = await stack.enter_async_context(open_whep(url, user, password))
            sessions = PreviewSessions(whep, box.door)
            await stack.enter_async_context(running("previews", sessions.run))
        box.routes.append(Previews(box.store, whep, sessions).routes())
        box.hook_calls = HookCalls()
        box.local_routes.append(hook_routes(lambda: box.recordings, box.hook_calls))  # started after this
        yield


DOMAIN: Domain[Services] = Domain(
    name="mediamtx",
    sections={"mediamtx": MediamtxSettings},
    contradictions=contradictions,
    access={
        "GET /channels/{channel_id}/live": WATCH,
        "POST /channels/{channel_id}/whep": WATCH,
        "PATCH /channels/{channel_id}/whep/{secret}": WATCH,
        "DELETE /channels/{channel_id}/whep/{secret}": WATCH,
    },
    run=_run,
)
