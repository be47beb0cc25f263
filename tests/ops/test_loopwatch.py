"""Slow steps of the event loop are logged, and its latency is measured."""

from __future__ import annotations

import structlog
import trio

from appliance.ops.loopwatch import LoopWatch


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
