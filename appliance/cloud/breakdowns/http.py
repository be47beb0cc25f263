"""The route of the audit: who changed what, when and why."""

from __future__ import annotations

from appliance.cloud.breakdowns.audit import AuditEntry, AuditQuery, list_audit
from appliance.http.api import Ctx, Routes
from appliance.kernel.operation import Answer


def audit_routes() -> Routes:
    routes = Routes("audit")

    @routes.get("/logging/v1/audit", query=AuditQuery, items=AuditEntry)
    async def audit(ctx: Ctx, query: AuditQuery) -> Answer:
        """What was changed or refused, oldest first: by whom, when, why."""
        return Answer(200, await ctx.read(lambda tx: list_audit(tx, ctx.caller, query)))

    return routes
