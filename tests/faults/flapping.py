"""A source that reconnects a thousand times: descriptors, tasks and memory stay constant."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from random import Random

import trio

from tests.box.recordings.tree import Box, live_camera
from tests.faults.clients import descriptors, resident_mb
from tests.faults.tally import Tally
from tests.kit.segments import Camera
from tests.kit.waiting import LIMIT_S

WARM = 50  # connections after which nothing may grow any more
KB_PER_FLAP = 24  # metadata, clock and names of one run that stays on the disk; not its parts, not its file
_KEEP = 300  # retention deletes older ones


async def flaps(rounds: int, seed: int, folder: Path) -> Tally:
    """`rounds` connections, each a new run with one part, or none at all."""
    tally, rnd, box = Tally(), Random(seed), Box(folder)
    async with box.running("cam1") as handle:
        before, memory, tasks = 0, 0.0, 0
        for number in range(rounds):
            camera: Camera = live_camera(stream=rnd.randbytes(16))
            data = camera.begin() + (camera.next_part() if rnd.random() < 0.9 else b"")
            box.add(f"{number:06}.mp4", data)
            _forget_old(box, number)
            with trio.move_on_after(LIMIT_S) as limit:
                handle.rescan_now("cam1")
                while handle.footage("cam1").segments < min(number + 1, _KEEP):
                    with trio.move_on_after(0.01):
                        await handle.changed.wait_past(handle.changed.count)
            tally.check(not limit.cancelled_caught, f"flap {number} was not seen within {LIMIT_S} s")
            tally.rounds += 1
            if number == min(WARM, rounds // 2):
                gc.collect()
                before, memory = descriptors(os.getpid()), resident_mb(os.getpid())
                tasks = trio.lowlevel.current_statistics().tasks_living
        await _quiet(box)
        gc.collect()
        grown_kb = (resident_mb(os.getpid()) - memory) * 1000
        opened = descriptors(os.getpid())
        tally.check(opened <= before + 2, f"{opened} descriptors, {before} before")
        living = trio.lowlevel.current_statistics().tasks_living
        tally.check(living <= tasks + 2, f"{living} tasks, {tasks} before")
        allowed_kb = 4000 + KB_PER_FLAP * min(rounds, _KEEP)
        tally.check(grown_kb < allowed_kb, f"{grown_kb:.0f} kB more after {rounds} flaps")
        tally.acknowledged = rounds
    return tally


def _forget_old(box: Box, number: int) -> None:
    if number >= _KEEP:
        (box.recordings / "cam1" / f"{number - _KEEP:06}.mp4").unlink()


async def _quiet(box: Box) -> None:
    """Superseded files are closed a second later."""
    with trio.move_on_after(LIMIT_S):
        # descriptors of our own process cause no event
        while sum(_is_recording(fd, box) for fd in os.listdir("/proc/self/fd")) > 2:  # noqa: ASYNC110
            await trio.sleep(0.05)


def _is_recording(fd: str, box: Box) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{fd}").startswith(str(box.recordings))
    except OSError:
        return False
