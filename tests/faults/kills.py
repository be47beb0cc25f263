"""kill -9 of the daemon under load, and of a media worker in the middle of a job."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from random import Random

import httpx
import trio

from appliance.box.settings import load_settings
from appliance.ops.fsck import check_box
from tests.faults.game import Game, add_up, playing
from tests.faults.tally import Tally
from tests.kit.waiting import LIMIT_S, PLAIN, children_of, eventually

ANSWERS = 8  # in a round before the kill
FSCK_EVERY = 5  # rounds: it reads a running box twice


async def daemon_kills(rounds: int, seed: int, folder: Path) -> Tally:
    """`rounds` kills at random moments; after each, every answer exists and every clip is finished."""
    tally, rnd = Tally(), Random(seed)
    async with playing(folder, rnd) as game:
        for number in range(rounds):
            before = len(game.acknowledged)  # each kill happens during work, however slow the machine is
            await eventually(lambda: len(game.acknowledged) >= before + ANSWERS, what="work")  # noqa: B023
            await trio.sleep(rnd.uniform(0, 0.5))
            await game.kill()  # fails if a process of the box survives
            tally.lose(await game.missing())
            tally.rounds += 1
            await game.start()
            if number % FSCK_EVERY == 0 or number == rounds - 1:
                await check_running(game, tally)
        game.is_over = True
        await game.clips_end()
        await game.tablets_hear()
        tally.acknowledged = len(game.acknowledged)
        tally.check(await game.stop() == 0, "the box did not end cleanly")
        tally.lose(await game.missing())
        await check_running(game, tally)
    add_up(game, tally)
    return tally


async def check_running(game: Game, tally: Tally) -> None:
    """`appliance fsck`, in this process."""
    for finding in await check_box(load_settings(game.box.folder / "appliance.toml"), repair=False):
        tally.wrong(f"fsck: {finding}")


async def worker_kills(rounds: int, seed: int, folder: Path) -> Tally:
    """`rounds` kills of a media worker with a job; every thumbnail is made in the end.

    The pool counts the workers that died during a job: `struck`, which must be `rounds`.
    """
    tally, rnd = Tally(), Random(seed)
    async with playing(folder, rnd, coaches=1) as game:
        await eventually(lambda: len(game.clips) >= 4, what="clips to make pictures of")
        for _ in range(rounds):
            before = (await jobs_of(game))["interrupted"]
            async with trio.open_nursery() as nursery:
                for clip_id in list(game.clips)[-4:]:
                    nursery.start_soon(_picture, game, clip_id, tally)
                await trio.sleep(rnd.uniform(0, 0.03))
                await _kill_in_a_job(game)
            tally.rounds += 1
            tally.struck += (await jobs_of(game))["interrupted"] - before
        tally.check(tally.struck == rounds, f"{tally.struck} of {rounds} kills hit a job")
        await _end(game, tally)
    add_up(game, tally)
    return tally


async def _end(game: Game, tally: Tally) -> None:
    game.is_over = True
    await game.clips_end()
    tally.acknowledged += len(game.acknowledged)
    await game.tablets_hear()
    tally.check(await game.stop() == 0, "the box did not end cleanly")
    tally.lose(await game.missing())
    await check_running(game, tally)


async def jobs_of(game: Game) -> dict[str, int]:
    """The pool's own count of jobs, from /metrics."""
    async with httpx.AsyncClient(base_url=game.box.url, **PLAIN) as client:
        text = (await client.get("/metrics")).text
    return {what: int(float(value)) for what, value in _JOBS.findall(text)}


_JOBS = re.compile(r'worker_jobs\{what="(\w+)"\} (\S+)')


async def _kill_in_a_job(game: Game) -> None:
    """Stop the worker, and kill it if the pool says that it has a job; otherwise continue it, and repeat."""
    with trio.fail_after(LIMIT_S):
        while True:
            for pid in workers_of(game):
                os.kill(pid, signal.SIGSTOP)
                # twice: an answer sent before the stop may still be on its way to the pool
                in_hand = [(await jobs_of(game))["running"] for _ in range(2)]
                os.kill(pid, signal.SIGKILL if all(in_hand) else signal.SIGCONT)
                if all(in_hand):
                    return
            await trio.sleep(0.002)


def workers_of(game: Game) -> list[int]:
    """Media workers of the box."""
    return [pid for pid in children_of(game.box.process.pid) if b"appliance.workers" in _words(pid)]


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


async def _picture(game: Game, clip_id: str, tally: Tally) -> None:
    """A JPEG of a new instant of the clip's channel, requested until it arrives."""
    clip = game.clips[clip_id]
    path = f"/channels/{clip['channel_id']}/frame.jpg?at={clip['start_time']}"
    async with httpx.AsyncClient(base_url=game.box.url, **PLAIN) as client:
        with trio.move_on_after(LIMIT_S):
            while True:
                answer = await client.get(path)
                if answer.status_code == 200:
                    tally.acknowledged += 1
                    tally.check(answer.content[:2] == b"\xff\xd8", f"{path}: no JPEG")
                    return
                tally.check(_may_come_later(answer), f"{path}: {answer.status_code} {answer.text[:200]}")
                await trio.sleep(0.05)
        tally.wrong(f"{path}: no picture within {LIMIT_S} s")


_LATER: frozenset[int] = frozenset({409, 503})


def _may_come_later(answer: httpx.Response) -> bool:
    return answer.status_code in _LATER
