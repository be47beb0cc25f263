"""GET /status: what runs."""

from __future__ import annotations

from appliance.cloud.status.model import CloudStatus
from appliance.cloud.status.report import About, read_status
from appliance.http.api import Ctx, Routes
from appliance.kernel.operation import Answer


def status_routes(about: About) -> Routes:
    routes = Routes("status")

    @routes.get("/status", returns=CloudStatus)
    async def status(ctx: Ctx) -> Answer:
        """What runs: processes, journal, leases, and the parts of the domains. Health is at /readyz."""
        return Answer(200, await ctx.read(lambda tx: read_status(tx, about)))

    return routes
