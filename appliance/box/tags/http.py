"""HTTP routes of tags, and of the session's figures."""

from __future__ import annotations

from appliance.box.tags import store
from appliance.box.tags.model import Stats, Tag, TagIn, TagPage, TagPatch, TagQuery
from appliance.box.tags.settings import TaggingSettings
from appliance.box.tags.template import TagTemplate, template_of
from appliance.http.api import Collection, Ctx, Routes
from appliance.kernel.operation import Answer


def tag_routes(tagging: TaggingSettings) -> Routes:
    """Routes of /tags and of the team's template, and of a session's tags and figures."""
    made_from = {"plays": {"clip_id": "#/clip_ids/0"}, "clips": {"clip_id": "#/id"}}
    routes = Routes("tags", collection=Collection("tags", "tag_id", made_from=made_from))
    template = template_of(tagging).model_dump()

    @routes.get("/tagging", returns=TagTemplate)
    async def words(ctx: Ctx) -> Answer:
        """The team's tag template: which buttons, in which words."""
        return Answer(200, template)

    @routes.post("/tags", body=TagIn, returns=Tag, status=201)
    async def create(ctx: Ctx, body: TagIn) -> Answer:
        """Tag a clip; session_id and play_id are the clip's."""
        return await ctx.write(lambda tx: store.create_tag(tx, ctx.caller, body))

    @routes.get("/tags", query=TagQuery, items=Tag)
    async def listing(ctx: Ctx, query: TagQuery) -> Answer:
        """List tags, oldest first."""
        return Answer(200, await ctx.read(lambda tx: store.list_tags(tx, query)))

    @routes.get("/tags/{tag_id}", returns=Tag)
    async def one(ctx: Ctx, tag_id: str) -> Answer:
        """One tag."""
        return Answer(200, await ctx.read(lambda tx: store.get_tag(tx, tag_id)))

    @routes.patch("/tags/{tag_id}", body=TagPatch, returns=Tag)
    async def change(ctx: Ctx, tag_id: str, body: TagPatch) -> Answer:
        """Change the fields sent; null clears one."""
        return await ctx.write(lambda tx: store.change_tag(tx, ctx.caller, tag_id, body))

    @routes.delete("/tags/{tag_id}")
    async def remove(ctx: Ctx, tag_id: str) -> Answer:
        """Delete a tag."""
        return await ctx.write(lambda tx: store.delete_tag(tx, ctx.caller, tag_id))

    @routes.get("/sessions/{session_id}/tags", query=TagPage, items=Tag)
    async def of_session(ctx: Ctx, session_id: str, query: TagPage) -> Answer:
        """List a session's tags, oldest first."""
        return Answer(200, await ctx.read(lambda tx: store.tags_of_session(tx, session_id, query)))

    @routes.get("/sessions/{session_id}/stats", returns=Stats)
    async def stats(ctx: Ctx, session_id: str) -> Answer:
        """The session's figures: plays, run and pass, third downs, key plays, touchdowns."""
        return Answer(200, await ctx.read(lambda tx: store.read_stats(tx, session_id)))

    return routes
