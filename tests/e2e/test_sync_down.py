"""A real box and a real cloud over real sockets: the box has the league's changes, also after an outage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.access.tokens import store as tokens
from appliance.cloud.service import run_cloud
from appliance.cloud.settings import check_settings
from appliance.kernel.schema import schema_folders, use_schemas
from appliance.kernel.store import Store
from appliance.ops.loopwatch import LoopWatch
from appliance.server.connections.server import Bound
from tests.cloud.fleet.changes.world import SITE, add_event, add_league, change
from tests.kit import postgres
from tests.kit.ports import free_port
from tests.kit.running import Http, running_box
from tests.kit.waiting import LIMIT_S

pytestmark = pytest.mark.slow


@asynccontextmanager
async def running_cloud(folder: Path, database: str, port: int) -> AsyncIterator[Store]:
    """The hosted program in this process."""
    _, *before = schema_folders()
    settings = check_settings(
        {
            "cloud": {"environment": "demo", "state_dir": folder},
            "server": {"port": port, "local_port": 0},
            "database": {"url": database, "connections": 4},
        }
    )
    stop, serving = trio.Event(), trio.Event()
    opened: list[Store] = []

    async def ready(bound: Bound, store: Store) -> None:
        opened.append(store)
        serving.set()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(run_cloud, settings, stop=stop, loop=LoopWatch(), ready=ready))
            await serving.wait()
            yield opened[0]
            stop.set()
    finally:
        use_schemas(*before)


async def make_box_token(store: Store) -> str:
    token, token_hash = tokens.make_token()
    add = partial(tokens.add_token, token_hash=token_hash, role="box", scopes=[f"site:{SITE}"])
    await store.write(partial(add, name="box", created_by="console"))
    return token


async def test_what_the_league_changes_is_on_the_box(tmp_path: Path) -> None:
    database = "sqlite:cloud.db" if postgres.missing() else postgres.server().empty_database()
    port, cloud = free_port(), tmp_path / "cloud"
    with trio.fail_after(LIMIT_S):
        async with AsyncExitStack() as stack:
            async with running_cloud(cloud, database, port) as store:
                league = await store.write(add_league)
                event_id = await store.write(lambda tx: add_event(tx, league))
                url, token = f"http://127.0.0.1:{port}", await make_box_token(store)
                link = {"url": url, "token": token, "sessions_from_events": True}
                running = running_box(tmp_path / "box", site={"id": SITE}, cloud=link)
                http = await stack.enter_async_context((await stack.enter_async_context(running)).http())
                await eventually_shows(http, event_id, status="scheduled")
                (session,) = (await http.get("/sessions"))["items"]
                assert (session["event_id"], session["name"]) == (event_id, "Rovers v United")
                await store.write(lambda tx: change(tx, "event", event_id, venue="North ground"))
                await eventually_shows(http, event_id, venue="North ground")
            await http.post(f"/sessions/{session['id']}/score", {"home": 1, "away": 0})  # without the cloud
            assert (await names(http))[event_id]["venue"] == "North ground"
            async with running_cloud(cloud, database, port) as store:
                await store.write(lambda tx: change(tx, "event", event_id, status="cancelled"))
                await eventually_shows(http, event_id, status="cancelled")
                (session,) = (await http.get("/sessions"))["items"]  # a cancelled event deletes no session
                assert session["score"]["home"] == 1


async def names(http: Http) -> dict[str, Any]:
    """The box's copies of events, by id."""
    page = await http.get("/replicas", kind="event")
    return {each["id"]: each["resource"] for each in page["items"]}


async def eventually_shows(http: Http, event_id: str, **fields: Any) -> None:
    while True:
        event = (await names(http)).get(event_id, {})
        if all(event.get(name) == value for name, value in fields.items()):
            return
        await trio.sleep(0.05)
