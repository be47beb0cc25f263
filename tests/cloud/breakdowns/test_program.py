"""The whole program on both databases: from an event to a logged job, restarted between the steps."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from appliance.cloud.breakdowns.sources.webhook import PATH
from appliance.cloud.console import make_token
from appliance.cloud.service import run_cloud
from appliance.cloud.settings import CloudSettings, check_settings
from appliance.kernel.clock import S_US, wall_us
from appliance.kernel.store import Store
from appliance.network.signature import new_secret, sign
from appliance.ops.loopwatch import LoopWatch
from appliance.server.connections.server import Bound
from tests.kit import postgres
from tests.kit.waiting import LIMIT_S

V1 = "/logging/v1"
SECRET = new_secret()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> CloudSettings:
    url = "sqlite:cloud.db"
    if request.param == "postgres":
        if reason := postgres.missing():
            pytest.skip(reason)
        url = postgres.server().empty_database()
    return check_settings(
        {
            "cloud": {"environment": "demo", "state_dir": tmp_path},
            "server": {"port": 0, "local_port": 0},
            "database": {"url": url, "connections": 4},
            "logging": {"vod_secrets": [SECRET], "lease_s": 60},
        }
    )


@dataclass
class Program:
    """A running program. `tokens` by role."""

    http: httpx.AsyncClient
    tokens: dict[str, str] = field(default_factory=dict)

    async def call(self, role: str, method: str, path: str, body: Any = None) -> Any:
        headers = {"authorization": f"Bearer {self.tokens[role]}"}
        reply = await self.http.request(method, f"{V1}/{path}", json=body, headers=headers)
        assert reply.status_code in (200, 201), reply.text
        return reply.json()

    async def post(self, role: str, path: str, body: Any = None) -> Any:
        return await self.call(role, "POST", path, body)

    async def wait_for(self, role: str, path: str, name: str, value: str) -> Any:
        """The resource, once its field has this value."""
        while True:
            shown = await self.call(role, "GET", path)
            if shown[name] == value:
                return shown
            await trio.sleep(0.02)


@asynccontextmanager
async def running(settings: CloudSettings, tokens: dict[str, str]) -> AsyncIterator[Program]:
    """The program, over a socket, until the end of the block."""
    stop, bounds = trio.Event(), list[Bound]()
    is_ready = trio.Event()

    async def ready(bound: Bound, store: Store) -> None:
        bounds.append(bound)
        is_ready.set()

    async def run() -> None:
        await run_cloud(settings, stop=stop, loop=LoopWatch(), ready=ready)

    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await is_ready.wait()
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{bounds[0].port}") as http:
                yield Program(http, tokens)
            stop.set()


async def _set_up(program: Program, league_id: str) -> dict[str, str]:
    """What a manager and a league's office make: a season, two teams, a rule, an office, a logger."""
    ids = {"league": league_id}
    season = {"league_id": league_id, "name": "2026-27"}
    ids["season"] = (await program.post("league", "seasons", season))["id"]
    for side in ("home", "away"):
        team = {"league_id": league_id, "name": side}
        ids[side] = (await program.post("league", "teams", team))["id"]
        pair = {"season_id": ids["season"], "team_id": ids[side]}
        await program.post("league", "associations", pair)
    kind = await program.post("admin", "breakdown-types", {"name": "Basic", "rank": 1})
    rule = {"league_id": league_id, "breakdown_type_id": kind["id"]}
    await program.post("manager", "rules", rule)
    office = {"league_id": league_id, "name": "Office", "capacity": 1}
    office_id = (await program.post("manager", "offices", office))["id"]
    skills = {"sports": ["football"], "breakdown_type_ids": [kind["id"]]}
    person = {"office_id": office_id, "name": "Ana", **skills}
    ids["logger"] = (await program.post("manager", "loggers", person))["id"]
    return ids


async def _send_notice(program: Program, event_id: str) -> str:
    """As the video service does, twice; the source's id."""
    notice = {"id": "vod-1", "event_id": event_id, "url": "https://vod.example/game.m3u8"}
    sent = json.dumps(notice).encode()
    headers = {"content-type": "application/json", **sign((SECRET,), "m", wall_us() // S_US, sent)}
    replies = [await program.http.post(PATH, content=sent, headers=headers) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [201, 200]
    return str(replies[0].json()["id"])


async def test_from_a_scheduled_event_to_a_logged_job(settings: CloudSettings) -> None:  # L01 L02 L07 L10 L22
    tokens = {"admin": await make_token(settings, "admin", "Ana", ())}
    async with running(settings, tokens) as program:
        league = await program.post("admin", "leagues", {"name": "North", "sport": "football"})
    for role in ("league", "manager"):
        tokens[role] = await make_token(settings, role, role, (f"league:{league['id']}",))
    async with running(settings, tokens) as program:
        ids = await _set_up(program, league["id"])
        teams = {"home_team_id": ids["home"], "away_team_id": ids["away"]}
        event = await program.post("league", "events", {"season_id": ids["season"], **teams})
        assert event["logging"]["state"] == "awaiting_source"
    tokens["logger"] = await make_token(settings, "logger", "Ana", (f"logger:{ids['logger']}",))
    async with running(settings, tokens) as program:
        source_id = await _send_notice(program, event["id"])
    async with running(settings, tokens) as program:
        await program.post("manager", f"sources/{source_id}/accept", {"reason": "looks good"})
        (job,) = (await program.call("manager", "GET", "jobs"))["items"]
        await program.wait_for("logger", f"jobs/{job['id']}", "status", "assigned")  # by the queue itself
    for verb, status in (("review", "reviewing"), ("start", "logging"), ("complete", "logged")):
        async with running(settings, tokens) as program:
            assert (await program.post("logger", f"jobs/{job['id']}/heartbeat"))["lease_until"] is not None
            assert (await program.post("logger", f"jobs/{job['id']}/{verb}"))["status"] == status
    async with running(settings, tokens) as program:
        shown = await program.call("manager", "GET", f"events/{event['id']}")
        assert (shown["logging"]["state"], shown["logging"]["job_id"]) == ("logged", job["id"])
        report = await program.call("manager", "GET", "reports/sla")
        assert [(item["logged"], item["breached"]) for item in report["items"]] == [(1, 0)]
        entries = (await program.call("manager", "GET", f"audit?subject=job:{job['id']}"))["items"]
    actions = [entry["action"] for entry in entries]
    assert actions == ["queued", "assign", "review", "start", "complete"]
    assert entries[1]["by"] == "system" and entries[2]["by"] == "Ana"
