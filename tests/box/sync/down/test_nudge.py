"""The nudging socket: whatever answers, the box goes on and dials again."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from appliance.box.sync.down import nudge
from appliance.box.sync.down.actor import Nudges


@pytest.mark.parametrize(
    "answer",
    [
        b"\0garbage\r\n\r\n",
        b"HTTP/1.1 101 x\r\n\r\n",
        b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000,
        b"HTTP/1.1 302 Found\r\nLocation: http://login\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_no_answer_ends_the_program(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    dialled: list[float] = []

    async def server(stream: Any) -> None:
        async with stream:
            await stream.receive_some(10_000)
            await stream.send_all(answer)

    nudges = Nudges()
    async with trio.open_nursery() as nursery:

        async def dial(*place: Any) -> Any:
            own, other = memory_stream_pair()
            dialled.append(trio.current_time())
            nursery.start_soon(server, other)
            return own

        monkeypatch.setattr(nudge, "_dial", dial)
        run = partial(nudge.run_nudges, nudges=nudges, url="http://cloud", headers=[])
        with trio.move_on_after(600):
            await run()
    assert 2 <= len(dialled) < 30 and not nudges.are_heard
