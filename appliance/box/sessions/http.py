"""HTTP routes of sessions."""

from __future__ import annotations

from appliance.box.sessions import store
from appliance.box.sessions.machine import SessionEvent
from appliance.box.sessions.model import ForceQuery, SessionIn, SessionPatch, SessionQuery, shown_session
from appliance.http.api import Collection, Ctx, Handler, Routes
from appliance.kernel.operation import Answer


def session_routes(
    *, on_complete: store.Cascade, on_delete: store.Cascade, on_restore: store.Restore
) -> Routes:
    """Routes of /sessions. The cascades are the other domains' parts of complete, delete and undo."""
    commands = ("start", "pause", "resume", "complete", "reopen", "restore")
    routes = Routes("sessions", collection=Collection("sessions", "session_id", commands=commands))
    shown = shown_session()

    @routes.post("/sessions", body=SessionIn, returns=shown, status=201)
    async def create(ctx: Ctx, body: SessionIn) -> Answer:
        """Schedule a session."""
        return await ctx.write(lambda tx: store.create_session(tx, ctx.caller, body))

    @routes.get("/sessions", query=SessionQuery, items=shown)
    async def listing(ctx: Ctx, query: SessionQuery) -> Answer:
        """List sessions, oldest first; deleted=1: those deleted in the last 24 h, for undo."""
        return Answer(200, await ctx.read(lambda tx: store.list_sessions(tx, query)))

    @routes.get("/sessions/{session_id}", returns=shown)
    async def one(ctx: Ctx, session_id: str) -> Answer:
        """One session."""
        return Answer(200, await ctx.read(lambda tx: store.get_session(tx, session_id)))

    @routes.patch("/sessions/{session_id}", body=SessionPatch, returns=shown)
    async def change(ctx: Ctx, session_id: str, body: SessionPatch) -> Answer:
        """Change a session's fields."""
        return await ctx.write(lambda tx: store.change_session(tx, ctx.caller, session_id, body))

    @routes.delete("/sessions/{session_id}", query=ForceQuery)
    async def remove(ctx: Ctx, session_id: str, query: ForceQuery) -> Answer:
        """Delete a session with all that belongs to it; recordings stay."""
        return await ctx.write(
            lambda tx: store.delete_session(
                tx, ctx.caller, session_id, force=bool(query.force), cascade=on_delete
            )
        )

    @routes.post("/sessions/{session_id}/restore", returns=shown)
    async def restore(ctx: Ctx, session_id: str) -> Answer:
        """Undo a delete, within 24 hours."""
        return await ctx.write(lambda tx: store.restore_session(tx, session_id, on_restore))

    for event in SessionEvent:
        routes.post(f"/sessions/{{session_id}}/{event}", returns=shown)(_mover(event, on_complete))
    return routes


def _mover(event: SessionEvent, on_complete: store.Cascade) -> Handler:
    async def move(ctx: Ctx, session_id: str) -> Answer:
        return await ctx.write(lambda tx: store.move_session(tx, ctx.caller, session_id, event, on_complete))

    move.__doc__ = f"{event.capitalize()} a session."
    return move
