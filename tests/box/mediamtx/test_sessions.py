"""WebRTC previews end at MediaMTX when the access of their device ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from trio.testing import MockClock

from appliance.access.door import AccessDoor
from appliance.access.registry import Registry
from appliance.access.roles import matrix
from appliance.box.mediamtx.sessions import SESSIONS_MAX, PreviewSessions
from appliance.box.mediamtx.whep import open_whep
from appliance.http.access import Grant
from appliance.kernel.actor import running
from tests.kit.clock import HandClock
from tests.kit.waiting import eventually

OTHER = {"seen_us": None, "channel_id": None}


def row(device_id: str, role: str = "coach", name: str = "iPad", rev: int = 1) -> dict[str, object]:
    return {"id": device_id, "name": name, "role": role, "token_hash": device_id, **OTHER, "rev": rev}


@dataclass
class Desk:
    registry: Registry
    sessions: PreviewSessions
    asked: list[str] = field(default_factory=list)  # "DELETE /cam1/whep/SECRET"
    answers: list[int] = field(default_factory=list)  # statuses; then 200

    def begin(self, device_id: str, secret: str) -> None:
        self.sessions.begun(Grant(device_id, "iPad", "coach"), "cam1", secret)


@asynccontextmanager
async def previewing() -> AsyncIterator[Desk]:
    desk: Desk

    def answer(request: httpx.Request) -> httpx.Response:
        desk.asked.append(f"{request.method} {request.url.path}")
        return httpx.Response(desk.answers.pop(0) if desk.answers else 200)

    registry = Registry()
    registry.load([row("a"), row("b")], ())
    door = AccessDoor(registry, matrix(), HandClock(), is_open=False, on_loopback=False)
    async with open_whep("http://127.0.0.1:8889", transport=httpx.MockTransport(answer)) as whep:
        sessions = PreviewSessions(whep, door)
        desk = Desk(registry, sessions)
        async with running("previews", sessions.run):
            yield desk


async def test_a_revoked_device_sees_nothing_more() -> None:
    async with previewing() as desk:
        desk.begin("a", "1")
        desk.begin("b", "2")
        desk.begin("a", "3")
        desk.registry.revoke("a")
        await eventually(lambda: len(desk.asked) == 2)
        assert desk.asked == ["DELETE /cam1/whep/1", "DELETE /cam1/whep/3"]


async def test_revoked_while_the_offer_was_answered() -> None:
    async with previewing() as desk:
        desk.registry.revoke("a")
        desk.begin("a", "1")
        await eventually(lambda: desk.asked == ["DELETE /cam1/whep/1"])


async def test_a_session_that_was_ended_is_not_ended_again() -> None:
    async with previewing() as desk:
        desk.begin("a", "1")
        desk.begin("a", "2")
        desk.sessions.ended("1")
        desk.sessions.ended("unknown")
        desk.registry.put(row("a", name="Sideline", rev=2))
        desk.registry.put(row("a", role="capture", name="Sideline", rev=3))
        await eventually(lambda: desk.asked == ["DELETE /cam1/whep/2"])


@pytest.mark.parametrize("answers", [[404], [500, 500, 200], [401, 404]])
async def test_mediamtx_is_asked_until_it_answers(autojump_clock: MockClock, answers: list[int]) -> None:
    async with previewing() as desk:
        desk.answers = list(answers)
        desk.begin("a", "1")
        desk.registry.revoke("a")
        await eventually(lambda: len(desk.asked) == len(answers) and not desk.answers)


async def test_the_sessions_of_a_device_are_limited() -> None:
    async with previewing() as desk:
        for number in range(SESSIONS_MAX + 2):
            desk.begin("a", str(number))
        await eventually(lambda: desk.asked == ["DELETE /cam1/whep/0", "DELETE /cam1/whep/1"])
