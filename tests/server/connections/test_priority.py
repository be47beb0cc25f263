"""Marks have priority; of all other requests one starts in each pass of the event loop."""

from __future__ import annotations

import math
import threading
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest
import trio
import trio.testing

import appliance.server.connections.priority as module
from appliance.server.connections.priority import GIVE_WAY_S, SAVED_S, SHARE, MarkPriority
from tests.kit.waiting import LIMIT_S


class Passes(trio.abc.Instrument):
    """Counts passes of the event loop, and what began in each."""

    def __init__(self) -> None:
        self.begun = [0]

    def before_io_wait(self, timeout: float) -> None:
        self.begun.append(0)


@pytest.mark.parametrize("way", [MarkPriority.take, MarkPriority.take_handshake])
async def test_turns_are_one_a_pass_and_in_order(way: Callable[[MarkPriority], Awaitable[None]]) -> None:
    """Of many simultaneous requests, the last one waits one pass for each before it, not two."""
    priority, begun, passes = MarkPriority(), [], Passes()

    async def begin(number: int) -> None:
        await way(priority)
        begun.append(number)
        passes.begun[-1] += 1

    trio.lowlevel.add_instrument(passes)
    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(begin, number)
            await trio.lowlevel.checkpoint()  # so that they arrive in this order
    assert begun == list(range(100)) and max(passes.begun) == 1
    passes.begun = [0]
    async with trio.open_nursery() as nursery:
        for number in range(1000):
            nursery.start_soon(begin, number)
    assert max(passes.begun) == 1 and len(passes.begun) < 1010


@pytest.mark.parametrize("way", [MarkPriority.take, MarkPriority.take_handshake])
async def test_nothing_begins_while_a_mark_is_answered(
    way: Callable[[MarkPriority], Awaitable[None]], autojump_clock: trio.testing.MockClock
) -> None:
    priority, begun = MarkPriority(), []

    async def begin(number: int) -> None:
        await way(priority)
        begun.append(number)

    async with trio.open_nursery() as nursery:
        with priority.mark():
            for number in range(3):
                nursery.start_soon(begin, number)
            await trio.testing.wait_all_tasks_blocked()
            assert begun == []
    assert sorted(begun) == [0, 1, 2]


async def test_no_request_waits_for_a_mark_that_is_itself_delayed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Its device sends more than its rate (rates.py): others must not pay for that."""
    priority = MarkPriority()
    with priority.mark() as pause:
        with pause():
            await priority.take()
            assert trio.current_time() == 0
        await priority.take()
        assert trio.current_time() == GIVE_WAY_S


@pytest.mark.parametrize("way", [MarkPriority.take, MarkPriority.take_handshake, MarkPriority.admit])
async def test_a_slow_mark_delays_no_other_request_for_long(
    autojump_clock: trio.testing.MockClock, way: Callable[[MarkPriority], Awaitable[None]]
) -> None:
    priority = MarkPriority()
    with priority.mark():
        await way(priority)
        assert trio.current_time() == GIVE_WAY_S


async def test_continuous_marks_do_not_keep_other_requests_waiting(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """When marks follow one another, a waiting request waits only for those present at its arrival."""
    priority = MarkPriority()

    async def marks() -> None:
        while True:
            with priority.mark():
                await trio.sleep(0.01)

    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(marks)
            await trio.sleep(0.005)  # of the test's clock: one is always under way
        await priority.take()
        assert trio.current_time() <= 0.01 + 0.01
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("way", [MarkPriority.take, MarkPriority.take_handshake, MarkPriority.admit])
async def test_slow_marks_leave_other_requests_half_of_the_time(
    autojump_clock: trio.testing.MockClock, way: Callable[[MarkPriority], Awaitable[None]]
) -> None:
    """A disk that takes a second per commit: requests are not limited to one per 50 ms."""
    priority, taken = MarkPriority(), []

    async def others() -> None:
        while True:
            await way(priority)
            taken.append(trio.current_time())
            await trio.sleep(0.001)  # of the test's clock: requests that have started

    async with trio.open_nursery() as nursery:
        with priority.mark():
            nursery.start_soon(others)
            await trio.sleep(2)
            nursery.cancel_scope.cancel()
    waited_s = 2 - 0.001 * len(taken)
    assert waited_s <= SAVED_S + 2 * SHARE + GIVE_WAY_S


async def test_a_new_connection_does_not_wait_in_the_queue_of_requests(
    autojump_clock: trio.testing.MockClock,
) -> None:
    priority = MarkPriority()
    async with trio.open_nursery() as nursery:
        with priority.mark():
            for _ in range(1000):
                nursery.start_soon(priority.give_way)
            await trio.sleep(GIVE_WAY_S + 0.001)
            assert not nursery.child_tasks


async def test_many_handshakes_do_not_delay_a_request() -> None:
    priority, passes = MarkPriority(), Passes()
    trio.lowlevel.add_instrument(passes)
    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(priority.take_handshake)
        await trio.lowlevel.checkpoint()
        came = len(passes.begun)
        await priority.take()
        assert len(passes.begun) - came <= 2


async def test_waiting_requests_do_not_use_up_the_waiting_time_of_new_connections(
    autojump_clock: trio.testing.MockClock,
) -> None:
    priority = MarkPriority()
    with priority.mark():
        for _ in range(10):
            await priority.take()
        began_s = trio.current_time()
        await priority.admit()
        assert math.isclose(trio.current_time() - began_s, GIVE_WAY_S)


async def test_a_thread_that_computes_waits_for_the_marks_that_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GIVE_WAY_S", LIMIT_S)  # so that a slow machine does not end the wait
    monkeypatch.setattr(module, "SAVED_S", LIMIT_S)
    priority, order, has_begun = MarkPriority(), [], threading.Event()
    give_way = priority.for_thread()
    give_way()  # no mark runs: returns at once

    def compute() -> None:
        has_begun.set()
        give_way()
        order.append("computed")

    async with trio.open_nursery() as nursery:
        with priority.mark(), priority.mark():
            nursery.start_soon(trio.to_thread.run_sync, compute)
            await trio.to_thread.run_sync(has_begun.wait)
            order.append("answered")
    assert order == ["answered", "computed"]


async def test_a_thread_waits_half_of_its_time_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks without end stop no computation: a tablet that connects gets its snapshot in twice the time."""
    priority, waited, now_s = MarkPriority(), [], [1000.0]

    def wait(limit_s: float) -> None:
        waited.append(limit_s)
        now_s[0] += limit_s

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    monkeypatch.setattr(priority._is_at_rest, "wait", wait)
    give_way = priority.for_thread()
    with priority.mark():
        for _ in range(10_000):
            give_way()
            now_s[0] += 0.0005
    assert max(waited) <= GIVE_WAY_S
    assert sum(waited) <= SAVED_S + SHARE * (now_s[0] - 1000.0)
    assert sum(waited) > 0.4 * (now_s[0] - 1000.0)
