"""Retry delays, which keys are retried, and current disk errors."""

from __future__ import annotations

import errno
import os
import random

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from appliance.kernel.retry import GIVE_UP_S, Backoff, DiskErrors, RetrySchedule


def test_waits_grow_to_the_cap_and_are_never_zero() -> None:
    backoff = Backoff(base_s=1.0, cap_s=8.0)
    for ceiling in (1, 2, 4, 8, 8, 8):
        assert 0 < backoff.next_s() <= ceiling


@pytest.fixture
def longest_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.0)


@pytest.mark.usefixtures("longest_waits")
def test_the_longest_wait_doubles_up_to_the_cap() -> None:
    backoff = Backoff(base_s=1.0, cap_s=8.0)
    assert [backoff.next_s() for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    backoff.reset()
    assert backoff.next_s() == 1.0
    assert Backoff(base_s=1.0, cap_s=1e9, tries=5000).next_s() == 65536.0, "no power grows without bound"


@pytest.mark.usefixtures("longest_waits")
async def test_a_failing_key_waits_1_to_20_s_and_is_given_up_after_ten_minutes(
    autojump_clock: MockClock,
) -> None:
    retries, waits = RetrySchedule(), []
    for _ in range(7):
        assert retries.postpone("a")
        waits.append(retries.not_before_s("a") - trio.current_time())
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0]
    await trio.sleep(GIVE_UP_S)
    assert retries.postpone("a")
    await trio.sleep(0.5)
    assert not retries.postpone("a")


def test_a_success_starts_again_from_the_base() -> None:
    backoff = Backoff(base_s=1.0, cap_s=60.0, tries=50)
    assert backoff.next_s() <= 60.0
    backoff.reset()
    assert backoff.next_s() <= 1.0


def test_waits_are_spread_over_the_whole_span() -> None:
    waits = [Backoff(base_s=1.0).next_s() for _ in range(1000)]
    assert min(waits) < 0.1 and max(waits) > 0.9
    assert len({round(each, 6) for each in waits}) > 900


async def test_each_key_has_its_own_pauses(autojump_clock: MockClock) -> None:
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


def test_each_disk_error_is_shown_until_its_operation_succeeds() -> None:
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


def test_a_disk_error_is_logged_when_it_begins_changes_and_ends() -> None:
    disk_errors = DiskErrors("clip files")
    with capture_logs() as logs:
        disk_errors.record("write", OSError("it hangs"), clip="c1")
        disk_errors.record("write", OSError("it hangs"), clip="c2")
        disk_errors.record("write", OSError("no medium"), clip="c3")
        disk_errors.clear("delete")
        disk_errors.clear("write")
        disk_errors.clear("write")
    assert [(each["event"], each.get("reason"), each.get("clip")) for each in logs] == [
        ("disk_error", "write: it hangs", "c1"),
        ("disk_error", "write: no medium", "c3"),
        ("disk_works_again", None, None),
    ]
