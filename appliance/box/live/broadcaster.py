"""The live actor: /ws and everything sent on it.

Owns: starting and ending the hub, and the handle for other modules. The journal is the only source of events:
every committed entry is sent, no module calls this one to publish one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import trio
from pydantic import BaseModel, Field

from appliance.box.live.commands import CommandHandler
from appliance.box.live.http import Endpoint
from appliance.box.live.hub import ClientStats, Hub
from appliance.http.access import Door
from appliance.http.api import Command, Ctx, RawRoute, Routes
from appliance.kernel import json
from appliance.kernel.clock import Clock, to_rfc3339
from appliance.kernel.operation import Answer
from appliance.kernel.store import Store


class LiveClient(BaseModel):
    """A device on /ws. Its name and what it reports about itself are shown, not verified."""

    device: str
    peer: str = Field(description="its address")
    connected_at: str
    heard_age_s: float = Field(description="since anything came from it; more than 12 s: it is being cut off")
    lag_events: int = Field(description="events it has not been handed yet; 0: up to date")
    rtt_ms: float | None = Field(description="its last round trip, as it says")
    role: str | None
    edit_lists: str | None = Field(description="what its self-test found: ok, ignored or unknown")


class Clients(BaseModel):
    items: list[LiveClient]


def client_resource(stats: ClientStats) -> dict[str, Any]:
    """The device as the API shows it."""
    about = stats.about
    return {
        "device": stats.device,
        "peer": stats.peer,
        "connected_at": to_rfc3339(stats.connected_us),
        "heard_age_s": round(stats.heard_age_s, 3),
        "lag_events": stats.lag,
        "rtt_ms": about.rtt_ms,
        "role": about.role,
        "edit_lists": about.edit_lists,
    }


@dataclass(frozen=True, slots=True)
class LiveStats:
    """`closed` counts by close code; 1005 are clients that disconnected by themselves."""

    clients: tuple[ClientStats, ...]
    opened: int
    closed: Mapping[int, int]
    commands_done: int
    commands_failed: int


@dataclass(frozen=True, slots=True)
class LiveHandle:
    """What other modules may call."""

    _hub: Hub
    _desk: CommandHandler
    _endpoint: Endpoint

    def route(self) -> RawRoute:
        return RawRoute(
            "WS",
            "/ws",
            self._endpoint.handle,
            "Every change as it happens, and commands.",
            admits_itself=True,
        )

    def routes(self) -> Routes:
        """/ws, and the list of its clients."""
        routes = Routes("live", raw=[self.route()])

        @routes.get("/clients", returns=Clients, hot=True)
        async def clients(ctx: Ctx) -> Answer:
            """Connected devices and how far each is behind, longest connected first."""
            stats = sorted(self._hub.stats(), key=lambda each: (each.connected_us, each.device))
            return Answer(200, {"items": [client_resource(each) for each in stats]})

        return routes

    def show_latest(self, key: str, message: Mapping[str, Any]) -> None:
        """Send a message without seq to every client, of which only the newest counts (progress, levels).

        `message` is flat with its `type`; a client that is behind gets only the newest of each `key`.
        """
        self._hub.show_latest(key, json.encode(message))

    async def stop(self) -> None:
        """Close every present and later client with 4001; returns when they are gone, or after 3 s."""
        await self._hub.stop()

    def stats(self) -> LiveStats:
        hub, desk = self._hub, self._desk
        return LiveStats(hub.stats(), hub.opened, dict(hub.closed), desk.done, desk.failed)


async def run_live(
    *,
    store: Store,
    site_id: str,
    clock: Clock,
    commands: Sequence[Command],
    heartbeat_s: float = 5.0,
    use_direct: bool = True,
    door: Door | None = None,
    task_status: trio.TaskStatus[LiveHandle] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve /ws until cancelled; then every client is closed with 4001.

    `use_direct` False uses only the plain ASGI specification (for finding faults; slower). `door` decides who
    may connect and which commands it may send; without one everything is open.
    """
    hub = Hub(store.journal, clock, heartbeat_s)
    desk = CommandHandler(store, clock, commands, door)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hub.heartbeats)
            nursery.start_soon(hub.fan_out)
            task_status.started(LiveHandle(hub, desk, Endpoint(hub, desk, site_id, use_direct, door)))
    finally:
        await hub.stop()
