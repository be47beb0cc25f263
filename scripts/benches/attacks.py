"""A mark's p95 under each attack beside the same box at rest, in alternating pairs.

Goal: within 2 x of idle, as the median of the pairs' ratios. A pair is seconds of marks at rest, then the
same with the attack. An attacker has a machine of its own, so the box runs on the first processor, and the
attack and the marks on the others; `waited_percent` says how long the box waited for its processor all the
same. A synthetic camera records meanwhile, so that there are live pictures to ask for.
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
from tests.attacks.target import Target, allow_many_sockets  # isort: skip

EVERY_S = 0.02
GOAL = 2.0


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
    try:
        await _marks(marker, 0.3)
        for number in range(pairs):
            at_rest = await _marks(marker, seconds)
            async with attacking(target, name, number, seconds + 60):
                await trio.sleep(0.5)  # until it presses
                watch = benchwatch.Watch(target.pid)
                under = await _marks(marker, seconds)
                waited.append(watch.taken().waited_percent)
            await trio.sleep(1.5)  # what it left behind is over
            idle.append(benchkit.quantile(at_rest, 0.95))
            pressed.append(benchkit.quantile(under, 0.95))
            ratios.append(pressed[-1] / idle[-1])
    finally:
        marker.close()
    ratio = statistics.median(ratios)
    return {
        "attack": name,
        "idle_p95_ms": round(statistics.median(idle) * 1000, 2),
        "p95_ms": round(statistics.median(pressed) * 1000, 2),
        "ratio": round(ratio, 2),
        "waited_percent": round(statistics.median(waited), 1),
        "goal": "met" if ratio <= GOAL else f"missed: {GOAL:g} x",
    }


async def _marks(marker: Marker, seconds: float) -> list[float]:
    """How long each took, seconds; the next begins EVERY_S after the one before was answered."""
    took = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        took.append(await marker.mark())
        await trio.sleep(EVERY_S)
    return took


if __name__ == "__main__":
    benchkit.run("attacks", __doc__, {"marks": measure})
