"""A box with a real store, hypercorn on 127.0.0.1 and /ws; and clients that count received messages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio
import trio_websocket
from pydantic import Field

from appliance.box.live.broadcaster import LiveHandle, run_live
from appliance.http.access import Door
from appliance.http.api import Command, Ctx
from appliance.kernel.clock import BoxClock
from appliance.kernel.errors import Refused
from appliance.kernel.fields import Input
from appliance.kernel.operation import Answer
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import Tx
from appliance.network.tls import Tls
from tests.kit.asgi import serving
from tests.kit.encrypted import over
from tests.kit.waiting import LIMIT_S


class NoteIn(Input):
    text: str = Field(max_length=100)


@dataclass
class Box:
    store: Store
    live: LiveHandle
    port: int
    folder: Path | None = None  # of the authority, where TLS is on
    runs: list[str] = field(default_factory=list)  # texts of notes whose closure ran
    hold: trio.Event = field(default_factory=trio.Event)  # the command "held" waits for it
    held_now: int = 0
    held_most: int = 0
    handlers_now: int = 0

    async def write_events(self, count: int, *, size: int = 20) -> int:
        """`count` events in one transaction; returns the head after it."""

        def closure(tx: Tx) -> int:
            for _ in range(count):
                seq = tx.append("note", "note:x", {"text": "x" * size})
            return seq

        return await self.store.write(closure)

    @asynccontextmanager
    async def connect(
        self, query: str = "", subprotocols: Sequence[str] | None = None
    ) -> AsyncIterator[Tablet]:
        stream: Any = await trio.open_tcp_stream("127.0.0.1", self.port)
        if self.folder is not None:
            stream = over(stream, self.folder)
        async with (
            stream,
            trio.open_nursery() as nursery,
        ):  # the library leaves a stream open that the server has ended
            ws = await trio_websocket.wrap_client_stream(
                nursery, stream, "box", f"/ws{query}", subprotocols=subprotocols
            )
            yield Tablet(ws)
            with trio.move_on_after(1):
                await ws.aclose()
            nursery.cancel_scope.cancel()

    def commands(self) -> list[Command]:
        async def note(ctx: Ctx, body: NoteIn) -> Answer:
            def closure(tx: Tx) -> Answer:
                self.runs.append(body.text)
                seq = tx.append("note", "note:x", {"text": body.text, "by": ctx.caller.device})
                return Answer(201, {"text": body.text, "seq": seq})

            return await ctx.write(closure)

        async def refuse(ctx: Ctx, body: NoteIn) -> Answer:
            raise Refused(409, "illegal", "not now", "later", extra={"state": "paused"})

        async def broken(ctx: Ctx, body: NoteIn) -> Answer:
            raise RuntimeError("a fault of ours")

        async def held(ctx: Ctx, body: NoteIn) -> Answer:
            self.held_now += 1
            self.held_most = max(self.held_most, self.held_now)
            await self.hold.wait()
            self.held_now -= 1
            return Answer(200, {"text": body.text})

        runs = {"note": note, "refuse": refuse, "broken": broken, "held": held}
        return [Command(do, NoteIn, run) for do, run in runs.items()]


@dataclass
class Tablet:
    """A client that stores its cursor and checks the order of messages."""

    ws: Any
    connected: dict[str, Any] = field(default_factory=dict)
    seqs: list[int] = field(default_factory=list)

    async def next(self) -> dict[str, Any]:
        """The next frame of any type."""
        with trio.fail_after(LIMIT_S):
            message: dict[str, Any] = json.loads(await self.ws.get_message())
        if "seq" in message:
            self.seqs.append(message["seq"])
        return message

    async def next_of(self, kind: str) -> dict[str, Any]:
        while (message := await self.next())["type"] != kind:
            pass
        return message

    async def greet(self) -> dict[str, Any]:
        message = await self.next()
        assert message["type"] == "connected"
        return message

    async def read_to(self, seq: int) -> None:
        while not self.seqs or self.seqs[-1] < seq:
            await self.next()

    async def say(self, **message: Any) -> None:
        await self.ws.send_message(json.dumps(message))

    async def command(self, id_: str, do: str, **body: Any) -> dict[str, Any]:
        await self.say(type="command", id=id_, do=do, body=body)
        while (message := await self.next_of("result"))["id"] != id_:
            pass
        return message

    async def close_code(self) -> tuple[int, str]:
        """Code and reason of the server's close, after reading what was sent before."""
        try:
            while True:
                await self.next()
        except trio_websocket.ConnectionClosed as closed:
            assert closed.reason is not None
            return closed.reason.code, closed.reason.reason or ""


@asynccontextmanager
async def running_box(
    path: Path,
    *,
    use_direct: bool = True,
    heartbeat_s: float = 5.0,
    user_timeout_ms: int = 3000,
    door: Door | None = None,
    tls: Tls | None = None,
) -> AsyncIterator[Box]:
    clock = BoxClock.start(None, None)
    async with open_store(path / "box.db", clock) as store, trio.open_nursery() as nursery:
        box = Box(store, None, 0, path if tls is not None else None)  # type: ignore[arg-type]  # both are set below

        async def start(task_status: trio.TaskStatus[LiveHandle]) -> None:
            await run_live(
                store=store,
                site_id="north",
                clock=clock,
                commands=box.commands(),
                heartbeat_s=heartbeat_s,
                use_direct=use_direct,
                door=door,
                task_status=task_status,
            )

        box.live = await nursery.start(start)
        route = box.live.route()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            box.handlers_now += 1
            try:
                await route.handler(scope, receive, send, {})
            finally:
                box.handlers_now -= 1

        context = tls.context if tls is not None else None
        async with serving(app, user_timeout_ms=user_timeout_ms, context=context) as port:
            box.port = port
            yield box
        nursery.cancel_scope.cancel()


Running = Callable[..., AbstractAsyncContextManager[Box]]
"""running_box with the transport and folder chosen by the fixture."""


async def wait_until(is_true: Callable[[], bool], limit_s: float = 10.0) -> None:
    """Poll a condition of the server that sends no event."""
    with trio.fail_after(limit_s):
        while not is_true():  # noqa: ASYNC110
            await trio.sleep(0.005)
