"""The attacks for hours: scripts/faults --only raw_bytes --minutes 60 [--address HOST:PORT].

A round is ROUND_S of one attack with marks and new clients beside it, or generated requests for about as
long. Requirements: every mark and new client is answered, the process stays the same, and its memory at the
end is within MEMORY_GROWTH of that after WARM_ROUNDS; a shorter run does not judge memory. Descriptors return
after each round to their number before the first one.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from statistics import median

from appliance.access.console import leave_token
from appliance.access.roles import ROLES
from tests.attacks.attacks import ATTACKS
from tests.attacks.press import begin, press
from tests.attacks.schema import walk
from tests.attacks.target import Broken, Target, allow_many_sockets
from tests.faults.tally import Tally
from tests.kit.running import running_box

ROUND_S = 10.0
REQUESTS = 1000  # generated requests of a round
# 15 minutes: until bounded structures (part lists of 15 minutes, the newest events) are full
WARM_ROUNDS = 90
MEMORY_GROWTH = 0.10
CAMERA = {
    "channels": [{"id": "cam1", "input_url": "synthetic:"}],
    "recorder": {"mode": "embedded", "part_s": 0.2},
}

Round = Callable[[Target, int, str], Awaitable[tuple[int, list[str]]]]


def rounds_in(minutes: float) -> int:
    return max(1, round(minutes * 60 / ROUND_S))


@asynccontextmanager
async def attacked(folder: Path) -> AsyncIterator[Target]:
    """ATTACK_ADDRESS, otherwise a box in `folder`."""
    allow_many_sockets()
    if address := os.environ.get("ATTACK_ADDRESS"):
        yield Target.at(address)
        return
    state = folder / "state"
    tokens = {role: leave_token(state, role, role) for role in ROLES}
    async with running_box(folder, **CAMERA, access={"mode": "paired"}) as box:
        yield Target.at(box.url, box.process.pid, tokens)


async def raw_bytes_for_hours(rounds: int, seed: int, folder: Path) -> Tally:
    """Only the fuzzer of raw bytes."""

    async def one_round(target: Target, number: int, session_id: str) -> tuple[int, list[str]]:
        return await _press(target, "raw_bytes", number + seed, session_id)

    return await _repeat(rounds, folder, one_round)


async def attacks_for_hours(rounds: int, seed: int, folder: Path) -> Tally:
    """All attacks in turn: the mixed load."""
    names = list(ATTACKS)

    async def one_round(target: Target, number: int, session_id: str) -> tuple[int, list[str]]:
        return await _press(target, names[number % len(names)], number + seed, session_id)

    return await _repeat(rounds, folder, one_round)


async def requests_for_hours(rounds: int, seed: int, folder: Path) -> Tally:
    """Requests generated from the OpenAPI document."""

    async def one_round(target: Target, number: int, session_id: str) -> tuple[int, list[str]]:
        report = await walk(target, Random(number + seed), REQUESTS)
        return report.statuses.total(), report.faults

    return await _repeat(rounds, folder, one_round)


async def roles_for_hours(rounds: int, seed: int, folder: Path) -> Tally:
    """The same with a token of each role in turn, and without one: none gets what the matrix denies it."""
    roles = ["", *ROLES]

    async def one_round(target: Target, number: int, session_id: str) -> tuple[int, list[str]]:
        role = roles[number % len(roles)]
        report = await walk(target, Random(number + seed), REQUESTS, role)
        return report.statuses.total(), [f"{role or 'nobody'}: {each}" for each in report.faults]

    return await _repeat(rounds, folder, one_round)


async def _press(target: Target, name: str, seed: int, session_id: str) -> tuple[int, list[str]]:
    try:
        output = await press(target, name, session_id, seed, ROUND_S)
    except Broken as broken:
        return 0, [f"{name}, seed {seed}: {broken}"]
    return len(output.marks_s), []


async def _repeat(rounds: int, folder: Path, one_round: Round) -> Tally:
    tally = Tally()
    memory: list[float] = []
    async with attacked(folder) as target:
        session_id = await begin(target)
        at_first = target.descriptors()
        for number in range(rounds):
            answered, faults = await one_round(target, number, session_id)
            tally.rounds += 1
            tally.struck += 1
            tally.acknowledged += answered
            tally.violations += faults
            try:
                await target.must_live()
                await target.must_free(at_first)  # over all rounds: a few left over from each would add up
                memory.append(target.memory_mb() or 0)
            except Broken as broken:
                tally.wrong(f"round {number}: {broken}")
                break
    tally.violations += grown(memory)
    return tally


def grown(memory_mb: list[float]) -> list[str]:
    """A violation when the last tenth of the rounds used more memory than those after warming up."""
    share = max(3, len(memory_mb) // 10)
    if len(memory_mb) < WARM_ROUNDS + 2 * share:
        return []
    first, last = median(memory_mb[WARM_ROUNDS : WARM_ROUNDS + share]), median(memory_mb[-share:])
    if last <= first * (1 + MEMORY_GROWTH):
        return []
    return [f"memory grew from {first:.1f} to {last:.1f} MB in {len(memory_mb)} rounds"]
