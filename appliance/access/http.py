"""Routes of pairing and devices.

Answers here hold secrets (a token, a code, a key), so none is stored with an Idempotency-Key: after a lost
answer a new code is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from appliance.access import store
from appliance.access.codes import Codes
from appliance.access.core import MEDIA_KEY_S, SELECTOR_CHARS, new_media_key, read_code
from appliance.access.door import device_cookies
from appliance.access.links import Entrance, pair_link, qr_svg
from appliance.access.model import (
    Code,
    CodeIn,
    Device,
    DevicePatch,
    Devices,
    MediaKey,
    Paired,
    PairIn,
    device_resource,
)
from appliance.access.registry import Registry
from appliance.access.revocations import Revocations
from appliance.http.api import Ctx, RawRoute, Receive, Routes, Scope, Send
from appliance.http.replies import json_reply, send_reply
from appliance.http.requests import header_map, parse_body, read_body
from appliance.kernel.clock import S_US, to_rfc3339
from appliance.kernel.errors import Refused, Unavailable, invalid
from appliance.kernel.fields import is_loopback
from appliance.kernel.operation import Answer
from appliance.kernel.threads import in_thread

_NEW = "get a new code: on an admin's device, or by `appliance pair` on the box"
_WRONG: Mapping[store.Why, tuple[str, str]] = {
    "wrong": ("this code is wrong, used, or over", "type it again, or get a new one"),
    "used": ("this code has paired a device already", _NEW),
    "ended": ("five wrong tries have ended this code", _NEW),
    "expired": ("the time of this code is over", _NEW),
}


FindEntrance = Callable[[], Entrance]
"""Where new devices begin, at present. May read a small file."""


def access_routes(
    registry: Registry,
    codes: Codes,
    revocations: Revocations,
    find_entrance: FindEntrance,
    has_channel: store.HasChannel,
    plain_left: int,
) -> Routes:
    """/pair, /devices, /media-keys. `plain_left`: of a device that is paired without encryption."""
    routes = Routes("access", raw=[_pair_route(codes, plain_left)])
    _code_route(routes, codes, find_entrance)
    _device_routes(routes, registry, revocations, has_channel)
    _media_key_route(routes, registry)
    return routes


def _pair_route(codes: Codes, plain_left: int) -> RawRoute:
    async def pair(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        headers = header_map(scope)
        body = parse_body(headers, await read_body(headers, receive), PairIn)
        assert body is not None
        peer = str((scope.get("client") or ("local", 0))[0])
        code = read_code(body.code)
        if code is None:
            raise invalid("code", "has 8 letters and digits, such as 7QK2-M9XT")
        is_plain = scope.get("scheme") != "https" and not is_loopback(peer)
        paired = await codes.use(code, body.name, peer, plain_left if is_plain else None)
        if isinstance(paired, str):
            raise Refused(403, "wrong_code", _WRONG[paired][0], _WRONG[paired][1], extra={"reason": paired})
        row, token = paired
        answer = {"device_id": row["id"], "role": row["role"], "name": row["name"], "token": token}
        cookies = [(b"set-cookie", each) for each in device_cookies(scope, token)]
        await send_reply(send, json_reply(201, answer, *cookies))

    return RawRoute(
        "POST",
        "/pair",
        pair,
        "Pair this device by a one-time code. The token is shown once; it is also set as a cookie.",
        body=PairIn,
        returns=Paired,
        status=201,
    )


def _code_route(routes: Routes, codes: Codes, find_entrance: FindEntrance) -> None:
    @routes.post("/devices/codes", body=CodeIn, returns=Code, status=201)
    async def make_code(ctx: Ctx, body: CodeIn) -> Answer:
        """Make a one-time code for another device."""
        if body.channel_id is not None and body.role != "capture":
            raise invalid("channel_id", store.ONLY_CAPTURE)
        code, expires_us = await ctx.store.write(lambda tx: store.create_code(tx, ctx.caller, body))
        codes.know(code[:SELECTOR_CHARS])
        shown = {"code": code, "expires_at": to_rfc3339(expires_us)}
        asked = {"role": body.role, "name": body.name, "channel_id": body.channel_id}
        return Answer(201, {**shown, **asked, **await in_thread(_link, body.address, code, find_entrance)})


def _device_routes(
    routes: Routes, registry: Registry, revocations: Revocations, has_channel: store.HasChannel
) -> None:
    @routes.get("/devices", returns=Devices)
    async def listing(ctx: Ctx) -> Answer:
        """Every paired device, oldest first."""
        rows = await ctx.read(store.live_devices)
        return Answer(200, {"items": [_shown(registry, row) for row in rows]})

    @routes.get("/devices/{device_id}", returns=Device)
    async def one(ctx: Ctx, device_id: str) -> Answer:
        """One paired device."""
        return Answer(200, _shown(registry, await ctx.read(lambda tx: store.load_device(tx, device_id))))

    @routes.patch("/devices/{device_id}", body=DevicePatch, returns=Device)
    async def change(ctx: Ctx, device_id: str, body: DevicePatch) -> Answer:
        """Rename it, or give it another role; its WebSockets reconnect."""
        rows = await ctx.store.write(
            lambda tx: store.change_device(tx, ctx.caller, device_id, body, has_channel)
        )
        for row in rows:
            registry.put(row)
            if body.role is not None:
                revocations.note(row["id"], row["role"], row["updated_us"])
        await revocations.save()
        return Answer(200, _shown(registry, rows[0]))

    @routes.delete("/devices/{device_id}")
    async def revoke(ctx: Ctx, device_id: str) -> Answer:
        """Revoke a device: its next request is refused, its WebSockets and downloads end."""
        try:
            rows = await ctx.store.write(lambda tx: store.revoke_device(tx, ctx.caller, device_id))
        except Unavailable:  # a stolen tablet is locked out at once, also while nothing can be stored
            registry.revoke(device_id)
            raise
        for row in rows:
            registry.revoke(row["id"])
            revocations.note(row["id"], None, row["revoked_us"])
        await revocations.save()
        return Answer(200, device_resource(rows[0]))


def _media_key_route(routes: Routes, registry: Registry) -> None:
    @routes.post("/media-keys", returns=MediaKey, status=201)
    async def make_key(ctx: Ctx) -> Answer:
        """Make a key for ?k= of media URLs, for players outside the page. It ends with the device's token."""
        known = registry.by_id(ctx.caller.identity)
        if known is None:
            raise Refused(401, "not_paired", "this device's access has ended", "pair it again")
        expires_s = ctx.clock.now_us() // S_US + MEDIA_KEY_S
        key = new_media_key(known.grant.device_id, known.token_hash, expires_s)
        return Answer(201, {"key": key, "expires_at": to_rfc3339(expires_s * S_US)})


def _link(address: str | None, code: str, find_entrance: FindEntrance) -> dict[str, str | None]:
    if address is None:
        return {"link": None, "qr_svg": None}
    link = pair_link(address, code, find_entrance())
    return {"link": link, "qr_svg": qr_svg(link)}


def _shown(registry: Registry, row: dict[str, object]) -> dict[str, object]:
    """The resource. When the device was last seen, and its channel, are newer in memory than in the row."""
    known = registry.by_id(str(row["id"]))
    if known is not None:
        row = {
            **row,
            "seen_us": known.seen_us,
            "channel_id": known.channel_id,
            "plain_left": known.plain_left,
        }
    return device_resource(row)
