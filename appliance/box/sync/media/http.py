"""Files that go to the cloud: asking for one, and how far they are."""

from __future__ import annotations

from appliance.box.sync.media.model import MediaUpload, MediaUploadIn, MediaUploadsQuery
from appliance.box.sync.media.store import Keeping, ask, list_media
from appliance.http.api import Ctx, Routes
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Answer

BASE = "/media-uploads"


def media_routes(keeping: Keeping | None) -> Routes:
    """`keeping` None: no cloud is set, or media = "off"."""
    routes = Routes("media-uploads")

    @routes.get(BASE, query=MediaUploadsQuery, items=MediaUpload)
    async def listing(ctx: Ctx, query: MediaUploadsQuery) -> Answer:
        """Files on their way to the cloud, oldest first."""
        return Answer(200, await ctx.read(lambda tx: list_media(tx, query)))

    @routes.post(BASE, body=MediaUploadIn, returns=MediaUpload, status=201, also=(200,))
    async def send(ctx: Ctx, body: MediaUploadIn) -> Answer:
        """Send a clip, or one camera's whole session (Local Copy), to the cloud."""
        if keeping is None:
            hint = 'set [cloud] url, and media to "idle" or "always"'
            raise Refused(409, "no_cloud", "this box sends no media", hint)
        return await ctx.write(lambda tx: ask(tx, keeping, body))

    return routes
