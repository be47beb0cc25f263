"""Webhooks from the announcement to the receiver: attempts, retries, 410, rotation, redelivery, processes."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from appliance.cloud.deliveries import store as subscriptions
from appliance.cloud.deliveries.actor import TIMEOUT_S, run_deliveries
from appliance.cloud.deliveries.model import DeliveryQuery, SubscriptionIn
from appliance.cloud.deliveries.queue import KEEP_US, Outcome, claim_due, next_look_us, prune, record
from appliance.kernel.clock import S_US
from appliance.kernel.errors import Refused
from appliance.kernel.leases import LEAST_S
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from appliance.network.outbound import Outbound
from appliance.network.signature import verify
from tests.kit.box import sim_store
from tests.kit.clock import SimClock
from tests.kit.waiting import LIMIT_S

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
RETRY_S = (5.0, 60.0, 300.0)


class Receivers:
    """Receivers of webhooks, by port. `answers`: statuses in turn, then 204; an error is raised; a number of
    seconds passes first when it is a float."""

    def __init__(self) -> None:
        self.answers: dict[int, list[int | float | Exception]] = {}
        self.arrived: list[tuple[float, int, httpx.Headers, bytes]] = []

    async def answer(self, request: httpx.Request) -> httpx.Response:
        port = request.url.port or 80
        self.arrived.append((trio.current_time(), port, request.headers, request.content))
        planned = self.answers.get(port, [])
        status = planned.pop(0) if planned else 204
        if isinstance(status, Exception):
            raise status
        if isinstance(status, float):
            await trio.sleep(status)
            status = 204
        return httpx.Response(status, headers={"location": "/elsewhere"} if status == 302 else None)

    def seconds(self, port: int = 80) -> list[float]:
        """When requests arrived there, since the first one."""
        times = [at for at, arrived_at, _, _ in self.arrived if arrived_at == port]
        return [round(at - times[0], 3) for at in times]


async def subscribe(store: Store, url: str = "http://127.0.0.1/hook", *scope: str) -> dict[str, Any]:
    body = SubscriptionIn(url=url, types=["breakdown.available"], scope=list(scope))
    answer = await store.write(lambda tx: subscriptions.create_subscription(tx, Caller("test"), body))
    return dict(answer.resource)


async def announce(store: Store, *scope: str, **data: Any) -> str:
    return await store.write(lambda tx: subscriptions.announce(tx, "breakdown.available", data, scope))


async def deliveries(store: Store, **query: Any) -> list[dict[str, Any]]:
    page = await store.read(lambda tx: subscriptions.list_deliveries(tx, DeliveryQuery(**query)))
    items: list[dict[str, Any]] = page["items"]
    return items


async def log_of(store: Store, delivery_id: str) -> list[tuple[int, int | None, str | None]]:
    found = await store.read(lambda tx: subscriptions.get_delivery(tx, delivery_id))
    return [(each["number"], each["http_status"], each["error"]) for each in found["log"]]


@asynccontextmanager
async def sending(store: Store, receivers: Receivers, *, processes: int = 1) -> AsyncIterator[None]:
    outbound = Outbound(LOOPBACK, below=httpx.MockTransport(receivers.answer))
    async with trio.open_nursery() as nursery:
        for number in range(processes):
            await nursery.start(run_deliveries, store, outbound, RETRY_S, f"process-{number}")
        yield
        nursery.cancel_scope.cancel()


# -- simulated time -----------------------------------------------------------------------------------------


async def test_a_message_is_signed_and_sent_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    receivers = Receivers()
    async with sim_store(tmp_path) as store, sending(store, receivers):
        made = await subscribe(store)
        message_id = await announce(store, event_id="e1")
        await trio.sleep(1000)
        ((_, _, headers, body),) = receivers.arrived
        now_s = SimClock().now_us() / S_US
        assert verify([made["secret"]], headers, body, now_s) == headers["webhook-id"] == message_id
        assert json.loads(body)["type"] == "breakdown.available" and json.loads(body)["data"] == {
            "event_id": "e1"
        }
        (delivery,) = await deliveries(store)
        assert (delivery["status"], delivery["attempts"], delivery["error"]) == ("delivered", 1, None)
        assert await log_of(store, delivery["id"]) == [(1, 204, None)]


async def test_failures_are_tried_again_as_configured_with_the_same_message(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receivers = Receivers()
    receivers.answers[80] = [500, httpx.ConnectError("connection refused"), 302]
    async with sim_store(tmp_path) as store, sending(store, receivers):
        await subscribe(store)
        await announce(store)
        await trio.sleep(1000)
        assert receivers.seconds() == [0, 5, 65, 365]
        assert len({(headers["webhook-id"], body) for _, _, headers, body in receivers.arrived}) == 1
        assert len({headers["webhook-timestamp"] for _, _, headers, _ in receivers.arrived}) == 4
        (delivery,) = await deliveries(store)
        assert (delivery["status"], delivery["attempts"]) == ("delivered", 4)
        assert await log_of(store, delivery["id"]) == [
            (1, 500, "the receiver answered 500"),
            (2, None, "http://127.0.0.1 cannot be reached: connection refused"),
            (3, 302, "the receiver answered 302: redirects are not followed"),
            (4, 204, None),
        ]


async def test_after_the_last_attempt_it_fails_and_can_be_sent_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receivers = Receivers()
    receivers.answers[80] = [503, 429, 404, 400]
    async with sim_store(tmp_path) as store, sending(store, receivers):
        await subscribe(store)
        message_id = await announce(store)
        await trio.sleep(1000)
        (failed,) = await deliveries(store)
        assert (failed["status"], failed["attempts"]) == ("failed", 4)
        again = await store.write(lambda tx: subscriptions.redeliver(tx, failed["id"]))
        assert again.status == 201 and again.resource["message_id"] == message_id
        await trio.sleep(1)
        assert [each["status"] for each in await deliveries(store)] == ["failed", "delivered"]
        assert receivers.arrived[-1][2]["webhook-id"] == message_id
        assert [each["id"] for each in await deliveries(store, status="delivered")] == [again.resource["id"]]


async def test_410_disables_the_subscription_and_cancels_what_is_pending(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receivers = Receivers()
    receivers.answers[80] = [500, 410]
    async with sim_store(tmp_path) as store, sending(store, receivers):
        made = await subscribe(store)
        await announce(store, n=1)
        await announce(store, n=2)
        await trio.sleep(1000)
        assert len(receivers.arrived) == 2
        statuses = {each["status"]: each for each in await deliveries(store)}
        assert set(statuses) == {"failed", "cancelled"}
        assert "410" in statuses["cancelled"]["error"]
        await announce(store, n=3)
        await trio.sleep(1000)
        assert len(receivers.arrived) == len(await deliveries(store)) == 2
        shown = await store.read(lambda tx: subscriptions.get_subscription(tx, made["id"]))
        assert shown["disabled_at"] is not None
        with pytest.raises(Refused, match="subscription_disabled"):
            await store.write(lambda tx: subscriptions.redeliver(tx, statuses["failed"]["id"]))


async def test_a_replaced_secret_signs_beside_the_new_one_for_a_day(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receivers = Receivers()
    async with sim_store(tmp_path) as store:
        made = await subscribe(store)
        rotated = await store.write(lambda tx: subscriptions.rotate(tx, made["id"]))
        assert rotated.resource["secret"] != made["secret"]
        for pause_s in (86_399, 2):
            await trio.sleep(pause_s)
            await announce(store)
            async with sending(store, receivers):
                await trio.sleep(0.1)
        signatures = [headers["webhook-signature"].count("v1,") for _, _, headers, _ in receivers.arrived]
        assert signatures == [2, 1]
        _, _, headers, body = receivers.arrived[-1]
        verify([rotated.resource["secret"]], headers, body, int(headers["webhook-timestamp"]))


async def test_a_receiver_that_does_not_answer_delays_only_its_own_messages(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receivers = Receivers()
    receivers.answers[81] = [1e9]
    async with sim_store(tmp_path) as store, sending(store, receivers):
        for port in (81, 82):
            await subscribe(store, f"http://127.0.0.1:{port}/")
        for number in range(3):
            await announce(store, n=number)
        await trio.sleep(1000)
        assert receivers.seconds(82) == [0, 0, 0]
        assert receivers.seconds(81) == [0, TIMEOUT_S, TIMEOUT_S, TIMEOUT_S + RETRY_S[0]]
        first = next(each for each in await deliveries(store) if each["attempts"] == 2)
        assert (await log_of(store, first["id"]))[0] == (1, None, "no answer within 15 s")


async def test_of_several_processes_one_sends_each_message(tmp_path: Path, autojump_clock: MockClock) -> None:
    receivers = Receivers()
    receivers.answers = {port: [0.5] * 4 for port in range(81, 93)}
    async with sim_store(tmp_path) as store, sending(store, receivers, processes=3):
        for port in range(81, 93):
            await subscribe(store, f"http://127.0.0.1:{port}/")
        for number in range(4):
            await announce(store, n=number)
        await trio.sleep(1000)
        ids = [(port, headers["webhook-id"]) for _, port, headers, _ in receivers.arrived]
        assert len(ids) == len(set(ids)) == 12 * 4
        assert all(each["status"] == "delivered" for each in await deliveries(store))


async def test_a_message_whose_process_ended_is_sent_by_another(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receivers = Receivers()
    async with sim_store(tmp_path) as store:
        await subscribe(store)
        message_id = await announce(store)
        (lost,) = await store.write(partial(claim_due, owner="gone", limit=8))
        assert await store.read(next_look_us) == LEAST_S * S_US
        async with sending(store, receivers):
            await trio.sleep(LEAST_S - 1)
            assert receivers.arrived == []
            await trio.sleep(10)
            assert [headers["webhook-id"] for _, _, headers, _ in receivers.arrived] == [message_id]
            late = partial(record, claim=lost, outcome=Outcome(500, None, 1), retry_s=RETRY_S)
            assert not await store.write(late)
            (delivery,) = await deliveries(store)
            assert (delivery["status"], delivery["attempts"]) == ("delivered", 1)


async def test_an_attempt_that_is_stored_already_is_not_stored_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """As after a COMMIT that was not answered: the closure is run again on top of its own changes."""
    async with sim_store(tmp_path) as store:
        await subscribe(store)
        await announce(store)
        (claim,) = await store.write(partial(claim_due, owner="a", limit=8))
        stored = partial(record, claim=claim, outcome=Outcome(500, None, 1), retry_s=RETRY_S)
        assert await store.write(stored)
        before = await deliveries(store)
        assert not await store.write(stored)
        assert await deliveries(store) == before
        assert await log_of(store, claim.delivery_id) == [(1, 500, "the receiver answered 500")]


async def test_a_delivery_pending_before_the_start_is_sent(tmp_path: Path, autojump_clock: MockClock) -> None:
    receivers = Receivers()
    async with sim_store(tmp_path) as store:
        await subscribe(store)
        await announce(store)
        async with sending(store, receivers):
            await trio.sleep(0.1)
        assert len(receivers.arrived) == 1


async def test_an_address_that_is_not_called_is_a_failed_attempt(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receivers = Receivers()
    async with sim_store(tmp_path) as store, sending(store, receivers):
        await subscribe(store, "http://10.0.0.9/hook")
        await announce(store)
        await trio.sleep(1)
        (delivery,) = await deliveries(store)
        assert delivery["error"] == "10.0.0.9 is a private address: it is not called from here"
    assert receivers.arrived == []


async def test_a_message_goes_to_its_type_and_scope_only(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with sim_store(tmp_path) as store:
        everything = await subscribe(store)
        league = await subscribe(store, "http://127.0.0.1/a", "league:one", "league:two")
        other = await subscribe(store, "http://127.0.0.1/b", "league:three")
        ended = await subscribe(store, "http://127.0.0.1/c")
        await store.write(lambda tx: subscriptions.delete_subscription(tx, ended["id"]))
        await announce(store, "league:two", "client:x")
        await store.write(lambda tx: subscriptions.announce(tx, "job.logged", {}, ["league:two"]))
        receivers = {each["subscription_id"] for each in await deliveries(store)}
        assert receivers == {everything["id"], league["id"]} and other["id"] not in receivers


async def test_a_deleted_subscription_gets_nothing_more(tmp_path: Path, autojump_clock: MockClock) -> None:
    receivers = Receivers()
    receivers.answers[80] = [500]
    async with sim_store(tmp_path) as store, sending(store, receivers):
        made = await subscribe(store)
        await announce(store)
        await trio.sleep(1)
        await store.write(lambda tx: subscriptions.delete_subscription(tx, made["id"]))
        await trio.sleep(1000)
        assert len(receivers.arrived) == 1
        assert await deliveries(store) == []


async def test_a_refused_transaction_announces_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with sim_store(tmp_path) as store:
        await subscribe(store)

        def refused(tx: Any) -> None:
            subscriptions.announce(tx, "breakdown.available", {})
            raise Refused(409, "subscription_disabled", "as if")

        with pytest.raises(Refused):
            await store.write(refused)
        assert await deliveries(store) == []


async def test_ended_deliveries_are_kept_for_30_days(tmp_path: Path, autojump_clock: MockClock) -> None:
    receivers = Receivers()
    receivers.answers[81] = [500] * 4
    async with sim_store(tmp_path) as store:
        for port in (80, 81):
            await subscribe(store, f"http://127.0.0.1:{port}/")

        async def rows() -> list[int]:
            tables = ("messages", "deliveries", "delivery_attempts")
            return await store.read(lambda tx: [tx.value(f"SELECT count(*) FROM {each}") for each in tables])

        await announce(store)
        async with sending(store, receivers):
            await trio.sleep(400)  # the last attempt is made after 365 s
        await announce(store)  # nobody sends it: it stays pending, however old
        assert await rows() == [2, 4, 5]
        await trio.sleep(KEEP_US / S_US - 40)
        assert await store.write(prune) == 1  # the delivery that needed one attempt only
        await trio.sleep(40)
        assert await store.write(prune) == 2  # the other one, and their message
        assert await store.write(prune) == 0
        assert await rows() == [1, 2, 0]


# -- to a real receiver ----------------------------------------------------------------------


async def test_a_real_receiver_gets_what_it_can_verify(tmp_path: Path) -> None:
    """Over a socket, with the machine's own clock; the receiver answers 500 first."""
    arrived: list[tuple[dict[str, str], bytes]] = []

    async def receive(stream: trio.SocketStream) -> None:
        data = b""
        while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < int(
            headers_of(data).get("content-length", "0")
        ):
            data += await stream.receive_some(65_536)
        arrived.append((headers_of(data), data.partition(b"\r\n\r\n")[2]))
        status = b"500 No" if len(arrived) == 1 else b"200 OK"
        await stream.send_all(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")
        await stream.aclose()

    async with trio.open_nursery() as nursery, sim_store(tmp_path) as store, Outbound(LOOPBACK) as outbound:
        listeners = await nursery.start(partial(trio.serve_tcp, receive, 0, host="127.0.0.1"))
        made = await subscribe(store, f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/hook")
        message_id = await announce(store, event_id="e1")
        await nursery.start(run_deliveries, store, outbound, (0.001,), "process")
        with trio.fail_after(LIMIT_S):
            seen = store.journal.changed.count
            while not (await deliveries(store, status="delivered")):
                seen = await store.journal.changed.wait_past(seen)
        nursery.cancel_scope.cancel()
    assert len(arrived) == 2
    for headers, body in arrived:
        assert verify([made["secret"]], headers, body, int(headers["webhook-timestamp"])) == message_id
        assert json.loads(body)["data"] == {"event_id": "e1"}


def headers_of(data: bytes) -> dict[str, str]:
    lines = data.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    pairs = (line.partition(": ") for line in lines)
    return {name.lower(): value for name, _, value in pairs}
