"""Recordings as left by broken disks, crashed recorders and attackers, and their reader.

`KINDS` are the named ones; `mutated` derives any number of others from a good file by a seed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from random import Random

import trio

from appliance.box.clips.cutting.planner import Planner
from appliance.box.recordings.actor import RecordingsHandle
from appliance.media.cut.plan import NoFootage
from appliance.media.mp4.fmp4 import Malformed
from tests.box.recordings.tree import Box, frames_seen, live_camera, until
from tests.faults.tally import Tally
from tests.kit.segments import Camera
from tests.kit.waiting import LIMIT_S

HOUR_US = 3_600_000_000


def _trun_claims(data: bytes, samples: int) -> bytes:
    at = data.index(b"trun") + 8
    return data[:at] + struct.pack(">I", samples) + data[at + 4 :]


def _size_claims(data: bytes, box: bytes, size: int) -> bytes:
    at = data.index(box) - 4
    return data[:at] + struct.pack(">I", size) + data[at + 4 :]


def _init_of(data: bytes) -> bytes:
    return data[: data.index(b"moof") - 4]


KINDS: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda good: good[: len(good) * 2 // 3],
    "zero tail": lambda good: good[: len(good) // 2] + bytes(len(good) // 2),
    "zero hole": lambda good: good[: len(good) // 3] + bytes(5000) + good[len(good) // 3 + 5000 :],
    "garbage": lambda good: Random(1).randbytes(len(good)),
    "empty": lambda good: b"",
    "init only": _init_of,
    "huge moof": lambda good: _size_claims(good, b"moof", 0xFFFF_FFF0),
    "huge mdat": lambda good: _size_claims(good, b"mdat", 0xFFFF_FFF0),
    "64-bit box": lambda good: _init_of(good) + struct.pack(">I4sQ", 1, b"mdat", 1 << 62) + b"x" * 100,
    "a billion samples": lambda good: _trun_claims(good, 1_000_000_000),
    "no samples": lambda good: _trun_claims(good, 0),
    "box of size 0": lambda good: _size_claims(good, b"moof", 0),
    "box of size 3": lambda good: _size_claims(good, b"moof", 3),
    "nested": lambda good: b"".join(struct.pack(">I4s", 8 * (900 - n), b"moov") for n in range(900)),
    "playlist": lambda good: b"#EXTM3U\n#EXT-X-VERSION:3\nfile:///etc/passwd\nhttp://127.0.0.1/secret\n",
    "text": lambda good: b"not a film " * 1000,
}


def mutated(good: bytes, rnd: Random) -> bytes:
    """The good file with one to four damages."""
    data = bytearray(good)
    for _ in range(rnd.randint(1, 4)):
        at = rnd.randrange(len(data) + 1)
        kind = rnd.randrange(6)
        if kind == 0:
            del data[at:]
        elif kind == 1:
            data[at : at + rnd.choice((4, 512, 4096))] = bytes(rnd.choice((4, 512, 4096)))
        elif kind == 2:
            data[at : at + 4] = struct.pack(">I", rnd.choice((0, 1, 7, 8, 0x7FFFFFFF, 0xFFFFFFFF)))
        elif kind == 3:
            data[at:at] = rnd.randbytes(rnd.randint(1, 64))
        elif kind == 4:
            del data[at : at + rnd.randint(1, 4096)]
        elif (result := data.find(rnd.choice((b"trun", b"tfdt", b"tfhd", b"moof", b"mdat", b"moov")))) >= 0:
            place = result + rnd.randint(-4, 24)
            data[place : place + 1] = rnd.randbytes(1)
    return bytes(data)


def good_segment(stream: bytes, behind_us: int) -> bytes:
    """Six seconds of a recording made an hour ago."""
    camera: Camera = live_camera(stream=stream, behind_us=behind_us)
    return b"".join(camera.segment(30))


async def bad_recordings(rounds: int, seed: int, folder: Path) -> Tally:
    """`rounds` broken files beside a camera that continues to be followed; plans report problems."""
    tally, rnd, box = Tally(), Random(seed), Box(folder)
    async with box.running("cam1", "cam2") as handle:
        camera = live_camera()
        box.add("live.mp4", camera.begin() + camera.next_part(), "cam2")
        planner = Planner(handle, trio.CapacityLimiter(4))
        for number in range(rounds):
            good = good_segment(rnd.randbytes(16), HOUR_US + number * 10_000_000)
            kind = rnd.choice([*KINDS, *["mutated"] * len(KINDS)])
            data = mutated(good, rnd) if kind == "mutated" else KINDS[kind](good)
            box.add(f"bad{number}.mp4", data)
            box.add("live.mp4", camera.next_part(), "cam2")
            tally.rounds += 1
            await _looked_at(handle, f"round {number}, {kind}", tally)
            await _plan(planner, rnd, f"round {number}, {kind}", tally)
        await until(handle, lambda: frames_seen(handle, "cam2") == 6 * (rounds + 1))
        tally.acknowledged = rounds
    return tally


async def _looked_at(handle: RecordingsHandle, where: str, tally: Tally) -> None:
    """The new file is listed, and no file waits to be read."""
    with trio.move_on_after(LIMIT_S) as limit:
        handle.rescan_now("cam1")
        while handle.footage("cam1").segments < tally.rounds or handle.statistics()["segments_waiting"]:
            with trio.move_on_after(0.05):
                await handle.changed.wait_past(handle.changed.count)
    tally.check(not limit.cancelled_caught, f"{where}: the file was not read within {LIMIT_S} s")


async def _plan(planner: Planner, rnd: Random, where: str, tally: Tally) -> None:
    """A plan of broken footage is consistent, or gives the reason why there is none."""
    until_us = planner.footage.video_until_us("cam1")
    if until_us is None:
        return
    start_us = until_us - rnd.randrange(60_000_000)
    try:
        with trio.fail_after(LIMIT_S):
            plan = await planner.plan_span("cam1", start_us, start_us + rnd.randrange(1, 20_000_000), 0)
    except (NoFootage, Malformed, OSError):
        return
    total = len(plan.header) + sum(each.length for each in plan.ranges)
    tally.check(total == plan.size and plan.frames > 0, f"{where}: a plan whose parts do not add up")
