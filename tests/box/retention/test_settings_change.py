"""A limit changed between two starts: it deletes nothing for a while, and /readyz reports it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from trio.testing import MockClock

from appliance.box.retention.core import RetentionLimits
from appliance.box.retention.health import retention_part
from tests.box.retention.disk import DAY_US, MINUTE_US, NO_LIMITS, Disk
from tests.kit.box import add_channel, sim_store
from tests.kit.clock import HandClock


@pytest.fixture
async def disk(tmp_path: Path, autojump_clock: MockClock) -> AsyncIterator[Disk]:
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store:
        await store.write(lambda tx: add_channel(tx, "cam1"))
        yield Disk(tmp_path, store, clock)


def reserve(count: int) -> RetentionLimits:
    return replace(NO_LIMITS, reserve_bytes=count)


async def test_a_larger_reserve_deletes_nothing_for_a_day_over_restarts(disk: Disk) -> None:
    names = [disk.record(DAY_US + number * MINUTE_US) for number in range(3)]
    left = disk.space(disk.root).free_bytes
    async with disk.kept(reserve(left - 1), grace_us=DAY_US):
        pass
    async with disk.kept(reserve(left + 2500), grace_us=DAY_US) as handle:
        assert disk.removed == []
        figures = handle.figures()
        assert figures.waiting_bytes == 3000 and figures.waits_until_us == disk.clock.now_us() + DAY_US
        part = retention_part(figures)
        assert part.status == "warn" and "reserve_gb" in part.detail and "restart" in (part.hint or "")
    async with disk.kept(reserve(left + 2500), grace_us=DAY_US) as handle:
        assert disk.removed == [], "another start does not shorten the wait"
        disk.clock.advance(86_400)
        await handle.look_now()
        assert sorted(disk.removed) == sorted(names) and handle.figures().waiting == ()


async def test_a_figure_that_is_corrected_in_time_deletes_nothing(disk: Disk) -> None:
    disk.record(DAY_US)
    left = disk.space(disk.root).free_bytes
    async with disk.kept(reserve(0), grace_us=DAY_US):
        pass
    async with disk.kept(reserve(left + 500), grace_us=DAY_US):
        pass
    async with disk.kept(reserve(0), grace_us=DAY_US) as handle:
        disk.clock.advance(2 * 86_400)
        await handle.look_now()
        assert disk.removed == [] and handle.figures().waiting == ()


async def test_the_first_start_with_a_disk_of_recordings_deletes_none_of_them_for_a_day(disk: Disk) -> None:
    names = [disk.record(DAY_US + number * MINUTE_US) for number in range(3)]
    disk.room = 2 * 10**9  # above the 1 GB that is always kept free
    wanted = reserve(disk.room - 1500)
    async with disk.kept(wanted, grace_us=DAY_US) as handle:
        assert disk.removed == [] and handle.figures().waiting
        disk.clock.advance(86_400)
        await handle.look_now()
        assert len(disk.removed) == 2 and set(disk.removed) < set(names)
