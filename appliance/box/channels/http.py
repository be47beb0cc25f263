"""HTTP routes of channels. Heartbeats have their own route without a framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, Field, ValidationError

from appliance.box.channels import store
from appliance.box.channels.inputs import check_called_host
from appliance.box.channels.liveness import Beat
from appliance.box.channels.machine import ChannelEvent
from appliance.box.channels.model import (
    Channel,
    ChannelIn,
    ChannelPatch,
    ChannelQuery,
    DeactivateIn,
    FaultIn,
    Heartbeat,
)
from appliance.box.channels.monitor import MonitorHandle
from appliance.http.api import Collection, Ctx, RawRoute, Receive, Routes, Scope, Send
from appliance.http.requests import NUL_WORDS, nul_in
from appliance.kernel import json
from appliance.kernel.clock import Clock, to_rfc3339
from appliance.kernel.errors import FieldError, Refused, invalid
from appliance.kernel.operation import Answer
from appliance.network.addresses import Network

_CHANNELS: Final = Collection(
    "channels",
    "channel_id",
    {"type": "string", "pattern": "^[a-z0-9_-]{1,32}$"},
    commands=("activate", "deactivate", "error"),
)


def channel_routes(monitor: MonitorHandle, clock: Clock, networks: Sequence[Network] = ()) -> Routes:
    """Routes of /channels: resources, commands of people and of capture devices, heartbeats.

    `networks`: where a camera may be called although it is refused otherwise (network/addresses.py).
    """
    routes = Routes("channels", collection=_CHANNELS)
    _resource_routes(routes, monitor, networks)
    _command_routes(routes, monitor)
    routes.raw.append(_heartbeat_route(monitor, clock))
    return routes


def _resource_routes(routes: Routes, monitor: MonitorHandle, networks: Sequence[Network]) -> None:
    @routes.post("/channels", body=ChannelIn, returns=Channel, status=201)
    async def create(ctx: Ctx, body: ChannelIn) -> Answer:
        """Add a channel; it is inactive until activated."""
        _check_input(body.input_url, networks)
        return _update_monitor(
            monitor, await ctx.write(lambda tx: store.create_channel(tx, ctx.caller, body))
        )

    @routes.get("/channels", query=ChannelQuery, items=Channel)
    async def listing(ctx: Ctx, query: ChannelQuery) -> Answer:
        """List channels, oldest first."""
        page = await ctx.read(lambda tx: store.list_channels(tx, query))
        return Answer(200, {**page, "items": [monitor.shown(item) for item in page["items"]]})

    @routes.get("/channels/{channel_id}", returns=Channel)
    async def one(ctx: Ctx, channel_id: str) -> Answer:
        """One channel."""
        return Answer(200, monitor.shown(await ctx.read(lambda tx: store.get_channel(tx, channel_id))))

    @routes.patch("/channels/{channel_id}", body=ChannelPatch, returns=Channel)
    async def change(ctx: Ctx, channel_id: str, body: ChannelPatch) -> Answer:
        """Change a channel's fields."""
        _check_input(body.input_url, networks)
        return _update_monitor(
            monitor, await ctx.write(lambda tx: store.change_channel(tx, ctx.caller, channel_id, body))
        )

    @routes.delete("/channels/{channel_id}")
    async def remove(ctx: Ctx, channel_id: str) -> Answer:
        """Archive a channel: clips and recordings stay, the id is not reusable."""
        answer = await ctx.write(lambda tx: store.archive_channel(tx, ctx.caller, channel_id))
        monitor.forget(channel_id)
        return answer


