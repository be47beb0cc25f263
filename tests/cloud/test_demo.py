"""The demo's settings, and the whole program in this process."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio

from appliance.box.settings import DEMO_ID
from appliance.cloud.competitions.kinds import KINDS
from appliance.cloud.demo import begin_demo, demo_settings
from appliance.cloud.fleet.changes.feed import read_snapshot
from appliance.cloud.sample import make_sample
from appliance.cloud.service import run_cloud
from appliance.cloud.settings import missing
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx
from appliance.ops.lock import StateBusy
from appliance.ops.loopwatch import LoopWatch
from appliance.server.connections.server import Bound
from tests.cloud.conftest import Cloud
from tests.kit.ports import free_port
from tests.kit.waiting import LIMIT_S
from tests.server.sockets import read_answer, request


def test_a_demo_ignores_the_variables_of_hosting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # B10
    monkeypatch.setenv("NODE_ENV", "production")
    monkeypatch.setenv("API_DOMAIN", "api.example")
    settings = demo_settings(tmp_path, 0)
    assert (settings.cloud.environment, settings.cloud.api_domain) == ("demo", "")
    assert settings.server.is_loopback and missing(settings) == []
    assert [str(each) for each in settings.net.allow_private] == ["127.0.0.0/8"]
    assert settings.internal_token != demo_settings(tmp_path, 0).internal_token
    monkeypatch.setenv("INTERNAL_SERVICE_TOKEN", "given")
    assert demo_settings(tmp_path, 0).internal_token == "given"


async def test_the_demo_serves_the_printed_address_and_ends_cleanly(tmp_path: Path) -> None:
    stop, lines = trio.Event(), list[str]()
    settings = demo_settings(tmp_path, 0)
    say = begin_demo(lines.append, settings, is_empty=True)

    async def ready(bound: Bound, store: Store) -> None:
        await say(bound, store)
        async with await trio.open_tcp_stream("127.0.0.1", bound.port) as stream:
            await stream.send_all(request("/readyz"))
            assert (await read_answer(stream)).startswith(b"HTTP/1.1 200")
        with pytest.raises(StateBusy):
            await run_cloud(settings, stop=stop, loop=LoopWatch())
        assert any(f":{bound.port}/docs" in line for line in lines)
        assert any(settings.internal_token in line for line in lines)
        stop.set()

    with trio.fail_after(LIMIT_S):
        await run_cloud(settings, stop=stop, loop=LoopWatch(), ready=ready, is_open=True)


async def test_the_sample_is_a_season_under_way_and_is_made_once(cloud: Cloud) -> None:
    assert await cloud.store.write(make_sample)
    assert not await cloud.store.write(make_sample)
    admin = await cloud.holder("admin")
    counts = {
        kind.table: len((await admin.get(f"/logging/v1/{kind.table}")).json["items"])
        for kind in KINDS.values()
    }
    assert counts == {
        "leagues": 1,
        "seasons": 1,
        "teams": 4,
        "athletes": 44,
        "associations": 4,
        "events": 6,
    }
    (season,) = (await admin.get("/logging/v1/seasons")).json["items"]
    events = (await admin.get("/logging/v1/events")).json["items"]
    today = to_rfc3339(cloud.clock.now_us())
    over = [event for event in events if event["kickoff"] < today]
    assert len(over) in (3, 4) and season["starts_on"] < today[:10] < season["ends_on"]
    assert all(season["starts_on"] <= event["kickoff"][:10] <= season["ends_on"] for event in events)
    jobs = (await admin.get("/logging/v1/queue")).json["items"]
    assert {job["event_id"] for job in jobs} == {event["id"] for event in over}
    assert {event["logging"]["breakdown_type"] for event in events} == {"Basic", "Complete"}


async def test_an_empty_demo_has_no_sample(cloud: Cloud) -> None:
    lines: list[str] = []
    ready = begin_demo(lines.append, cloud.settings, is_empty=True)
    await ready(Bound("127.0.0.1", 8090, None), cloud.store)
    for table in ("leagues", "tournaments"):
        assert await cloud.store.read(partial(ReadTx.value, sql=f"SELECT count(*) FROM {table}")) == 0
    assert not any("/logging/v1/events" in line or "#league" in line for line in lines)


async def test_a_demo_that_cannot_reach_itself_says_so_and_goes_on(cloud: Cloud) -> None:
    lines: list[str] = []
    ready = begin_demo(lines.append, cloud.settings, is_empty=False)
    await ready(Bound("127.0.0.1", free_port(), None), cloud.store)
    assert any("A league and a cup: not made, no service at" in line for line in lines)
    assert await cloud.store.read(partial(ReadTx.value, sql="SELECT count(*) FROM leagues")) == 1


async def test_the_demo_has_a_league_and_a_cup_from_the_pipeline(tmp_path: Path) -> None:
    stop, lines = trio.Event(), list[str]()
    settings = demo_settings(tmp_path, 0)
    say = begin_demo(lines.append, settings, is_empty=False)

    async def ready(bound: Bound, store: Store) -> None:
        await say(bound, store)
        assert any(f":{bound.port}/#league" in line for line in lines)
        await say(bound, store)  # as after a restart: what is there stays
        counts = {
            "SELECT count(*) FROM executions WHERE status = 'completed' AND operation = 'create'": 2,
            "SELECT count(*) FROM executions": 2,
            "SELECT count(*) FROM tournaments": 2,
            "SELECT count(*) FROM teams": 10,  # those of the sample are among them
            # in the evening 8
            "SELECT count(*) FROM standings WHERE tournament_id = 'demo-league' AND played >= 7": 10,
            "SELECT count(*) FROM matches WHERE round = 'Quarter-finals' AND status = 'ended'": 4,
        }
        for sql, expected in counts.items():
            assert await store.read(partial(ReadTx.value, sql=sql)) == expected, sql
        stop.set()

    with trio.fail_after(LIMIT_S):
        await run_cloud(settings, stop=stop, loop=LoopWatch(), ready=ready, is_open=True)


async def test_serve_is_not_open_on_loopback(tmp_path: Path) -> None:
    stop = trio.Event()

    async def ready(bound: Bound, store: Store) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", bound.port) as stream:
            await stream.send_all(request("/readyz"))
            assert (await read_answer(stream)).startswith(b"HTTP/1.1 401")
        stop.set()

    with trio.fail_after(LIMIT_S):
        await run_cloud(demo_settings(tmp_path, 0), stop=stop, loop=LoopWatch(), ready=ready)


async def test_a_demo_box_that_is_linked_shows_the_events_of_the_next_days(cloud: Cloud) -> None:
    await cloud.store.write(make_sample)
    page = await cloud.store.read(lambda tx: read_snapshot(tx, DEMO_ID, None))
    kinds = [change["kind"] for change in page["changes"]]
    assert kinds.count("event") >= 2 and {"team", "roster"} <= set(kinds)
