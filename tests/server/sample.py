"""A small domain for tests of the web layer alone: notes with a rev, in the test's memory."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from appliance.http.api import Ctx, RawRoute, Receive, Routes, Scope, Send
from appliance.http.replies import json_reply, send_reply
from appliance.http.requests import header_map, read_body
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.fields import Input, Uuid
from appliance.kernel.operation import Answer
from appliance.kernel.paging import Page
from appliance.kernel.tx import Tx


class NoteIn(Input):
    id: Uuid | None = None
    text: Annotated[str, Field(min_length=1)]
    stars: Annotated[int, Field(ge=0, le=5)] = 0


class NoteQuery(Page):
    force: Literal[0, 1] = 0
    label: tuple[str, ...] = ()
    starred: bool | None = None


class Note(BaseModel):
    id: str
    text: str
    rev: int


def sample_routes() -> Routes:
    """Every shape of route; each effect is one row in `meta`, so that a test can count effects."""
    routes = Routes("notes")

    @routes.post("/notes", body=NoteIn, returns=Note, status=201)
    async def create(ctx: Ctx, body: NoteIn) -> Answer:
        """Write a note."""
        return await ctx.write(lambda tx: _effect(tx, ctx, body.text))

    @routes.post("/hot", body=NoteIn, returns=Note, hot=True)
    async def hot(ctx: Ctx, body: NoteIn) -> Answer:
        """The same, handled before Quart."""
        return await ctx.write(lambda tx: _effect(tx, ctx, body.text))

    @routes.get("/notes", query=NoteQuery, items=Note)
    async def listing(ctx: Ctx, query: NoteQuery) -> Answer:
        """The parsed query."""
        page = {"items": [query.model_dump()], "next_cursor": "abc+/=" if query.limit == 1 else None}
        return Answer(200, {**page, "as_of_seq": 0})

    @routes.get("/notes/{note_id}", returns=Note)
    async def one(ctx: Ctx, note_id: str) -> Answer:
        """One note."""
        return Answer(200, {"id": note_id, "text": "x", "rev": 7, "device": ctx.caller.device})

    @routes.patch("/notes/{note_id}", body=NoteIn, body_optional=True, returns=Note)
    async def change(ctx: Ctx, note_id: str, body: NoteIn | None) -> Answer:
        """Returns the conditions it was called with."""
        return Answer(
            200, {"id": note_id, "body": body, "if_match": ctx.caller.if_match, "key": ctx.caller.key}
        )

    @routes.post("/notes/{note_id}/{what}")
    async def fail(ctx: Ctx, note_id: str, what: str) -> Answer:
        """Fails in the named way."""
        raise _failure(what)

    async def raw(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        body = await read_body(header_map(scope), receive)
        if body:
            raise _failure(body.decode())
        await send_reply(send, json_reply(200, parameters))

    routes.raw.append(RawRoute("POST", "/raw/{a}/m{rev}/{name}.mp4", raw, "A raw one."))
    return routes


def _effect(tx: Tx, ctx: Ctx, text: str) -> Answer:
    count = int(tx.value("SELECT count(*) FROM meta WHERE key LIKE 'note%'")) + 1
    tx.insert("meta", {"key": f"note{count}", "value": text})
    return Answer(201, {"id": str(count), "text": text, "rev": 1, "device": ctx.caller.device})


def _failure(what: str) -> Exception:
    if what == "refused":
        return Refused(409, "wrong_state", "not now", "wait", extra={"state": "open", "allowed": ["close"]})
    if what == "unavailable":
        return Unavailable("no_disk", "the disk is away", "plug it in", retry_after_s=1.2)
    return RuntimeError("secret password in a traceback")
