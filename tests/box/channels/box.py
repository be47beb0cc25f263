"""The channel domain as the daemon assembles it: store, monitor and routes in simulated time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from appliance.box.channels.http import channel_routes
from appliance.box.channels.monitor import MonitorHandle, run_channel_monitor
from appliance.http.api import Ctx, Routes
from appliance.kernel import json
from appliance.kernel.operation import Answer, Caller
from appliance.kernel.store import Store
from tests.kit.box import sim_store


@dataclass
class Box:
    store: Store
    ages_s: dict[str, float]
    monitor: MonitorHandle = field(init=False)
    routes: Routes = field(init=False)

    async def call(self, method: str, path: str, *, caller: Caller | None = None, **arguments: Any) -> Answer:
        """The route of this pattern, with its parameters, body and query."""
        [route] = [each for each in self.routes.routes if (each.method, each.path) == (method, path)]
        for key, model in (("body", route.body), ("query", route.query)):
            if model is not None and not (key == "body" and route.body_optional and key not in arguments):
                arguments[key] = model.model_validate(arguments.get(key, {}))
        ctx = Ctx(self.store, self.store.clock, caller or Caller())
        return await route.handler(ctx, **arguments)

    async def add(self, channel_id: str = "cam1", *, active: bool = True, **fields: Any) -> None:
        body = {"id": channel_id, "name": channel_id.title(), **fields}
        assert (await self.call("POST", "/channels", body=body)).status == 201
        if active:
            await self.do(channel_id, "activate")

    async def do(self, channel_id: str, verb: str, **body: Any) -> dict[str, Any]:
        arguments: dict[str, Any] = {"body": body} if body else {}
        answer = await self.call(
            "POST", f"/channels/{{channel_id}}/{verb}", channel_id=channel_id, **arguments
        )
        return dict(answer.resource)

    async def get(self, channel_id: str = "cam1") -> dict[str, Any]:
        return dict((await self.call("GET", "/channels/{channel_id}", channel_id=channel_id)).resource)

    async def beat(self, channel_id: str = "cam1", body: bytes = b"") -> dict[str, Any]:
        """A heartbeat by its raw route."""
        [route] = self.routes.raw
        messages = [{"type": "http.request", "body": body}]
        sent: list[Any] = []

        async def receive() -> Any:
            await trio.lowlevel.checkpoint()
            return messages.pop(0)

        async def send(message: Any) -> None:
            await trio.lowlevel.checkpoint()
            sent.append(message)

        await route.handler({"type": "http"}, receive, send, {"channel_id": channel_id})
        assert dict(sent[0]["headers"])[b"content-length"] == b"%d" % len(sent[1]["body"])
        assert sent[0]["status"] == 200
        answer: dict[str, Any] = json.decode(sent[1]["body"])
        return answer

    def events(self, *types: str) -> list[dict[str, Any]]:
        """Journal entries of these types (all without), oldest first."""
        entries = self.store.journal.recent(0, 10_000) or []
        return [json.decode(entry.event) for entry in entries if not types or entry.type in types]

    def statuses(self) -> list[str]:
        return [event["status"] for event in self.events("channel_status")]

    async def row(self, channel_id: str = "cam1") -> dict[str, Any]:
        row = await self.store.read(lambda tx: tx.one("SELECT * FROM channels WHERE id = ?", (channel_id,)))
        assert row is not None
        return row


@asynccontextmanager
async def open_box(
    tmp_path: Path, *, timeout_s: float = 30.0, before: Callable[[Any], Any] | None = None
) -> AsyncIterator[Box]:
    """`before` is a closure that runs before the monitor: state left by an earlier run."""
    async with sim_store(tmp_path) as store, trio.open_nursery() as nursery:
        if before is not None:
            await store.write(before)
        box = Box(store, {})

        async def monitor(*, task_status: trio.TaskStatus[MonitorHandle]) -> None:
            await run_channel_monitor(
                db=store,
                clock=store.clock,
                interval_s=5.0,
                timeout_s=timeout_s,
                footage_age_s=box.ages_s.get,
                task_status=task_status,
            )

        box.monitor = await nursery.start(monitor)
        box.routes = channel_routes(box.monitor, store.clock)
        yield box
        nursery.cancel_scope.cancel()
