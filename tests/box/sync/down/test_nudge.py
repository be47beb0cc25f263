"""The nudging socket: whatever answers, the box goes on and dials again."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair
from trio_websocket import ConnectionClosed, wrap_server_stream

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


async def _dials(
    monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery, held_s: float, for_s: float
) -> list[float]:
    """When the box dialled, of a cloud that takes each handshake and closes after `held_s`."""
    dialled: list[float] = []

    async def server(stream: Any) -> None:
        try:
            async with trio.open_nursery() as own:
                request = await wrap_server_stream(own, stream)
                async with await request.accept():
                    await trio.sleep(held_s)
        except* (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def dial(*place: Any) -> Any:
        own, other = memory_stream_pair()
        dialled.append(trio.current_time())
        nursery.start_soon(server, other)
        return own

    monkeypatch.setattr(nudge, "_dial", dial)
    monkeypatch.setattr(nudge, "SILENT_S", 1e6)
    with trio.move_on_after(for_s):
        await nudge.run_nudges(nudges=Nudges(), url="http://cloud", headers=[])
    return dialled


async def test_a_socket_that_is_closed_at_once_is_dialled_ever_more_seldom(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with trio.open_nursery() as nursery:
        dialled = await _dials(monkeypatch, nursery, 0.0, 3600.0)
        nursery.cancel_scope.cancel()
    assert 5 <= len(dialled) <= 100
    pauses = [after - before for before, after in pairwise(dialled)]
    assert max(pauses) > 60
    assert len({round(each, 3) for each in pauses}) == len(pauses)  # no pause is like another


async def test_boxes_that_lost_a_working_socket_together_dial_again_apart(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart of the cloud: each box waits a time of its own, of up to BASE_S."""
    pauses: list[float] = []
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            first, second = (await _dials(monkeypatch, nursery, 900.0, 920.0))[:2]
            pauses.append(second - first - 900.0)
        nursery.cancel_scope.cancel()
    assert max(pauses) <= nudge.BASE_S + 1 and max(pauses) - min(pauses) > nudge.BASE_S / 4
