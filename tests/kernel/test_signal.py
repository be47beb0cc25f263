"""No notification is lost between a check and a wait."""

from __future__ import annotations

import trio
from trio.testing import assert_checkpoints, wait_all_tasks_blocked

from appliance.kernel.signal import Signal
from tests.kit.waiting import LIMIT_S


async def test_a_change_before_the_wait_is_not_lost() -> None:
    signal = Signal()
    seen = signal.count
    signal.notify()
    with trio.fail_after(LIMIT_S):
        assert await signal.wait_past(seen) == 1


async def test_every_waiter_is_woken_once_for_many_notifications() -> None:
    signal = Signal()
    woken: list[int] = []

    async def wait() -> None:
        woken.append(await signal.wait_past(0))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        assert woken == []
        signal.notify()
        signal.notify()
    assert woken == [2, 2, 2]


async def test_waiting_is_always_a_checkpoint() -> None:
    signal = Signal()
    signal.notify()
    with assert_checkpoints():
        await signal.wait_past(0)
