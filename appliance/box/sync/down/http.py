"""What the app reads of the cloud: the box's copies, with their age."""

from __future__ import annotations

from appliance.box.sync.down.model import Replica, ReplicasQuery
from appliance.box.sync.down.replicas import list_replicas
from appliance.http.api import Ctx, Routes
from appliance.kernel.operation import Answer


def replica_routes() -> Routes:
    """Routes that need no cloud: without one the list is empty."""
    routes = Routes("replicas")

    @routes.get("/replicas", query=ReplicasQuery, items=Replica)
    async def replicas(ctx: Ctx, query: ReplicasQuery) -> Answer:
        """What this box keeps of the cloud; `as_of`: when that was confirmed last."""
        return Answer(200, await ctx.read(lambda tx: list_replicas(tx, query)))

    return routes
