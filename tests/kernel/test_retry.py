"""Retry delays, what is retried, and temporary disk errors."""

from __future__ import annotations

import errno
import os

import trio
from trio.testing import MockClock

from appliance.kernel.retry import GIVE_UP_S, Backoff, DiskErrors, RetrySchedule


def test_waits_grow_to_the_cap_and_are_never_zero() -> None:
    backoff = Backoff(base_s=1.0, cap_s=8.0)
    for ceiling in (1, 2, 4, 8, 8, 8):
        assert 0 < backoff.next_s() <= ceiling


def test_a_success_starts_again_from_the_base() -> None:
    backoff = Backoff(base_s=1.0, cap_s=60.0, tries=50)
    assert backoff.next_s() <= 60.0
    backoff.reset()
    assert backoff.next_s() <= 1.0


def test_waits_are_spread_over_the_whole_span() -> None:
    waits = [Backoff(base_s=1.0).next_s() for _ in range(1000)]
    assert min(waits) < 0.1 and max(waits) > 0.9
    assert len({round(each, 6) for each in waits}) > 900


async def test_each_thing_has_pauses_of_its_own(autojump_clock: MockClock) -> None:
    retries = RetrySchedule()
    assert retries.not_before_s("a") < trio.current_time() and not retries
    assert retries.postpone("a") and retries.not_before_s("a") >= trio.current_time()
    assert retries.not_before_s("b") < trio.current_time()
    await trio.sleep(GIVE_UP_S + 1)
    assert retries.postpone("b") and not retries.postpone("a")
    retries.retain({"b"})
    assert retries.not_before_s("a") < 0 and retries
    retries.forget("b")
    assert not retries


def test_each_trouble_is_shown_until_that_thing_works() -> None:
    disk_errors = DiskErrors("clip files")
    assert not disk_errors and str(disk_errors) == ""
    disk_errors.record("write", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    disk_errors.record("delete", OSError("it hangs"))
    assert disk_errors and str(disk_errors) == "write: No space left on device; delete: it hangs"
    disk_errors.clear("write")
    disk_errors.clear("write")
    assert str(disk_errors) == "delete: it hangs"
    disk_errors.clear("delete")
    assert not disk_errors
