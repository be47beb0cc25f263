"""GET /edge/v1/changes, held until something is new, /snapshot and the nudging socket, by tokens of boxes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from appliance.box.sync.down.actor import Nudges
from appliance.box.sync.down.nudge import run_nudges
from appliance.cloud.fleet.changes import nudge
from appliance.kernel.journal import Journal
from appliance.server.connections.server import run_server
from tests.cloud.conftest import Cloud
from tests.cloud.fleet.changes.world import OTHER, SITE, add_event, add_league, change
from tests.kit.client import Client, Reply
from tests.kit.waiting import LIMIT_S

BOX_ID = "019307a0-0000-7000-8000-0000000000b0"


@dataclass
class Box:
    client: Client

    async def changes(self, cursor: str, wait: float = 0) -> Any:
        reply = await self.client.get(f"/edge/v1/changes?cursor={cursor}&wait={wait:g}")
        assert reply.status == 200, reply.body
        return reply.json

    async def cursor(self) -> str:
        return str((await self.client.get("/edge/v1/snapshot")).json["cursor"])


async def box_of(cloud: Cloud, site_id: str, box_id: str = BOX_ID) -> Box:
    client = await cloud.holder("box", f"site:{site_id}")
    client.headers["box-id"] = box_id
    return Box(client)


async def test_a_request_waits_until_something_is_new_for_its_site(
    cloud: Cloud, autojump_clock: trio.testing.MockClock
) -> None:
    here, there = await box_of(cloud, SITE), await box_of(cloud, OTHER)
    league = await cloud.store.write(add_league)
    cursor, answers = await here.cursor(), dict[str, Any]()

    async def ask(name: str, box: Box) -> None:
        answers[name] = await box.changes(cursor, wait=25)

    began_s = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "here", here)
        nursery.start_soon(ask, "there", there)
        await wait_all_tasks_blocked()
        event_id = await cloud.store.write(lambda tx: add_event(tx, league))
        await wait_all_tasks_blocked()
        assert list(answers) == ["here"] and trio.current_time() == began_s
    assert answers["here"]["changes"][0]["id"] == event_id and answers["here"]["site_id"] == SITE
    assert answers["there"]["changes"] == [] and answers["there"]["cursor"] != cursor
    assert trio.current_time() - began_s == pytest.approx(25)


async def test_a_request_that_waits_does_not_delay_the_end(
    cloud: Cloud, autojump_clock: trio.testing.MockClock
) -> None:
    box = await box_of(cloud, SITE)
    cursor, began_s = await box.cursor(), trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.changes, cursor, 25)
        await wait_all_tasks_blocked()
        cloud.store.journal.end_waits()
    await box.changes(cursor, 25)
    assert trio.current_time() == began_s


async def test_a_box_sees_its_own_site_alone(cloud: Cloud) -> None:
    league = await cloud.store.write(add_league)
    event_id = await cloud.store.write(lambda tx: add_event(tx, league))
    here, there = await box_of(cloud, SITE), await box_of(cloud, OTHER)
    first = (await here.client.get("/edge/v1/snapshot")).json
    assert event_id in [each["id"] for each in first["changes"]] and first["next"] is None
    assert (await there.client.get("/edge/v1/snapshot")).json["changes"] == []
    for path, code in (
        ("/edge/v1/changes?cursor=x", "cursor_expired"),
        ("/edge/v1/changes", "invalid"),
        (f"/edge/v1/changes?cursor={first['cursor']}&wait=31", "invalid"),
        ("/edge/v1/snapshot?page=x", "invalid"),
        ("/edge/v1/snapshot?site_id=south", "invalid"),
    ):
        refused: Reply = await here.client.get(path)
        assert (refused.status in (410, 422), refused.json["code"]) == (True, code), path


async def test_the_socket_says_that_something_is_new_until_the_end(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nudge, "BEAT_S", 0.01)  # beats are no news
    box = await box_of(cloud, SITE)
    headers = [(b"authorization", box.client.headers["authorization"].encode()), (b"box-id", BOX_ID.encode())]
    journal: Journal = cloud.store.journal
    league = await cloud.store.write(add_league)
    nudges = Nudges()
    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            serve = partial(run_server, cloud.client.app, host="127.0.0.1", port=0, stop=trio.Event())
            bound = await nursery.start(serve)
            url = f"http://127.0.0.1:{bound.port}"
            await nursery.start(partial(run_nudges, nudges=nudges, url=url, headers=headers))
            seen = await nudges.signal.wait_past(0)
            assert (nudges.are_heard, seen) == (True, 1)
            event_id = await cloud.store.write(lambda tx: add_event(tx, league))
            seen = await nudges.signal.wait_past(seen)
            await cloud.store.write(lambda tx: change(tx, "event", event_id, venue="Elsewhere"))
            seen = await nudges.signal.wait_past(seen)
            journal.end_waits()
            assert (await nudges.signal.wait_past(seen), nudges.are_heard) == (4, False)
            nursery.cancel_scope.cancel()
