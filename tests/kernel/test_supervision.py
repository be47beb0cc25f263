"""Actors are started again for what they declared, and for nothing else."""

from __future__ import annotations

from itertools import pairwise

import pytest
import structlog
import trio

from appliance.kernel.backoff import Backoff
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.supervision import STABLE_S, LoopWatch, supervise
from tests.kit.waiting import LIMIT_S

DOWN = Unavailable("mediamtx_down", "no answer")


async def test_a_declared_error_is_tried_again_after_a_wait(autojump_clock: trio.testing.MockClock) -> None:
    began_s: list[float] = []

    async def actor() -> None:
        began_s.append(trio.current_time())
        if len(began_s) < 4:
            raise DOWN

    async with trio.open_nursery() as nursery:
        record = supervise(nursery, "mediamtx", actor)
    waits = [later - earlier for earlier, later in pairwise(began_s)]
    assert len(waits) == 3
    assert all(0 < wait <= 0.5 * 2**n for n, wait in enumerate(waits))
    assert (record.restarts, record.waiting, record.last_error) == (3, False, "mediamtx_down: no answer")


async def test_a_long_good_run_shortens_the_next_wait(autojump_clock: trio.testing.MockClock) -> None:
    backoff = Backoff(base_s=1.0, cap_s=1000.0, tries=12)
    runs = 0

    async def actor() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            await trio.sleep(STABLE_S)
            raise DOWN

    async with trio.open_nursery() as nursery:
        supervise(nursery, "cloud", actor, backoff=backoff)
    assert trio.current_time() - STABLE_S < 1000
    assert backoff.tries == 1


@pytest.mark.parametrize("error", [ValueError("bug"), Refused(422, "no", "never"), KeyError("x")])
async def test_anything_else_ends_the_daemon(error: Exception) -> None:
    async def actor() -> None:
        raise error

    with pytest.raises(BaseExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            supervise(nursery, "index", actor)
    assert caught.value.exceptions == (error,)


async def test_a_group_is_retried_only_when_all_of_it_is_declared(
    autojump_clock: trio.testing.MockClock,
) -> None:
    rounds: list[list[Exception]] = [[DOWN, Unavailable("b", "b")], [DOWN, ValueError("bug")]]

    async def actor() -> None:
        raise ExceptionGroup("actor", rounds.pop(0))

    with pytest.raises(BaseExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            record = supervise(nursery, "index", actor)
    assert rounds == [] and record.last_error == "mediamtx_down: no answer; b: b"
    assert caught.group_contains(ValueError)


async def test_cancelling_stops_a_waiting_actor(autojump_clock: trio.testing.MockClock) -> None:
    async def actor() -> None:
        raise DOWN

    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            record = supervise(nursery, "x", actor, backoff=Backoff(base_s=3600, cap_s=3600))
            await trio.testing.wait_all_tasks_blocked()
            assert record.waiting
            nursery.cancel_scope.cancel()


def test_slow_steps_are_logged_with_their_task_and_turns_are_measured() -> None:
    now_s = 0.0
    turns: list[float] = []

    def clock() -> float:
        return now_s

    async def crunch() -> None:
        nonlocal now_s
        now_s += 0.25

    async def main() -> None:
        await trio.lowlevel.checkpoint()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crunch, name="crunch")

    watch = LoopWatch(on_turn=turns.append, _clock=clock)
    with structlog.testing.capture_logs() as logs:
        trio.run(main, instruments=[watch])
    assert [(line["event"], line["task"], line["took_ms"]) for line in logs] == [("slow_step", "crunch", 250)]
    assert watch.slow_steps == 1
    assert max(turns) == 0.25 == watch.take_worst_turn_s()


def test_the_worst_turn_includes_the_one_under_way_and_is_taken_once() -> None:
    now_s = 10.0
    watch = LoopWatch(_clock=lambda: now_s)
    watch.after_io_wait(0)
    now_s = 13.0
    assert watch.take_worst_turn_s() == 3.0
    watch.before_io_wait(0)
    watch.after_io_wait(0)
    assert watch.take_worst_turn_s() == 3.0
    assert watch.take_worst_turn_s() == 0.0
