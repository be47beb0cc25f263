"""The scheduler in simulated time, against the real application: from a season to its table, unattended."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from appliance.cloud.scoring.executions import executor
from appliance.cloud.scoring.notices.messages import Receivers
from appliance.cloud.scoring.notices.sentry import parse_dsn
from appliance.cloud.scoring.schedules import actor
from appliance.cloud.scoring.schedules.actor import Scheduler
from appliance.cloud.scoring.schedules.caller import ServiceCaller
from appliance.cloud.scoring.schedules.planning import Setting
from appliance.cloud.scoring.schedules.settings import SchedulerSettings
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.leases import LEAST_S
from appliance.network.outbound import Outbound
from tests.kit.box import in_the_loop, sim_store
from tests.kit.clock import SimClock
from tests.kit.cloud import Cloud, Line, cloud_over

URL = "http://127.0.0.1:8090"
BASE = "/api/v2/data-provider"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
TOKEN = {"x-internal-token": "shared-demo"}
DEMO = Setting("demo", SchedulerSettings())


@pytest.fixture
async def simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cloud]:
    """From 2026-11-20 19:00 UTC on; nothing works in threads, so that the clock may jump: a test asks for
    `autojump_clock` itself."""
    monkeypatch.setattr(trio.to_thread, "run_sync", in_the_loop)
    monkeypatch.setattr(actor, "LOOK_S", 1800.0)  # a day has 17,000 looks otherwise
    monkeypatch.setattr(executor, "LOOK_S", 3600.0)
    clock = SimClock()
    async with sim_store(tmp_path, clock) as store, cloud_over(store, clock, tmp_path) as cloud:
        yield cloud


@asynccontextmanager
async def scheduling(
    cloud: Cloud, line: Line, *, owner: str = "process-1", receivers: Receivers | None = None
) -> AsyncIterator[None]:
    outbound = Outbound(LOOPBACK, below=line)
    caller = ServiceCaller(outbound, lambda: URL, "demo", "shared-demo")
    scheduler = Scheduler(cloud.store, caller, DEMO, receivers or Receivers("demo"), owner)
    async with trio.open_nursery() as nursery:
        await nursery.start(scheduler.serve)
        yield
        nursery.cancel_scope.cancel()


async def make(cloud: Cloud, reference: str, tournament_id: str = "league") -> None:
    """A tournament of the demo's provider, loaded as an office does."""
    admin = await cloud.holder("admin")
    body = {"id": tournament_id, "name": tournament_id, "providers": {"fixture": reference}}
    assert (await admin.post("/api/v2/tournaments", body)).status == 201
    reply = await cloud.client.post(f"{BASE}/tournaments/{tournament_id}/matches", headers=TOKEN)
    assert reply.json["status"] == "completed", reply.json


async def rows(cloud: Cloud, sql: str) -> list[dict[str, Any]]:
    return await cloud.store.read(lambda tx: tx.all(sql))


PLAYED = "SELECT sum(played) AS played, sum(points) AS points FROM standings"


async def test_a_season_is_loaded_and_left_and_its_table_is_right_after_the_match(
    simulated: Cloud, autojump_clock: MockClock
) -> None:  # B01 D05 D27
    line = Line(simulated.client)
    async with scheduling(simulated, line):
        await trio.sleep(60)
        await make(simulated, "league-4@2026-11-20T18:00")  # results at 19:45 and at 21:45
        assert await rows(simulated, PLAYED) == [{"played": 0, "points": 0}]
        await trio.sleep(3 * 3600)
        (table,) = await rows(simulated, PLAYED)
        assert table["played"] == 4 and 4 <= table["points"] <= 6
        patches = [each.partition("/league/")[2] for each in line.requests if each.startswith("PATCH")]
        assert patches[:2] == ["matches/matchday-1", "standings"] and len(patches) % 2 == 0
        asked = len(patches)
        await trio.sleep(6 * 3600)
        assert len([each for each in line.requests if each.startswith("PATCH")]) == asked
    shown = (await simulated.client.get(f"{BASE}/schedules?limit=1000", headers=TOKEN)).json
    routine = [each for each in shown["items"] if each["group"] == "scores-and-standings-routine"]
    assert {each["status"] for each in routine} <= {"completed", "skipped"}
    runs = (
        await simulated.client.get(f"{BASE}/runs?function=caller-scores-and-standings", headers=TOKEN)
    ).json
    assert runs["items"] and {each["status"] for each in runs["items"]} == {"success"}


async def test_every_day_is_planned_at_its_minute(simulated: Cloud, autojump_clock: MockClock) -> None:  # D04
    line = Line(simulated.client)
    async with scheduling(simulated, line):
        await trio.sleep(3 * 86_400)
    daily = await rows(
        simulated, "SELECT last_us, status FROM schedules WHERE what = 'daily' ORDER BY fire_us"
    )
    begun = [to_rfc3339(row["last_us"])[:16] for row in daily if row["last_us"]]
    assert begun[1:] == ["2026-11-21T00:01", "2026-11-22T00:01", "2026-11-23T00:01"]
    assert line.requests == [f"POST {BASE}/scheduler"] * 4
    assert [row["status"] for row in daily] == ["completed"] * 4 + ["scheduled"]


