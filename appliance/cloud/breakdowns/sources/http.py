"""Routes of videos: what there is of an event, and what people judge of it."""

from __future__ import annotations

from collections.abc import Callable

from appliance.cloud.breakdowns.sources import store
from appliance.cloud.breakdowns.sources.model import Judgement, Source, SourceQuery
from appliance.http.api import Collection, Ctx, Routes
from appliance.kernel.operation import Answer
from appliance.kernel.tx import Tx

BASE = "/logging/v1/sources"
SOURCE = f"{BASE}/{{source_id}}"


def source_routes() -> Routes:
    routes = Routes("sources", collection=Collection("logging/v1/sources", "source_id"))

    @routes.get(BASE, query=SourceQuery, items=Source)
    async def listing(ctx: Ctx, query: SourceQuery) -> Answer:
        """List the videos of events, oldest first."""
        return Answer(200, await ctx.read(lambda tx: store.listing(tx, ctx.caller, query)))

    @routes.get(SOURCE, returns=Source)
    async def source(ctx: Ctx, source_id: str) -> Answer:
        """One video."""
        return Answer(200, await ctx.read(lambda tx: store.get(tx, ctx.caller, source_id)))

    @routes.post(f"{SOURCE}/accept", body=Judgement, returns=Source)
    async def accept(ctx: Ctx, source_id: str, body: Judgement) -> Answer:
        """The video is usable: a job of its event enters the queue."""
        return await _judge(ctx, lambda tx: store.accept(tx, ctx.caller, source_id, body))

    @routes.post(f"{SOURCE}/fail", body=Judgement, returns=Source)
    async def fail(ctx: Ctx, source_id: str, body: Judgement) -> Answer:
        """The video cannot be used: its event waits for another one."""
        return await _judge(ctx, lambda tx: store.fail(tx, ctx.caller, source_id, body))

    @routes.post(f"{SOURCE}/corrupt", body=Judgement, returns=Source)
    async def corrupt(ctx: Ctx, source_id: str, body: Judgement) -> Answer:
        """The video is corrupt: possible at any time; what was delivered stays."""
        return await _judge(ctx, lambda tx: store.corrupt(tx, ctx.caller, source_id, body))

    return routes


async def _judge(ctx: Ctx, closure: Callable[[Tx], Answer]) -> Answer:
    """Raises Refused; a change of locked videos is audited before."""
    try:
        return await ctx.write(closure)
    except store.SourcesLocked as error:
        locked = error
        await ctx.store.write(lambda tx: store.audit_locked(tx, locked, ctx.caller.device))
        raise
