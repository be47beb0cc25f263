"""The route of a session's score."""

from __future__ import annotations

from appliance.box.scores import store
from appliance.box.scores.model import Score, ScoreIn
from appliance.http.api import Ctx, Routes
from appliance.kernel.operation import Answer


def score_routes() -> Routes:
    routes = Routes("scores")

    @routes.post("/sessions/{session_id}/score", body=ScoreIn, returns=Score)
    async def observe(ctx: Ctx, session_id: str, body: ScoreIn) -> Answer:
        """Report what the scoreboard shows now: provisional, the official result is the league's."""
        return await ctx.write(lambda tx: store.observe(tx, ctx.caller, session_id, body))

    return routes
