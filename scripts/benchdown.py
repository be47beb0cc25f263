"""From a commit in the cloud to the box's row: the part `down` of scripts/benches/sync.py.

The hosted program and the box's actors run in this process, over real sockets on loopback: the nudge, the
question, the answer, the box's commit with fsync. Changes come one at a time.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import trio
from benchkit import Options, Row, spread_ms

GOAL_MS = 50
BOX_ID = "019307a0-0000-7000-8000-0000000000b0"


def down(options: Options) -> list[Row]:
    """Of many single changes of an event, with each of the two databases in the cloud."""
    count = 5 if options.quick else 300
    report = []
    for name in ("PostgreSQL", "SQLite"):
        folder = options.folder / f"down-{name}"
        folder.mkdir()
        with _url(name) as url:
            took_s = trio.run(_measure, url, folder, count)
        report.append({"cloud": name, **spread_ms(took_s), "goal": f"p50 < {GOAL_MS} ms"})
    return report


@contextmanager
def _url(name: str) -> Any:
    from tests.kit import postgres

    if name == "SQLite":
        yield "sqlite:cloud.db"
    else:
        with postgres.own_server(fsync="on", full_page_writes="on", synchronous_commit="on") as server:
            yield server.empty_database()


@dataclass(slots=True)
class _Told:
    """Where the box's actor reports that an answer is stored."""

    changed: Any = field(default=None)

    def worked(self, direction: str, now_us: int) -> None:
        self.changed.notify()

    def failed(self, direction: str, error: Exception, now_us: int) -> bool:
        raise error


@asynccontextmanager
async def _cloud(url: str, folder: Path) -> AsyncIterator[tuple[Any, str]]:
    """The hosted program's store and address."""
    from appliance.cloud.service import run_cloud
    from appliance.cloud.settings import check_settings
    from appliance.ops.loopwatch import LoopWatch

    stop, serving = trio.Event(), trio.Event()
    opened: list[Any] = []

    async def ready(bound: Any, store: Any) -> None:
        opened.extend((store, f"http://127.0.0.1:{bound.port}"))
        serving.set()

    settings = check_settings(
        {
            "cloud": {"environment": "demo", "state_dir": folder},
            "server": {"port": 0, "local_port": 0},
            "database": {"url": url, "connections": 4},
        }
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(run_cloud, settings, stop=stop, loop=LoopWatch(), ready=ready))
        await serving.wait()
        yield opened[0], opened[1]
        stop.set()


async def _measure(url: str, folder: Path, count: int) -> list[float]:
    from appliance.access.tokens import store as tokens
    from appliance.box.domains import domains
    from appliance.box.sync.client import open_client
    from appliance.box.sync.down.actor import Down, Nudges, Reading
    from appliance.box.sync.down.nudge import run_nudges
    from appliance.kernel.schema import schema_folders, use_schemas
    from appliance.kernel.signal import Signal
    from appliance.kernel.store import open_store
    from tests.cloud.fleet.changes.world import SITE, add_event, add_league, change
    from tests.kit.clock import WallClock

    domains()
    _, *of_box = schema_folders()
    token, token_hash = tokens.make_token()
    took_s: list[float] = []
    async with _cloud(url, folder) as (cloud, address), AsyncExitStack() as stack:
        scope = {"role": "box", "scopes": [f"site:{SITE}"], "name": "box", "created_by": "bench"}
        await cloud.write(partial(tokens.add_token, token_hash=token_hash, **scope))
        league = await cloud.write(add_league)
        event_id = await cloud.write(lambda tx: add_event(tx, league))
        use_schemas(*of_box)
        store = await stack.enter_async_context(open_store(folder / "box.db", WallClock()))
        client = await stack.enter_async_context(open_client(address, token, BOX_ID))
        nursery = await stack.enter_async_context(trio.open_nursery())
        told, nudges = _Told(Signal()), Nudges()
        headers = [(b"authorization", f"Bearer {token}".encode()), (b"box-id", BOX_ID.encode())]
        nursery.start_soon(partial(run_nudges, nudges=nudges, url=address, headers=headers))
        box = Down(store, WallClock(), Reading(client, address, SITE, told), nudges)
        await nursery.start(box.run)
        while not nudges.are_heard:
            await nudges.signal.wait_past(nudges.signal.count)
        for number in range(count):
            await trio.sleep(0.02)  # the answers to earlier nudges are over
            seen = told.changed.count
            await cloud.write(
                lambda tx, number=number: change(tx, "event", event_id, venue=f"Ground {number}")
            )
            began_s, cursor = time.perf_counter(), box.position.cursor
            while box.position.cursor == cursor:
                seen = await told.changed.wait_past(seen)
            took_s.append(time.perf_counter() - began_s)
        nursery.cancel_scope.cancel()
    return took_s
