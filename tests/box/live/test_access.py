"""/ws behind a door: every way to bring a token, the roles of commands, and the end of a device."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio
import trio_websocket

from appliance.access import store as devices
from appliance.access.door import AccessDoor
from appliance.access.model import CodeIn, DevicePatch
from appliance.access.registry import Registry
from appliance.access.roles import Role, matrix, roles
from appliance.box.live import http as endpoint
from appliance.kernel.clock import BoxClock
from appliance.kernel.operation import Caller
from tests.box.live.kit import Box, Running, Tablet
from tests.kit.waiting import LIMIT_S

COACH = roles("coach")
ROWS = {
    "WS /ws": roles("coach", "analyst"),
    **{f"DO {do}": COACH for do in ("note", "refuse", "broken", "held")},
}
ADMIN = Caller("console")


@dataclass
class Guarded:
    """A box on the network, and its devices."""

    box: Box
    registry: Registry

    async def paired(self, role: Role, name: str) -> tuple[str, str]:
        """(device id, token)."""
        code, _ = await self.box.store.write(
            lambda tx: devices.create_code(tx, ADMIN, CodeIn(role=role, name=name))
        )
        made = await self.box.store.write(lambda tx: devices.pair(tx, code, None))
        assert made is not None
        self.registry.put(made[0])
        return made[0]["id"], made[1]

    async def revoke(self, device_id: str) -> None:
        await self.box.store.write(lambda tx: devices.revoke_device(tx, ADMIN, device_id))
        self.registry.revoke(device_id)


@asynccontextmanager
async def guarded(running: Running) -> AsyncIterator[Guarded]:
    registry = Registry()
    door = AccessDoor(registry, matrix(ROWS), BoxClock.start(None, None), is_open=False, on_loopback=False)
    async with running(door=door) as box:
        yield Guarded(box, registry)


async def closed_with(tablet: Tablet) -> int:
    with trio.fail_after(LIMIT_S), pytest.raises(trio_websocket.ConnectionClosed) as closed:
        while True:
            await tablet.next()
    reason = closed.value.reason
    assert reason is not None
    return int(reason.code)


async def test_a_token_as_subprotocol_or_first_message(running: Running) -> None:
    async with guarded(running) as side:
        device_id, token = await side.paired("coach", "Bench")
        async with side.box.connect(subprotocols=["bearer", token]) as tablet:
            greeting = await tablet.greet()
            assert greeting["device"] == {"id": device_id, "name": "Bench", "role": "coach"}
            await tablet.say(type="command", id="1", do="note", body={"text": "a"})
            assert (await tablet.next_of("note"))["by"] == "Bench"
        async with side.box.connect("?client=Somebody") as tablet:
            await tablet.say(type="auth", token=token)
            await tablet.greet()
            await tablet.say(type="command", id="2", do="note", body={"text": "b"})
            assert (await tablet.next_of("note"))["by"] == "Bench", "its name, not what it calls itself"


@pytest.mark.parametrize(
    "first", [{"type": "auth", "token": "wrong"}, {"type": "auth"}, {"type": "ping", "id": 1}]
)
async def test_without_a_token_nothing_is_sent(running: Running, first: dict[str, object]) -> None:
    async with guarded(running) as side:
        await side.box.write_events(3)
        async with side.box.connect("?since=0&epoch=" + side.box.store.journal.epoch) as tablet:
            await tablet.say(**first)
            assert await closed_with(tablet) == 4501
            assert tablet.seqs == []


async def test_a_socket_without_a_token_is_closed_and_does_not_count_for_others(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "AUTH_S", 0.2)
    monkeypatch.setattr(endpoint, "AUTH_MAX", 1)
    async with guarded(running) as side:
        _, token = await side.paired("coach", "Bench")
        async with side.box.connect() as silent, side.box.connect(subprotocols=["bearer", token]) as tablet:
            await tablet.greet()
            assert await closed_with(silent) == 4501


async def test_a_role_has_its_commands(running: Running) -> None:
    async with guarded(running) as side:
        _, token = await side.paired("analyst", "Desk")
        async with side.box.connect(subprotocols=["bearer", token]) as tablet:
            await tablet.greet()
            await tablet.say(type="command", id="1", do="note", body={"text": "a"})
            result = await tablet.next_of("result")
            assert not result["ok"] and result["error"]["code"] == "not_allowed"
            assert side.box.runs == []


async def test_a_revoked_device_is_closed_with_4503(running: Running) -> None:
    async with guarded(running) as side:
        device_id, token = await side.paired("coach", "Lost")
        _, other = await side.paired("coach", "Kept")
        async with (
            side.box.connect(subprotocols=["bearer", token]) as lost,
            side.box.connect(subprotocols=["bearer", other]) as kept,
        ):
            await lost.greet()
            await kept.greet()
            await side.revoke(device_id)
            assert await closed_with(lost) == 4503
            seq = await side.box.write_events(1)
            await kept.read_to(seq)
        async with side.box.connect(subprotocols=["bearer", token]) as lost:
            assert await closed_with(lost) == 4501


async def test_a_device_with_another_role_reconnects(running: Running) -> None:
    async with guarded(running) as side:
        device_id, token = await side.paired("coach", "Bench")
        async with side.box.connect(subprotocols=["bearer", token]) as tablet:
            await tablet.greet()
            patch = DevicePatch(role="analyst")
            (row,) = await side.box.store.write(
                lambda tx: devices.change_device(tx, ADMIN, device_id, patch, lambda *_: False)
            )
            side.registry.put(row)
            assert await closed_with(tablet) == 4001
