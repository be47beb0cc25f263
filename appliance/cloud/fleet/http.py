"""Routes of people: sites, and who may be a site's box."""

from __future__ import annotations

from functools import partial

from appliance.cloud.fleet import sites
from appliance.cloud.fleet.intake import parked, reading
from appliance.cloud.fleet.intake.parked import ParkedEvent, ParkedQuery
from appliance.cloud.fleet.intake.reading import (
    JournalPage,
    JournalQuery,
    ResourceQuery,
    SiteResource,
)
from appliance.cloud.fleet.intake.take import resolve_trouble
from appliance.cloud.fleet.model import ReplaceIn, Site
from appliance.http.api import Ctx, Routes
from appliance.kernel.operation import Answer
from appliance.kernel.paging import Page

BASE = "/fleet/v1/sites"


def site_routes() -> Routes:
    routes = Routes("fleet")

    @routes.get(BASE, query=Page, items=Site)
    async def listing(ctx: Ctx, query: Page) -> Answer:
        """List sites: all for admins, its own for a box."""
        return Answer(200, await ctx.read(lambda tx: sites.list_sites(tx, ctx.caller, query)))

    @routes.get(f"{BASE}/{{site_id}}", returns=Site)
    async def site(ctx: Ctx, site_id: str) -> Answer:
        """One site: when its box was heard, and what is wrong with it."""
        row = await ctx.read(lambda tx: sites.visible_site(tx, ctx.caller, site_id))
        return Answer(200, sites.site_resource(row))

    @routes.post(f"{BASE}/{{site_id}}/replace-box", body=ReplaceIn, returns=Site)
    async def replace_box(ctx: Ctx, site_id: str, body: ReplaceIn) -> Answer:
        """Let another machine that shows the site's token be its box: the named one, or the next one that
        does."""
        box_id = None if body.box_id is None else str(body.box_id)
        return await ctx.write(lambda tx: sites.replace_box(tx, site_id, box_id))

    @routes.post(f"{BASE}/{{site_id}}/resolve", returns=Site)
    async def resolve(ctx: Ctx, site_id: str) -> Answer:
        """A person has seen what was wrong with the site."""
        row = await ctx.write(lambda tx: Answer(200, sites.site_resource(resolve_trouble(tx, site_id))))
        return row

    @routes.get(f"{BASE}/{{site_id}}/events", query=JournalQuery, returns=JournalPage)
    async def events(ctx: Ctx, site_id: str, query: JournalQuery) -> Answer:
        """The site's journal as its box has sent it, oldest first."""
        return Answer(200, await ctx.read(partial(reading.read_journal, ctx.caller, site_id, query)))

    @routes.get(f"{BASE}/{{site_id}}/resources", query=ResourceQuery, items=SiteResource)
    async def resources(ctx: Ctx, site_id: str, query: ResourceQuery) -> Answer:
        """The site's sessions, channels, plays, clips and tags; `missing=1`: those that its box lacks."""
        return Answer(200, await ctx.read(partial(reading.list_resources, ctx.caller, site_id, query)))

    @routes.get(f"{BASE}/{{site_id}}/parked", query=ParkedQuery, items=ParkedEvent)
    async def parked_events(ctx: Ctx, site_id: str, query: ParkedQuery) -> Answer:
        """Events of the site that could not be applied, oldest first."""
        await ctx.read(lambda tx: sites.visible_site(tx, ctx.caller, site_id))
        return Answer(200, await ctx.read(lambda tx: parked.list_parked(tx, site_id, query)))

    @routes.post(f"{BASE}/{{site_id}}/parked/{{event_id}}/replay", returns=ParkedEvent)
    async def replay(ctx: Ctx, site_id: str, event_id: str) -> Answer:
        """Apply a parked event, if it can be applied now and nothing newer was."""
        return await ctx.write(lambda tx: parked.replay(tx, site_id, event_id))

    return routes
