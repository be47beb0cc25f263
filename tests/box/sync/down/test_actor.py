"""The box with a cloud that is there, gone, slow, restored or lying: in simulated time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import trio
from trio.testing import wait_all_tasks_blocked

from appliance.box.sync.client import CloudClient
from appliance.box.sync.down.actor import CAP_S, REST_S, WAIT_S, Down, Nudges, Reading
from appliance.box.sync.down.http import replica_routes
from appliance.box.sync.down.model import ReplicasQuery
from appliance.box.sync.down.replicas import list_replicas
from appliance.box.sync.link import Link
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.tx import Tx
from tests.box.sync.down.cloud import EXPIRED, SITE, URL, Cloud, answer, change, event, event_id, team
from tests.kit.box import sim_store

GONE = Unavailable("cloud_unreachable", "the cloud cannot be reached", "check the cable")


@dataclass
class World:
    cloud: Cloud
    down: Down
    link: Link

    async def names(self) -> dict[str, Any]:
        page = await self.down.store.read(lambda tx: list_replicas(tx, ReplicasQuery()))
        return {each["id"]: each["resource"].get("rev") for each in page["items"]}

    def asked(self) -> list[str]:
        return [path.rpartition("/")[2] for path, _ in self.cloud.calls]


@asynccontextmanager
async def world(
    tmp_path: Path, cloud: Cloud, on_event: Callable[[Tx, Any, Any], object] | None = None
) -> AsyncIterator[World]:
    async with sim_store(tmp_path) as store, trio.open_nursery() as nursery:
        link = Link(URL, store.clock.now_us())
        nudges = Nudges(are_heard=True)
        client = cast(CloudClient, cloud)
        down = Down(store, store.clock, Reading(client, URL, SITE, link), nudges, on_event)
        await nursery.start(down.run)
        await wait_all_tasks_blocked()
        yield World(cloud, down, link)
        nursery.cancel_scope.cancel()


async def test_it_begins_with_a_snapshot_and_goes_on_by_nudges(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    cloud = Cloud()
    cloud.put("event", event_id(1), event(1))
    async with world(tmp_path, cloud) as box:
        assert await box.names() == {event_id(1): 1} and box.asked() == ["snapshot", "changes"]
        cloud.put("event", event_id(1), event(1, rev=2))
        box.down.nudges.signal.notify()
        await wait_all_tasks_blocked()
        assert await box.names() == {event_id(1): 2} and len(cloud.calls) == 3
        assert box.link.is_connected and cloud.calls[-1][1] == {"cursor": "1", "wait": "0"}
        cloud.put("event", event_id(1), None)
        await trio.sleep(REST_S + 1)  # no nudge came
        assert await box.names() == {}
        box.down.nudges.set_heard(False)
        await wait_all_tasks_blocked()
    assert cloud.calls[-1][1]["wait"] == f"{WAIT_S:g}"


async def test_a_restored_cloud_is_read_anew(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    cloud = Cloud()
    cloud.put("event", event_id(1), event(1))
    async with world(tmp_path, cloud) as box:
        cloud.rows.clear()
        cloud.put("team", team()["id"], team())
        cloud.says = [EXPIRED]
        box.down.nudges.signal.notify()
        await wait_all_tasks_blocked()
        assert list(await box.names()) == [team()["id"]]
        assert box.asked()[2:] == ["changes", "snapshot", "changes"] and not box.link.troubles


async def test_a_cloud_that_answers_too_fast_is_not_asked_without_a_pause(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    cloud = Cloud(holds=False)
    async with world(tmp_path, cloud) as box:
        cloud.says = [{**answer("1"), "more": True}]
        box.down.nudges.set_heard(False)
        calls = len(cloud.calls)
        await trio.sleep(10)
        assert len(cloud.calls) - calls <= 12
        cloud.says = [EXPIRED, *[cloud.snapshot(), EXPIRED] * 20]
        calls = len(cloud.calls)
        box.down.nudges.signal.notify()
        await wait_all_tasks_blocked()
        assert len(cloud.calls) - calls == 3
        assert "of its own snapshot" in box.link.troubles["down"].detail


async def test_what_the_cloud_says_wrong_is_told_and_not_stored(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    cloud = Cloud()
    cloud.put("event", event_id(1), event(1))
    async with world(tmp_path, cloud) as box:
        wrong = [
            (answer("9", change(9, "event", event(2, site_id="south"))), "cloud_answer", "of site 'south'"),
            ({"hello": "world"}, "cloud_answer", "cannot be read"),
            (GONE, "cloud_unreachable", "cannot be reached"),
            (Refused(409, "other_box", "another machine is the box"), "other_box", "another machine"),
        ]
        for said, code, words in wrong:
            cloud.says = [said]
            calls = len(cloud.calls)
            box.down.nudges.signal.notify()
            await wait_all_tasks_blocked()
            assert len(cloud.calls) == calls + 1
            trouble = box.link.troubles["down"]
            assert trouble.code == code and words in trouble.detail
            assert await box.names() == {event_id(1): 1}
            await trio.sleep(CAP_S + 1)  # tried again by itself
            assert "down" not in box.link.troubles and len(cloud.calls) > calls + 1


async def test_a_snapshot_in_pages_is_stored_whole(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    cloud = Cloud()
    first, second = (answer("5", change(at, "event", event(at)), next=f"event:{at}") for at in (1, 2))
    cloud.says = [first, GONE, first, {**second, "next": None}, answer("6")]
    async with world(tmp_path, cloud) as box:
        assert await box.names() == {}
        await trio.sleep(CAP_S)
        assert set(await box.names()) == {event_id(1), event_id(2)}
        assert cloud.calls[4] == ("/edge/v1/changes", {"cursor": "5", "wait": "0"})


async def test_the_events_of_before_are_planned_when_the_setting_is_new(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    cloud, told = Cloud(), list[str]()
    cloud.put("event", event_id(1), event(1))
    async with world(tmp_path, cloud):
        pass
    async with world(tmp_path, cloud, lambda tx, now, before: told.append(now["id"])):
        pass
    assert told == [event_id(1)]
    assert [route.path for route in replica_routes().routes] == ["/replicas"]
