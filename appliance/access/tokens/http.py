"""Routes of tokens: whose one is, and for an admin all of them. Tokens are made on the console alone."""

from __future__ import annotations

from functools import partial
from typing import Any

from pydantic import BaseModel, Field

from appliance.access.tokens import store
from appliance.http.api import Ctx, Routes
from appliance.kernel.operation import Answer
from appliance.kernel.paging import Page


class Me(BaseModel):
    """The holder of the token that was sent. Where no token is needed all of it is empty."""

    role: str
    name: str
    scopes: list[str]


class Token(BaseModel):
    """Without the token itself, of which only a hash is stored."""

    id: str
    name: str
    role: str
    scopes: list[str]
    created_at: str
    created_by: str
    revoked_at: str | None = Field(description="when it lost its access; null: it has it")


def token_routes() -> Routes:
    routes = Routes("tokens")

    @routes.get("/me", returns=Me)
    async def me(ctx: Ctx) -> Answer:
        """Whose token this is, and what it is limited to."""
        caller = ctx.caller
        shown: dict[str, Any] = {"role": caller.role, "name": caller.device if caller.role else ""}
        return Answer(200, {**shown, "scopes": list(caller.scopes)})

    @routes.get("/tokens", query=Page, items=Token)
    async def tokens(ctx: Ctx, query: Page) -> Answer:
        """List tokens, oldest first, also those that were revoked."""
        return Answer(200, await ctx.read(partial(store.list_tokens, query=query)))

    @routes.delete("/tokens/{token_id}", returns=Token)
    async def revoke(ctx: Ctx, token_id: str) -> Answer:
        """Revoke a token: within a second it is refused by every process."""
        return await ctx.write(lambda tx: Answer(200, store.revoke_token(tx, token_id)))

    return routes
