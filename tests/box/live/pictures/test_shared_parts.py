"""A part is read once for all viewers, and dropped when it is old."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from appliance.box.live.pictures.shared_parts import KEPT_MAX, SharedParts
from appliance.box.live.protocol import payload_of


class Disk:
    """Counts reads; each waits for `ready`."""

    def __init__(self, *, size: int = 10) -> None:
        self.reads = 0
        self.ready = trio.Event()
        self._size = size

    async def read(self) -> bytes:
        self.reads += 1
        await self.ready.wait()
        return bytes(self._size)


async def test_simultaneous_callers_share_one_read_and_its_bytes() -> None:
    shared, disk = SharedParts(), Disk(size=70_000)
    got: list[bytes] = []

    async def ask() -> None:
        got.append(await shared.get("a", disk.read))

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        disk.ready.set()
    assert disk.reads == 1
    assert len({id(each) for each in got}) == 1, "no copies"
    assert payload_of(got[0]) == bytes(70_000)
    assert shared.size_bytes == len(got[0])


async def test_the_cache_is_limited_in_bytes_and_in_number() -> None:
    disk, tiny = Disk(size=1000), Disk(size=1)
    disk.ready.set()
    tiny.ready.set()
    shared = SharedParts(limit_bytes=5_500)
    for number in range(100):
        await shared.get(number, disk.read)
        assert shared.size_bytes <= 5_500
    await shared.get(99, disk.read)
    assert disk.reads == 100, "the newest are kept"
    for number in range(2 * KEPT_MAX):
        await shared.get(("tiny", number), tiny.read)
    assert len(shared._kept) <= KEPT_MAX
    shared.clear()
    assert (shared.size_bytes, len(shared._kept)) == (0, 0)


async def test_a_part_larger_than_the_limit_is_served_too() -> None:
    disk = Disk(size=10_000)
    disk.ready.set()
    shared = SharedParts(limit_bytes=100)
    assert len(payload_of(await shared.get("a", disk.read))) == 10_000
    await shared.get("b", disk.read)
    assert shared.size_bytes < 11_000


async def test_a_read_that_fails_is_tried_again_by_the_next() -> None:
    shared, disk = SharedParts(), Disk()
    disk.ready.set()

    async def fail() -> bytes:
        raise OSError("the disk hangs")

    for _ in range(3):
        with pytest.raises(OSError):
            await shared.get("a", fail)
    assert not shared._kept, "nothing is left of the attempts"
    assert payload_of(await shared.get("a", disk.read)) == bytes(10)


async def test_a_part_dropped_while_it_was_made_is_not_counted() -> None:
    shared, disk = SharedParts(), Disk()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shared.get, "a", disk.read)
        await trio.testing.wait_all_tasks_blocked()
        shared.clear()
        disk.ready.set()
    assert shared.size_bytes == 0 and not shared._kept
