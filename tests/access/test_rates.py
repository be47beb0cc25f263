"""Rates of requests: any client that sends too many has to wait, and none is refused for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from appliance.server.connections.priority import PAUSE_KEY
from appliance.server.connections.rates import EACH
from tests.access.kit import Side
from tests.kit.client import Client

NETWORK = "192.0.2.9"
BURST = int(EACH.burst)


async def took_s(client: Client, count: int, path: str = "/time", status: int = 200) -> float:
    """Seconds that this many requests take, one after the other."""
    began_s = trio.current_time()
    for _ in range(count):
        assert (await client.get(path)).status == status
    return trio.current_time() - began_s


@pytest.fixture
async def devices(side: Side) -> tuple[Client, Client]:
    """Two coaches in the network."""
    made = [(await side.paired("coach"))[1] for _ in range(2)]
    return replace(made[0], peer=NETWORK), replace(made[1], peer=NETWORK)


async def test_a_device_waits_only_for_its_own_rate(
    autojump_clock: MockClock, devices: tuple[Client, Client]
) -> None:
    """Also when both are behind one address."""
    eager, other = devices
    assert await took_s(eager, BURST) == 0
    assert await took_s(eager, 20) == pytest.approx(20 / EACH.per_s)
    assert await took_s(other, 20) == 0


async def test_another_address_or_name_does_not_avoid_the_wait(
    autojump_clock: MockClock, devices: tuple[Client, Client]
) -> None:
    eager, _ = devices
    await took_s(eager, BURST)
    assert await took_s(replace(eager, peer="192.0.2.10", device="another"), 5) > 0


@pytest.mark.parametrize(("path", "status"), [("/time", 401), ("/nothing", 404), ("/healthz", 200)])
async def test_the_rate_of_a_client_without_a_token_is_counted_by_its_address(
    autojump_clock: MockClock, side: Side, devices: tuple[Client, Client], path: str, status: int
) -> None:
    stranger = replace(side.client, peer=NETWORK)
    assert await took_s(stranger, BURST, path, status) == 0
    assert await took_s(replace(stranger, device="x"), 5, path, status) == pytest.approx(5 / EACH.per_s)
    assert await took_s(devices[0], 20) == 0, "a coach behind the same address"
    assert await took_s(replace(stranger, peer="2001:db8::1"), BURST, path, status) == 0
    assert await took_s(replace(stranger, peer="2001:db8::2"), 5, path, status) > 0, "one /64"


async def test_upgrades_wait_as_requests_do(
    autojump_clock: MockClock, side: Side, devices: tuple[Client, Client]
) -> None:
    """Also at a route that checks access itself. A client without a token is not counted by its X-Client, a
    device has its own rate."""

    async def upgrades_s(clients: list[Client]) -> float:
        began_s = trio.current_time()
        for client in clients:
            await side.upgrade(client, "/socket")
        return trio.current_time() - began_s

    stranger = replace(side.client, peer=NETWORK)
    for client in (stranger, replace(stranger, headers={"authorization": "Bearer wrong"})):
        await trio.sleep(60)
        names = [replace(client, device=f"x{at}") for at in range(BURST + 5)]
        assert await upgrades_s(names) == pytest.approx(5 / EACH.per_s)
    assert await upgrades_s([replace(devices[0], device="test")]) == 0, "a coach behind the same address"
    assert await upgrades_s([devices[1]] * (BURST + 5)) == pytest.approx(5 / EACH.per_s)
    assert await upgrades_s([devices[0]]) == 0, "another coach"


async def test_this_machine_does_not_wait(autojump_clock: MockClock, side: Side) -> None:
    _, coach = await side.paired("coach")
    assert await took_s(replace(coach, peer="127.0.0.1"), 2 * BURST) == 0


async def test_a_request_is_refused_when_its_access_ends_while_it_waits(
    autojump_clock: MockClock, side: Side, devices: tuple[Client, Client]
) -> None:
    eager, _ = devices
    await took_s(eager, BURST)
    grant = side.access.registry.by_token(eager.headers["authorization"].split()[1])
    assert grant is not None
    statuses: list[int] = []

    async def ask() -> None:
        statuses.append((await eager.get("/time")).status)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        side.access.registry.revoke(grant.grant.device_id)
    assert statuses == [401]


async def test_a_mark_that_waits_for_its_rate_delays_no_other_request(
    autojump_clock: MockClock, devices: tuple[Client, Client]
) -> None:
    eager, _ = devices
    paused: list[str] = []

    class Pause:
        def __enter__(self) -> None:
            paused.append("from")

        def __exit__(self, *_: object) -> None:
            paused.append("to")

    async def as_the_connection_does(scope: object, receive: object, send: object) -> None:
        scope[PAUSE_KEY] = Pause  # type: ignore[index]
        await app(scope, receive, send)

    app, eager.app = eager.app, as_the_connection_does
    for _ in range(BURST):
        assert (await eager.post("/plays")).status == 201
    assert paused == []
    assert (await eager.post("/plays")).status == 201
    assert paused == ["from", "to"]


async def test_files_wait_as_requests_do(
    autojump_clock: MockClock, side: Side, devices: tuple[Client, Client]
) -> None:
    """Those of the app and of /docs, which need no token: by device, else by address."""
    stranger = replace(side.client, peer=NETWORK)
    assert await took_s(stranger, BURST, "/docs") == 0
    assert await took_s(stranger, 5, "/docs") == pytest.approx(5 / EACH.per_s)
    assert await took_s(devices[0], 20, "/docs") == 0, "a coach behind the same address"
    assert await took_s(devices[0], BURST, "/docs") == pytest.approx(20 / EACH.per_s)
    assert await took_s(devices[1], 20) == 0
