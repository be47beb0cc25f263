"""Box time: monotonic across wall-clock steps, with one text format for instants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.kernel import clock as clock_module
from appliance.kernel.clock import (
    MAX_US,
    BoxClock,
    apart_us,
    boot_id,
    from_rfc3339,
    optional_rfc3339,
    to_rfc3339,
)


class Machine:
    """The machine's two clocks, set by the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.boot_us = 5_000_000
        self.wall_us = 1_795_203_000_000_000
        monkeypatch.setattr(clock_module, "boottime_us", lambda: self.boot_us)
        monkeypatch.setattr(clock_module, "wall_us", lambda: self.wall_us)
        monkeypatch.setattr(clock_module, "boot_id", lambda: "this-boot")

    def advance(self, us: int) -> None:
        self.boot_us += us
        self.wall_us += us


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_first_start_takes_the_wall_clock(machine: Machine) -> None:
    clock = BoxClock.start(None, None)
    assert clock.now_us() == machine.wall_us
    assert clock.step_us() == 0


def test_box_time_goes_on_through_a_wall_clock_step(machine: Machine) -> None:
    clock = BoxClock.start(None, None)
    before_us = clock.now_us()
    machine.wall_us -= 3_600_000_000
    machine.advance(1_000_000)
    assert clock.now_us() == before_us + 1_000_000
    assert clock.step_us() == -3_600_000_000


def test_a_restart_within_one_boot_keeps_the_offset(machine: Machine) -> None:
    first = BoxClock.start(None, None)
    machine.wall_us += 7_000_000
    again = BoxClock.start(first.boot_id, first.offset_us)
    assert again.now_us() == first.now_us()
    assert again.step_us() == 7_000_000


def test_a_new_boot_takes_the_wall_clock_again(machine: Machine) -> None:
    clock = BoxClock.start("another-boot", 12345)
    assert clock.now_us() == machine.wall_us


def test_resync_follows_the_wall_clock(machine: Machine) -> None:
    clock = BoxClock.start(None, None)
    machine.wall_us += 7_000_000
    clock.resync()
    assert (clock.step_us(), clock.now_us()) == (0, machine.wall_us)


def test_two_clocks_are_compared_exactly_despite_pauses_between_their_readings() -> None:
    """Every reading takes 1 us; some of the first ones are interrupted for 7 ms."""
    now_us, readings = 0, 0

    def reading(ahead_us: int) -> int:
        nonlocal now_us, readings
        readings += 1
        now_us += 7000 if readings in (2, 3, 5, 9) else 1
        return now_us + ahead_us

    assert apart_us(lambda: reading(5_000_000), lambda: reading(0)) == 5_000_000
    assert readings == 12, "asked again until the readings are near each other"


def test_on_a_machine_that_is_always_slow_the_best_comparison_counts() -> None:
    now_us, steps_us = 0, iter([300, 300, 90, 10, 10, 400] * 50)

    def reading(ahead_us: int) -> int:
        nonlocal now_us
        now_us += next(steps_us)
        return now_us + ahead_us

    assert apart_us(lambda: reading(-70), lambda: reading(0)) == pytest.approx(-70, abs=200)


def test_this_machine_has_a_boot_id() -> None:
    assert len(boot_id()) == 36


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-20T19:30:00Z", 1_795_203_000_000_000),
        ("2026-11-20t19:30:00.5z", 1_795_203_000_500_000),
        ("2026-11-20 20:30:00+01:00", 1_795_203_000_000_000),
        ("2026-11-20T19:30:00.123456789Z", 1_795_203_000_123_456),
        (" 2026-11-20T19:30:00Z ", 1_795_203_000_000_000),
    ],
)
def test_rfc3339_is_read(text: str, us: int) -> None:
    assert from_rfc3339(text) == us


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T19:30:00",
        "2026-11-20",
        "19:30:00",
        "2026-02-30T00:00:00Z",
        "2026-11-20T24:30:00Z",
        "2026-11-20T19:30:60Z",
        "2026-11-20T19:30:00.Z",
        "2026-11-20T19:30:00+25:00",
        "0001-01-01T00:00:00+23:00",
        "9999-12-31T23:59:59-01:00",
        "1969-12-31T23:59:59Z",
        "",
        "now",
    ],
)
def test_what_is_no_instant_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w+"):
        from_rfc3339(text)


@given(st.integers(0, MAX_US - 1))
def test_writing_and_reading_an_instant_gives_it_back(us: int) -> None:
    text = to_rfc3339(us)
    assert from_rfc3339(text) == us
    assert len(text) == 27 and text.endswith("Z")


def test_a_missing_instant_is_null() -> None:
    assert optional_rfc3339(None) is None
    assert optional_rfc3339(0) == "1970-01-01T00:00:00.000000Z"