async def test_after_downtime_it_is_caught_up_once(simulated: Cloud, autojump_clock: MockClock) -> None:
    line = Line(simulated.client)
    async with scheduling(simulated, line):
        await make(simulated, "league-4@2026-11-20T20:00")
        await trio.sleep(1)
    before = len(line.requests)
    await trio.sleep(10 * 86_400)  # two rounds were played meanwhile
    async with scheduling(simulated, line):
        await trio.sleep(600)
    missed = line.requests[before:]
    assert missed.count(f"POST {BASE}/scheduler") == 1
    for number in (1, 2):
        assert missed.count(f"PATCH {BASE}/tournaments/league/matches/matchday-{number}") == 1
    (table,) = await rows(simulated, PLAYED)
    assert table["played"] == 8


async def test_two_schedulers_run_each_schedule_once(simulated: Cloud, autojump_clock: MockClock) -> None:
    line = Line(simulated.client)
    async with scheduling(simulated, line), scheduling(simulated, line, owner="process-2"):
        for number in range(3):
            await make(simulated, "league-4@2026-11-20T16:00/160", f"league{number}")  # over at 18:40
        await make(simulated, "league-4@2026-11-20T17:30", "late")  # results at 19:15
        await trio.sleep(3600)
    ids = [each for each in line.requests if each.startswith("PATCH") and each.endswith("matchday-1")]
    runs = await rows(simulated, "SELECT schedule_id, started_us FROM schedule_runs WHERE function <> 'x'")
    assert len(runs) == len({(run["schedule_id"], run["started_us"]) for run in runs})
    assert len(ids) == len([run for run in runs if "routine" not in run["schedule_id"]])


async def test_a_slow_tournament_delays_no_other(simulated: Cloud, autojump_clock: MockClock) -> None:  # B17
    for name in ("slow", "quick"):
        await make(simulated, "league-4@2026-11-20T18:00", name)
    line, hung = Line(simulated.client), trio.Event()

    class Slow(Line):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if "/slow/" in request.url.path:
                self.requests.append(f"{request.method} {request.url.path}")
                hung.set()
                await trio.sleep(35)
            return await super().handle_async_request(request)

    slow = Slow(line.client)
    async with scheduling(simulated, slow):
        with trio.fail_after(600):
            await hung.wait()
        await trio.sleep(5)
        assert f"PATCH {BASE}/tournaments/quick/standings" in slow.requests


async def test_a_service_that_is_away_is_tried_again(
    simulated: Cloud, autojump_clock: MockClock
) -> None:  # B17
    away = {"is": True}

    def before(request: httpx.Request) -> None:
        if away["is"] and request.method == "PATCH":
            raise httpx.ConnectError("refused")

    line = Line(simulated.client, before=before)
    async with scheduling(simulated, line):
        await make(simulated, "league-4@2026-11-20T17:00")
        await simulated.store.write(lambda tx: tx.run("UPDATE matches SET status = 'open'"))
        body = {"kind": "scores", "tournamentId": "league", "roundSlug": "matchday-1"}
        reply = await simulated.client.post(f"{BASE}/scheduler", body, headers=TOKEN)
        (made,) = reply.json["schedules"]
        await trio.sleep(300)
        sql = f"SELECT status, attempts, error FROM schedules WHERE id = '{made['id']}'"
        (row,) = await rows(simulated, sql)
        assert row["attempts"] > 0 and "cannot be reached" in row["error"]
        away["is"] = False
        await trio.sleep(1200)
        (row,) = await rows(simulated, sql)
        assert (row["error"], row["attempts"]) == (None, 0)


async def test_an_error_of_the_program_is_reported_once_and_tried_again(
    simulated: Cloud, autojump_clock: MockClock
) -> None:  # D09
    class Broken(ServiceCaller):
        async def plan(self, target: Any) -> None:
            raise ZeroDivisionError("at shared-demo")

    receivers = Receivers("demo", dsn=parse_dsn("http://k@127.0.0.1/1"), secrets=("shared-demo",))
    outbound = Outbound(LOOPBACK, below=Line(simulated.client))
    caller = Broken(outbound, lambda: URL, "demo", "shared-demo")
    scheduler = Scheduler(simulated.store, caller, DEMO, receivers, "process-1")
    async with trio.open_nursery() as nursery:
        await nursery.start(scheduler.serve)
        await trio.sleep(30)
        nursery.cancel_scope.cancel()
    (notice,) = await rows(simulated, "SELECT body, subject FROM notices")
    assert "shared-demo" not in notice["body"]
    (run,) = await rows(simulated, "SELECT id, error FROM schedule_runs")
    assert notice["subject"] == f"run:{run['id']}" and run["error"].endswith("ZeroDivisionError")
    assert json.loads(notice["body"].splitlines()[2])["tags"]["run"] == run["id"]


async def test_a_run_that_was_cancelled_is_begun_again_at_once(
    simulated: Cloud, autojump_clock: MockClock
) -> None:
    """The process ends in the middle of a request: it releases the lease."""
    started = trio.Event()

    class Hung(Line):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            started.set()
            await trio.sleep_forever()
            raise AssertionError

    async with scheduling(simulated, Hung(simulated.client)):
        with trio.fail_after(100):
            await started.wait()
    line = Line(simulated.client)
    async with scheduling(simulated, line, owner="process-2"):
        await trio.sleep(LEAST_S / 2)
        assert line.requests == [f"POST {BASE}/scheduler"]


def test_a_schedule_belongs_to_its_environment() -> None:
    assert replace(DEMO, environment="production").times.test_delay_min is None
