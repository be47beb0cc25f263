"""The wrapper around every HTTP send (appliance/http/outgoing.py lists the failures it prevents)."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from appliance.http.outgoing import SEND_LIMIT_S, Outgoing

START = {"type": "http.response.start", "status": 200, "headers": []}
END = {"type": "http.response.body", "body": b"x"}


async def test_a_send_is_finished_although_its_task_is_cancelled() -> None:
    sent: list[Any] = []

    async def slow(message: Any) -> None:
        await trio.testing.wait_all_tasks_blocked()
        sent.append(message)

    out = Outgoing(slow, "r1")
    with trio.CancelScope() as scope:
        scope.cancel()
        await out(dict(START))
        await out(dict(END))
    assert len(sent) == 2 and out.started and out.ended


async def test_the_shield_has_a_deadline(autojump_clock: trio.testing.MockClock) -> None:
    async def stuck(message: Any) -> None:
        await trio.sleep_forever()

    began = trio.current_time()
    with pytest.raises(trio.TooSlowError):
        await Outgoing(stuck, "r1")(dict(START))
    assert trio.current_time() - began == SEND_LIMIT_S


async def test_an_own_policy_is_kept_and_the_servers_send_stays_reachable() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    out = Outgoing(send, "r1")
    await out({**START, "headers": [(b"content-security-policy", b"default-src 'self'")]})
    assert out.__wrapped__ is send
    policies = [value for name, value in sent[0]["headers"] if name == b"content-security-policy"]
    assert policies == [b"default-src 'self'"]
    assert (b"x-request-id", b"r1") in sent[0]["headers"]
