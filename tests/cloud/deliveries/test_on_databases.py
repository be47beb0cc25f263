"""Deliveries on both databases, with two processes that share one of them: each message is sent once."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
import trio

from appliance.cloud.database import open_database
from appliance.cloud.deliveries import store as subscriptions
from appliance.cloud.deliveries.actor import run_deliveries
from appliance.network.outbound import Outbound
from tests.cloud.deliveries.test_deliveries import (
    LOOPBACK,
    Receivers,
    announce,
    deliveries,
    log_of,
    subscribe,
)
from tests.kit import postgres
from tests.kit.waiting import LIMIT_S


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return "sqlite:cloud.db"
    if reason := postgres.missing():
        pytest.skip(reason)
    return postgres.server().empty_database()


async def test_each_message_is_sent_once_to_each_receiver(url: str, tmp_path: Path) -> None:
    receivers = Receivers()
    receivers.answers[81] = [500]
    processes = 1 if url.startswith("sqlite") else 2
    async with AsyncExitStack() as stack:
        opened = [open_database(url, tmp_path, connections=4) for _ in range(processes)]
        stores = [await stack.enter_async_context(each) for each in opened]
        nursery = await stack.enter_async_context(trio.open_nursery())
        first, last = stores[0], stores[-1]
        for port in (81, 82, 83):
            await subscribe(first, f"http://127.0.0.1:{port}/")
        for number, store in enumerate(stores):
            outbound = Outbound(LOOPBACK, below=httpx.MockTransport(receivers.answer))
            await nursery.start(run_deliveries, store, outbound, (0.01,), f"process-{number}")
        messages = [await announce(last, n=number) for number in range(4)]
        with trio.fail_after(LIMIT_S):
            seen = first.journal.changed.count
            while len(await deliveries(first, status="delivered")) < 12:
                seen = await first.journal.changed.wait_past(seen)
        (repeated,) = [each for each in await deliveries(last) if each["attempts"] == 2]
        assert [status for _, status, _ in await log_of(last, repeated["id"])] == [500, 204]
        again = await first.write(lambda tx: subscriptions.redeliver(tx, repeated["id"]))
        with trio.fail_after(LIMIT_S):
            seen = last.journal.changed.count
            while len(await deliveries(last, status="delivered")) < 13:
                seen = await last.journal.changed.wait_past(seen)
        nursery.cancel_scope.cancel()
    assert again.resource["message_id"] == repeated["message_id"]
    sent = sorted((port, headers["webhook-id"]) for _, port, headers, _ in receivers.arrived)
    once = [(port, message_id) for port in (81, 82, 83) for message_id in messages]
    assert sent == sorted([*once, *[(81, repeated["message_id"])] * 2])
