"""Sending messages: once each, tried again, and never in the way of an execution."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from appliance.cloud.scoring.notices.actor import run_notices
from appliance.cloud.scoring.notices.messages import Receivers, queue, queue_error
from appliance.cloud.scoring.notices.queue import KEEP_US, RETRY_S, claim, prune, record
from appliance.cloud.scoring.notices.sentry import parse_dsn
from appliance.cloud.scoring.notices.settings import SentrySettings, SlackSettings
from appliance.kernel.clock import S_US
from appliance.kernel.leases import LEAST_S
from appliance.kernel.store import Store
from appliance.network.outbound import Outbound
from tests.cloud.scoring.executions.kit import LEAGUE, Season, bench_over
from tests.cloud.scoring.providers.calls import LOOPBACK
from tests.kit.box import in_the_loop, sim_store
from tests.kit.clock import SimClock

RECEIVERS = Receivers(
    "demo", "http://127.0.0.1/hook/SECRET", parse_dsn("http://key@127.0.0.1/7"), secrets=("SECRET",)
)


class Web:
    """Slack and Sentry. `statuses`: of the next answers by path, then 200."""

    def __init__(self) -> None:
        self.arrived: list[tuple[float, str, bytes]] = []
        self.statuses: dict[str, list[int]] = {}

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.arrived.append((trio.current_time(), path, request.content))
        planned = self.statuses.get(path, [])
        return httpx.Response(planned.pop(0) if planned else 200, content=b"ok")

    def bodies(self, path: str) -> list[bytes]:
        return [body for _, at, body in self.arrived if at == path]

    def seconds(self, path: str) -> list[float]:
        times = [at for at, own, _ in self.arrived if own == path]
        return [round(at - times[0], 1) for at in times]


HOOK, ENVELOPE = "/hook/SECRET", "/api/7/envelope/"


@asynccontextmanager
async def sending(store: Store, web: Web, receivers: Receivers = RECEIVERS) -> AsyncIterator[None]:
    outbound = Outbound(LOOPBACK, below=httpx.MockTransport(web.answer))
    async with trio.open_nursery() as nursery:
        await nursery.start(run_notices, store, outbound, receivers, "process-1")
        yield
        nursery.cancel_scope.cancel()


async def test_a_message_is_tried_again_and_delivered_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:  # D25
    web = Web()
    web.statuses[HOOK] = [500, 429, 302]
    async with sim_store(tmp_path) as store, sending(store, web):
        for _ in range(2):
            await store.write(lambda tx: queue(tx, "slack", "execution:e1", "{}"))
        await trio.sleep(10_000)
        assert web.seconds(HOOK) == [0, 5, 65, 365]
        (row,) = await store.read(lambda tx: tx.all("SELECT * FROM notices"))
        assert (row["status"], row["attempts"], row["error"]) == ("delivered", 4, None)


async def test_a_receiver_that_is_away_for_good_delays_no_other(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    web = Web()
    web.statuses[HOOK] = [500] * 20
    async with sim_store(tmp_path) as store, sending(store, web):
        await store.write(lambda tx: queue(tx, "slack", "execution:e1", "{}"))
        await store.write(
            lambda tx: queue_error(
                tx, RECEIVERS, "execution:e1", ValueError("SECRET"), {"execution_id": "e1"}
            )
        )
        await trio.sleep(sum(RETRY_S) + 60)
        assert len(web.bodies(HOOK)) == len(RETRY_S) + 1
        (event,) = web.bodies(ENVELOPE)
        assert b"SECRET" not in event and b"[removed]" in event
        rows = await store.read(lambda tx: tx.all("SELECT receiver, status, error FROM notices"))
        assert sorted(tuple(row.values()) for row in rows) == [
            ("sentry", "delivered", None),
            ("slack", "failed", "slack answered 500"),
        ]


async def test_an_execution_sends_one_message_and_a_crash_one_report(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:  # D09 D15 D25
    monkeypatch.setattr(trio.to_thread, "run_sync", in_the_loop)
    web, season = Web(), Season(copy.deepcopy(LEAGUE))
    web.statuses[HOOK] = [500] * 99
    async with (
        sim_store(tmp_path) as store,
        bench_over(store, tmp_path, season, receivers=RECEIVERS) as bench,
        sending(store, web),
    ):
        done = await bench.run("create")
        season.crash = ZeroDivisionError("at http://127.0.0.1/hook/SECRET")
        crashed = await bench.run("matches")
        assert (done["status"], crashed["status"]) == ("completed", "failed")
        await trio.sleep(100)
        texts = {json.loads(body)["text"] for body in web.bodies(HOOK)}
        assert texts == {
            ":white_check_mark: League: create completed",
            ":x: League: matches failed",
        }
        (event,) = web.bodies(ENVELOPE)
        tags = json.loads(event.splitlines()[2])["tags"]
        assert (tags["execution_id"], tags["stage"]) == (crashed["id"], "fetch")
        assert b"SECRET" not in event


async def test_stages_of_a_sample_of_runs_are_reported(tmp_path: Path, autojump_clock: MockClock) -> None:
    web = Web()
    receivers = Receivers("demo", dsn=RECEIVERS.dsn, sample_rate=1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trio.to_thread, "run_sync", in_the_loop)
        async with (
            sim_store(tmp_path) as store,
            bench_over(store, tmp_path, Season(copy.deepcopy(LEAGUE)), receivers=receivers) as bench,
            sending(store, web, receivers),
        ):
            await bench.run("create")
            await trio.sleep(10)
    (trace,) = web.bodies(ENVELOPE)
    assert json.loads(trace.splitlines()[1])["type"] == "transaction"
    assert {"validate", "fetch", "upsert"} <= {
        each["op"] for each in json.loads(trace.splitlines()[2])["spans"]
    }


async def test_a_process_that_died_while_it_sent_leaves_the_message_to_another(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with sim_store(tmp_path) as store:
        await store.write(lambda tx: queue(tx, "slack", "execution:e1", "{}"))
        dead = await store.write(partial(claim, receiver="slack", owner="process-1"))
        assert dead is not None
        assert await store.write(partial(claim, receiver="slack", owner="process-2")) is None
        await trio.sleep(LEAST_S)
        again = await store.write(partial(claim, receiver="slack", owner="process-2"))
        assert again is not None and again.notice_id == dead.notice_id
        assert await store.write(partial(record, claimed=dead, error="late")) is False
        assert await store.write(partial(record, claimed=again, error=None)) is True


async def test_old_messages_are_deleted(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with sim_store(tmp_path) as store:
        await store.write(lambda tx: queue(tx, "slack", "a", "{}"))
        claimed = await store.write(partial(claim, receiver="slack", owner="p"))
        assert claimed is not None
        await store.write(partial(record, claimed=claimed, error=None))
        await store.write(lambda tx: queue(tx, "slack", "b", "{}"))
        await trio.sleep(KEEP_US / S_US + 1)
        assert (await store.write(prune), await store.write(prune)) == (1, 0)
        assert await store.read(lambda tx: tx.value("SELECT subject FROM notices")) == "b"
        assert SimClock().now_us() > 0


def test_secrets_of_the_settings_are_not_shown() -> None:
    slack = SlackSettings.model_validate({"webhook_url": "https://hooks.example/SECRET"})
    sentry = SentrySettings.model_validate({"dsn": "https://SECRET@host/1", "traces_sample_rate": "0.5"})
    assert "SECRET" not in f"{slack!r}{sentry!r}" and sentry.traces_sample_rate == 0.5
    for wrong in ({"webhook_url": "hooks.example"}, {"x": 1}):
        with pytest.raises(ValueError):
            SlackSettings.model_validate(wrong)
    with pytest.raises(ValueError, match="DSN"):
        SentrySettings.model_validate({"dsn": "https://host"})
