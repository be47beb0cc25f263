"""Live pictures end with the access of the device that watches them, and of no other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from appliance.access.core import secret_hash
from appliance.access.door import AccessDoor
from appliance.access.registry import Registry
from appliance.access.roles import matrix, roles
from appliance.box.live.pictures.video import LiveVideo
from appliance.http.access import GRANT_KEY
from appliance.kernel.signal import Signal
from appliance.media.index.view import SegmentView
from tests.kit.clock import HandClock
from tests.kit.waiting import LIMIT_S

RULE = "WS /channels/{channel_id}/live"


class Dark:
    """A camera that is there and sends nothing."""

    def __init__(self) -> None:
        self.changed = Signal()

    def channel_ids(self) -> list[str]:
        return ["cam1"]

    def newest_view(self, channel_id: str) -> SegmentView | None:
        return None

    async def views(self, channel_id: str, start_us: int, end_us: int) -> Sequence[SegmentView]:
        return []

    def open_fd(self, name: str) -> int:
        raise AssertionError("there is nothing to open")


def row(device_id: str, *, role: str = "coach", rev: int = 1, name: str = "") -> dict[str, Any]:
    token_hash = secret_hash(device_id)
    own = {"id": device_id, "name": name or device_id, "role": role, "token_hash": token_hash, "rev": rev}
    return {**own, "seen_us": None, "channel_id": None}


@dataclass
class Screen:
    """The client's end of one socket."""

    closed: trio.Event = field(default_factory=trio.Event)
    code: int = 0

    def __post_init__(self) -> None:
        self._in, self._out = trio.open_memory_channel[dict[str, Any]](2)
        self._in.send_nowait({"type": "websocket.connect"})

    async def receive(self) -> dict[str, Any]:
        return await self._out.receive()

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.close":
            self.code = message["code"]
            self.closed.set()
            self._in.send_nowait({"type": "websocket.disconnect"})


@dataclass
class Theatre:
    registry: Registry
    door: AccessDoor
    video: LiveVideo
    nursery: trio.Nursery

    def watch(self, device_id: str, *, meanwhile: Any = None) -> Screen:
        """A device whose request was admitted, and what happens before its socket is served."""
        screen = Screen()
        headers = {b"authorization": f"Bearer {device_id}".encode()}
        scope: dict[str, Any] = {"query_string": b""}
        scope[GRANT_KEY] = self.door.admit(scope, headers, RULE)
        if meanwhile is not None:
            meanwhile()
        given = {"channel_id": "cam1"}
        self.nursery.start_soon(self.video.handle, scope, screen.receive, screen.send, given)
        return screen


@asynccontextmanager
async def theatre() -> AsyncIterator[Theatre]:
    registry = Registry()
    door = AccessDoor(registry, matrix({RULE: roles("coach")}), HandClock(), False, False)
    for device_id in ("a", "b"):
        registry.put(row(device_id))
    async with trio.open_nursery() as nursery:
        video = LiveVideo(Dark(), trio.CapacityLimiter(1), trio.Event(), door)
        yield Theatre(registry, door, video, nursery)
        nursery.cancel_scope.cancel()


async def test_the_live_picture_of_a_revoked_device_ends_and_others_continue() -> None:
    async with theatre() as hall:
        lost, also, kept = hall.watch("a"), hall.watch("a"), hall.watch("b")
        await wait_all_tasks_blocked()
        assert hall.video.audience.count == 3
        hall.registry.revoke("a")
        with trio.fail_after(LIMIT_S):
            await lost.closed.wait()
            await also.closed.wait()
        assert (lost.code, also.code) == (4503, 4503)
        await wait_all_tasks_blocked()
        assert hall.video.audience.count == 1 and not kept.closed.is_set()


async def test_revoked_between_its_request_and_its_socket() -> None:
    async with theatre() as hall:
        screen = hall.watch("a", meanwhile=lambda: hall.registry.revoke("a"))
        with trio.fail_after(LIMIT_S):
            await screen.closed.wait()
        assert screen.code == 4503


@pytest.mark.parametrize(
    ("changed", "code"), [(row("a", role="capture", rev=2), 4001), (row("a", name="Bench", rev=2), 0)]
)
async def test_another_role_reconnects_and_another_name_does_not(changed: dict[str, Any], code: int) -> None:
    async with theatre() as hall:
        screen = hall.watch("a")
        await wait_all_tasks_blocked()
        hall.registry.put(changed)
        await wait_all_tasks_blocked()
        assert screen.code == code
