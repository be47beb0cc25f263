"""A web application that checks access, over a real store; no sockets, simulated time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.access.actor import AccessHandle, run_access
from appliance.access.console import leave_code
from appliance.access.door import AccessDoor
from appliance.access.links import Entrance
from appliance.access.own.renewals import PlainRule
from appliance.access.roles import EVERYBODY, Permission, matrix, roles
from appliance.http.api import Ctx, RawRoute, Receive, Routes, Scope, Send
from appliance.http.replies import json_reply, send_reply
from appliance.kernel.actor import running
from appliance.kernel.errors import not_found
from appliance.kernel.operation import Answer
from appliance.kernel.store import Store, open_store
from appliance.server.app import make_app
from appliance.server.box_routes import Hooks, Site
from tests.kit.client import Client
from tests.kit.clock import HandClock

OWN = roles("capture")
CHANNELS = ("cam1", "cam2")
ROWS = {
    "GET /healthz": EVERYBODY,
    "GET /version": EVERYBODY,
    "GET /time": roles("coach"),
    "GET /readyz": roles("coach"),
    "GET /metrics": roles("integrator"),
    "GET /openapi.json": roles("coach"),
    "GET /events": roles("coach"),
    "GET /snapshot": roles("coach"),
    "POST /plays": roles("coach", "operator"),
    "WS /socket": roles("coach"),
    "GET /clips/{clip_id}/stream": Permission(frozenset({"coach"}), media=True),
    "POST /channels/{channel_id}/heartbeat": Permission(OWN.roles | {"operator"}, own=OWN.roles),
    "POST /channels/{channel_id}/error": Permission(OWN.roles | {"operator"}, own=OWN.roles),
}


@dataclass
class Side:
    """What a test changes and inspects."""

    store: Store
    clock: HandClock
    access: AccessHandle
    door: AccessDoor
    state_dir: Path
    client: Client  # from the network: its Host is no loopback name

    async def upgrade(self, client: Client, path: str) -> None:
        """Ask for a WebSocket as `client` does."""
        fields = {"host": client.host, "x-client": client.device, **client.headers}
        scope = {**client._scope("GET", path, fields), "type": "websocket", "subprotocols": []}
        await client.app(scope, _nothing, _ignore)

    def device(self, token: str) -> Client:
        return Client(self.client.app, headers={"authorization": f"Bearer {token}"}, host=self.client.host)

    async def paired(self, role: str, name: str = "", channel: str | None = None) -> tuple[str, Client]:
        """(device id, client) of a new device, by a code of the console."""
        code = leave_code(self.state_dir, role, None, 10, channel)
        reply = await self.client.post("/pair", {"code": code, **({"name": name} if name else {})})
        assert reply.status == 201, reply.body
        return reply.json["device_id"], self.device(reply.json["token"])


async def _nothing() -> dict[str, object]:
    return {"type": "websocket.connect"}


async def _ignore(message: object) -> None:
    """A `send` whose answer is not looked at."""


def mark_routes() -> Routes:
    """A route like that of a mark, with a body; a media route; two reports of a channel."""
    routes = Routes("marks")

    @routes.post("/plays", hot=True)
    async def mark(ctx: Ctx) -> Answer:
        """Returns who sent the mark."""
        caller = ctx.caller

        def closure(tx: object) -> Answer:
            return Answer(201, {"created_by": caller.device, "identity": caller.identity})

        return await ctx.write(closure)

    async def stream(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        await send_reply(send, json_reply(200, parameters))

    routes.raw.append(RawRoute("GET", "/clips/{clip_id}/stream", stream, "Bytes."))

    async def heartbeat(scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        require_channel(given["channel_id"])
        await send_reply(send, json_reply(200, given))

    @routes.post("/channels/{channel_id}/error")
    async def fault(ctx: Ctx, channel_id: str) -> Answer:
        """Report a fault."""
        require_channel(channel_id)
        return Answer(200, {"channel_id": channel_id})

    routes.raw.append(RawRoute("POST", "/channels/{channel_id}/heartbeat", heartbeat, "Alive."))

    async def socket(scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        await send({"type": "websocket.close"})

    routes.raw.append(RawRoute("WS", "/socket", socket, admits_itself=True))
    return routes


def require_channel(channel_id: str) -> None:
    if channel_id not in CHANNELS:
        raise not_found("channel", channel_id)


@asynccontextmanager
async def running_side(
    folder: Path,
    *,
    is_open: bool = False,
    on_loopback: bool = False,
    more: Sequence[Routes] = (),
    unused_days: int = 0,
    plain: PlainRule = PlainRule(),  # noqa: B008  frozen
    clock: HandClock | None = None,
) -> AsyncIterator[Side]:
    clock = clock or HandClock()
    async with (
        open_store(folder / "box.db", clock, in_thread=False) as store,
        running(
            "access",
            run_access,
            db=store,
            state_dir=folder,
            find_entrance=Entrance,
            has_channel=lambda _, channel_id: channel_id in CHANNELS,
            unused_days=unused_days,
            plain=plain,
        ) as access,
    ):
        door = AccessDoor(access.registry, matrix(ROWS), clock, is_open, on_loopback, access.renewals)
        app = make_app(
            [mark_routes(), *access.routes, *more],
            store=store,
            clock=clock,
            site=Site("box-1", "North Field", ("box.local",)),
            hooks=Hooks(dict, lambda: b"", lambda tx, give_way: {}),
            static_dir=None,
            door=door,
        )
        yield Side(store, clock, access, door, folder, Client(app, host="box.local"))
