"""Routes of a device about its own access. Their answers hold secrets: none is stored with an
Idempotency-Key."""

from __future__ import annotations

from pydantic import BaseModel, Field

from appliance.access.codes import Codes
from appliance.access.core import SELECTOR_CHARS
from appliance.access.own import store
from appliance.access.own.renewals import Renewals
from appliance.access.registry import Registry
from appliance.access.roles import Role
from appliance.http.access import grant_of
from appliance.http.api import Ctx, RawRoute, Receive, Routes, Scope, Send
from appliance.http.replies import json_reply, send_reply
from appliance.http.requests import header_map, parse_body, read_body
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Answer


class Token(BaseModel):
    """The only answer that holds it."""

    token: str = Field(description="in place of the present one, which ends after this one was used")


class AppCode(BaseModel):
    """For one device: this page as an app on the Home Screen."""

    code: str
    role: Role
    name: str
    expires_at: str


def own_routes(registry: Registry, codes: Codes, renewals: Renewals) -> Routes:
    """/devices/self/..."""
    routes = Routes("own access", raw=[_token_route(registry, renewals)])

    @routes.post("/devices/self/code", returns=AppCode, status=201)
    async def app_code(ctx: Ctx) -> Answer:
        """Make a code for this page as an app on the Home Screen: the same role, one device, 5 minutes."""
        code, row = await ctx.store.write(lambda tx: store.create_app_code(tx, ctx.caller))
        codes.know(code[:SELECTOR_CHARS])
        shown = {"code": code, "role": row["role"], "name": row["name"]}
        return Answer(201, {**shown, "expires_at": to_rfc3339(row["expires_us"])})

    return routes


def _token_route(registry: Registry, renewals: Renewals) -> RawRoute:
    async def renew(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        headers = header_map(scope)
        parse_body(headers, await read_body(headers, receive), None)
        if scope.get("scheme") != "https":
            hint = 'set server.tls to "auto" or "files"'
            raise Refused(
                409, "not_encrypted", "a token that is sent unencrypted is as good as the old one", hint
            )
        grant = grant_of(scope)
        known = registry.by_id(grant.device_id) if grant is not None else None
        if known is None:
            raise Refused(401, "not_paired", "this device's access has ended", "pair it again")
        await send_reply(send, json_reply(201, {"token": await renewals.give(known)}))

    return RawRoute(
        "POST",
        "/devices/self/token",
        renew,
        "Renew this device's token, over https. The present one is valid until the new one was used.",
        returns=Token,
        status=201,
    )