def _command_routes(routes: Routes, monitor: MonitorHandle) -> None:
    @routes.post("/channels/{channel_id}/activate", returns=Channel)
    async def activate(ctx: Ctx, channel_id: str) -> Answer:
        """Switch a channel on: it has a full timeout from now. Ends any error."""
        monitor.touch(channel_id)  # before the write: a timeout detected after it would undo the activation
        return _update_monitor(
            monitor,
            await ctx.write(
                lambda tx: store.command_channel(tx, ctx.caller, channel_id, ChannelEvent.ACTIVATE)
            ),
        )

    @routes.post("/channels/{channel_id}/deactivate", body=DeactivateIn, body_optional=True, returns=Channel)
    async def deactivate(ctx: Ctx, channel_id: str, body: DeactivateIn | None = None) -> Answer:
        """Switch a channel off."""
        reason = body.reason if body else None
        return _update_monitor(
            monitor,
            await ctx.write(
                lambda tx: store.command_channel(tx, ctx.caller, channel_id, ChannelEvent.DEACTIVATE, reason)
            ),
        )

    @routes.post("/channels/{channel_id}/error", body=FaultIn, returns=Channel)
    async def fault(ctx: Ctx, channel_id: str, body: FaultIn) -> Answer:
        """Report a fault; it ends by activate or a heartbeat with ok. A capture device: its own channel."""
        return _update_monitor(
            monitor, await ctx.write(lambda tx: store.report_fault(tx, ctx.caller, channel_id, body))
        )


def _check_input(input_url: str | None, networks: Sequence[Network]) -> None:
    """Raises Refused 422 naming the field."""
    try:
        check_called_host(input_url, networks)
    except ValueError as error:
        raise invalid("input_url", str(error)) from None


def _update_monitor(monitor: MonitorHandle, answer: Answer) -> Answer:
    """Update the monitor with the change before the caller gets the answer."""
    monitor.learn(answer.resource)
    return Answer(answer.status, monitor.shown(answer.resource))


# -- heartbeats: plain ASGI ------------------------------------------------------------------------


def parse_heartbeat(body: bytes) -> Beat:
    """The fields of a heartbeat's body; an empty body is valid. Raises Refused 400, or 422 naming the wrong
    field."""
    if not body.strip():
        return Beat()
    try:
        value = json.decode(body)
        sent = Heartbeat.model_validate(value)
    except json.BadJson as error:
        raise Refused(
            400, "malformed_json", f"the body is not JSON: {error}", "send an object, or no body"
        ) from None
    except ValidationError as error:
        raise _wrong_fields(error) from None
    if b"\\u0000" in body and (where := nul_in(value)) is not None:
        raise invalid(where, NUL_WORDS)
    figures = sent.model_dump(
        include={"resolution", "framerate", "bitrate", "dropped_frames"}, exclude_none=True
    )
    return Beat(sent.ok, sent.sent_at, figures)


def _wrong_fields(error: ValidationError) -> Refused:
    errors = [
        FieldError(".".join(str(part) for part in each["loc"]) or "body", _words(each))
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    detail = "; ".join(f"{each.loc}: {each.msg}" for each in errors)
    return Refused(422, "invalid", detail, "see /docs for the fields of a heartbeat", errors)


def _words(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "no such field"
    return str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")


class HeartbeatAnswer(BaseModel):
    status: str = Field(description="of the channel")
    server_time: str
    interval_s: float = Field(description="how often to call")


def heartbeat_answer(status: str, now_us: int, interval_s: float) -> Mapping[str, Any]:
    """The answer to the device: its channel's status, the box's time, and the heartbeat interval."""
    return {"status": status, "server_time": to_rfc3339(now_us), "interval_s": interval_s}


async def _read_body(receive: Receive) -> bytes | None:
    """The request's body; None when the device disconnected. Raises Refused 413."""
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > json.MAX_BODY_BYTES:
            raise Refused(413, "too_large", f"a body may have {json.MAX_BODY_BYTES} bytes")
        if not message.get("more_body"):
            return body


def _heartbeat_route(monitor: MonitorHandle, clock: Clock) -> RawRoute:
    async def heartbeat(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        body = await _read_body(receive)
        if body is None:
            return
        status = await monitor.heartbeat(parameters["channel_id"], parse_heartbeat(body))
        out = json.encode(heartbeat_answer(status, clock.now_us(), monitor.interval_s))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(out))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": out})

    return RawRoute(
        "POST",
        "/channels/{channel_id}/heartbeat",
        heartbeat,
        "Say that a channel's capture is alive; the body is optional. A capture device: its own channel.",
        body=Heartbeat,
        returns=HeartbeatAnswer,
        small=True,
    )
