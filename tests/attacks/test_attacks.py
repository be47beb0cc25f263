"""Every attack, short and seeded, with marks beside it: the box answers, survives, and its memory stays
constant."""

from __future__ import annotations

from random import Random

import pytest
import trio

from tests.attacks.attacks import ATTACKS
from tests.attacks.packets import script
from tests.attacks.press import begin, press
from tests.attacks.raw import play
from tests.attacks.target import Target

pytestmark = pytest.mark.slow
SECONDS = 1.0
GROWTH_MB = 40.0  # in all of an attack's time; viewers that do not read once took 170 MB by the first 64


@pytest.mark.parametrize("name", ATTACKS)
async def test_marks_go_on_and_the_process_stays(target: Target, name: str) -> None:
    report = await press(target, name, await begin(target), 22, SECONDS)
    assert report.marks_s and report.newcomers_s
    if report.memory_before_mb is not None and report.memory_most_mb is not None:
        assert report.memory_most_mb - report.memory_before_mb < GROWTH_MB


async def test_a_hundred_scripts_of_raw_bytes(target: Target) -> None:
    """The same ones each time, one connection after another, so that a fault is reproducible by number."""
    rnd = Random(9)
    with trio.fail_after(120):
        for number in range(100):
            await play(target, script(rnd))
            if number % 20 == 0:
                await target.must_live()
    await target.must_live()


def test_a_script_is_the_same_for_the_same_seed() -> None:
    assert [script(Random(seed)) for seed in range(50)] == [script(Random(seed)) for seed in range(50)]
