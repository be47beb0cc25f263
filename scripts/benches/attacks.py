"""A mark's p95 under each attack compared with the same box at rest, in alternating pairs; and new clients.

Goals: a mark within 2 x of idle, as the median of the pairs' ratios; a new client (a tablet that reconnects:
a connection and one answer) within NEWCOMER_MS in 95 of 100 cases, and half of that in the median. A pair is
some seconds of marks at rest, then the same with the attack. A real attacker has its own machine, so the box
runs on the first processor, and the attack and the marks on the others; `waited_percent` shows how long the
box still waited for its processor. A synthetic camera records meanwhile, so that there are live pictures to
request.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchkit
import benchwatch
from benchkit import Options, Row

import trio  # isort: skip

from tests.attacks.attacks import ATTACKS  # isort: skip
from tests.attacks.faults import attacked  # isort: skip
from tests.attacks.press import Marker, attacking, begin  # isort: skip
from tests.attacks.target import ANSWER_S, Broken, Target, allow_many_sockets  # isort: skip

EVERY_S = 0.02
NEWCOMER_S = 0.1  # pause between a new client's answer and the next one
GOAL = 2.0
NEWCOMER_MS = 1000.0


def measure(options: Options) -> list[Row]:
    seconds, pairs = (0.6, 1) if options.quick else (2.0, 5)
    names = list(ATTACKS)[:2] if options.quick else list(ATTACKS)
    allow_many_sockets()
    return trio.run(_attacks, options.folder / "box", names, seconds, pairs)


async def _attacks(folder: Path, names: list[str], seconds: float, pairs: int) -> list[Row]:
    first, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {first})  # inherited by the box and its children
    async with attacked(folder) as target:
        os.sched_setaffinity(0, set(others) or {first})
        return [await _attack(target, name, seconds, pairs) for name in names]


async def _attack(target: Target, name: str, seconds: float, pairs: int) -> Row:
    assert target.pid is not None
    marker = Marker(target, await begin(target))
    idle, pressed, ratios, waited = [], [], [], []
    newcomers: list[float] = []
    try:
        await _marks(marker, 0.3)
        for number in range(pairs):
            at_rest, _ = await _marks_beside_newcomers(marker, target, seconds)
            async with attacking(target, name, number, seconds + 60):
                await trio.sleep(0.5)  # until the attack is running
                watch = benchwatch.Watch(target.pid)
                under, came = await _marks_beside_newcomers(marker, target, seconds)
                waited.append(watch.taken().waited_percent)
            await trio.sleep(1.5)  # until its effects are over
            idle.append(benchkit.quantile(at_rest, 0.95))
            newcomers += came
            pressed.append(benchkit.quantile(under, 0.95))
            ratios.append(pressed[-1] / idle[-1])
    finally:
        marker.close()
    ratio = statistics.median(ratios)
    median_ms, p95_ms = (benchkit.quantile(newcomers, share) * 1000 for share in (0.5, 0.95))
    are_in_time = median_ms <= NEWCOMER_MS / 2 and p95_ms <= NEWCOMER_MS
    return {
        "attack": name,
        "idle_p95_ms": round(statistics.median(idle) * 1000, 2),
        "p95_ms": round(statistics.median(pressed) * 1000, 2),
        "ratio": round(ratio, 2),
        "waited_percent": round(statistics.median(waited), 1),
        "goal": "met" if ratio <= GOAL else f"missed: {GOAL:g} x",
        "newcomer_ms": round(median_ms, 1),
        "newcomer_p95_ms": round(p95_ms, 1),
        "newcomer_goal": "met" if are_in_time else f"missed: {NEWCOMER_MS:g} ms",
    }


async def _marks_beside_newcomers(
    marker: Marker, target: Target, seconds: float
) -> tuple[list[float], list[float]]:
    """(marks, new clients): the latency of each, seconds. The last new client counts with its waiting time
    until the end, a rejected one like one without an answer."""
    came: list[float] = []

    async def come() -> None:
        while True:
            began_s = time.perf_counter()
            try:
                await target.ask("/time")
            except Broken:
                began_s -= ANSWER_S
            finally:
                came.append(time.perf_counter() - began_s)
            await trio.sleep(NEWCOMER_S)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(come)
        marks = await _marks(marker, seconds)
        nursery.cancel_scope.cancel()
    return marks, came


async def _marks(marker: Marker, seconds: float) -> list[float]:
    """The latency of each, seconds; the next starts EVERY_S after the previous answer."""
    took = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        took.append(await marker.mark())
        await trio.sleep(EVERY_S)
    return took


if __name__ == "__main__":
    benchkit.run("attacks", __doc__, {"marks": measure})
