"""A leap of the clock deletes nothing before the program has run with it for a day."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from appliance.kernel.clock import CONFIRM_S, LEAP_S, TrustedTime, advance, trusted_now
from appliance.kernel.follow import all_cursors, place_cursor
from appliance.kernel.store import Store
from appliance.ops.pruning import run_pruning
from tests.kit.box import sim_store
from tests.kit.clock import KICKOFF_US, SimClock

DAY_S = 86_400
LOOK_S = 3600.0


class LeapingClock(SimClock):
    """Moves with trio's clock, and is `ahead_s` ahead of it."""

    ahead_s = 0.0

    def now_us(self) -> int:
        return super().now_us() + round(self.ahead_s * 1e6)


def test_it_follows_a_clock_that_runs_evenly_and_one_that_was_off_overnight() -> None:
    time = advance(None, KICKOFF_US, 0.0)
    assert time == TrustedTime(KICKOFF_US)
    for elapsed_s, passed_s in ((LOOK_S, LOOK_S), (0.0, 0.9 * LEAP_S), (LOOK_S, -400 * DAY_S)):
        now_us = time.us + round(passed_s * 1e6)
        time = advance(time, now_us, elapsed_s)
        assert time == TrustedTime(now_us)


def test_a_leap_counts_after_a_day_of_running_with_it() -> None:
    time, now_us, ran_s = TrustedTime(KICKOFF_US), KICKOFF_US + 91 * DAY_S * 10**6, 0.0
    while time.us != now_us:
        assert time.us == KICKOFF_US + round(ran_s * 1e6)
        now_us += round(LOOK_S * 1e6)
        ran_s += LOOK_S
        time = advance(time, now_us, LOOK_S)
    assert ran_s == CONFIRM_S and time.waited_s == 0


@given(st.lists(st.tuples(st.floats(0, 30 * DAY_S), st.floats(0, 30 * DAY_S)), max_size=20))
def test_it_is_never_ahead_of_the_clock_and_never_far_ahead_of_what_has_passed(
    looks: list[tuple[float, float]],
) -> None:
    """Each look: how long the program ran since the one before, and how much further the clock went."""
    time, now_us, ran_s = TrustedTime(KICKOFF_US), KICKOFF_US, 0.0
    for elapsed_s, more_s in looks:
        ran_s += elapsed_s
        now_us += round((elapsed_s + more_s) * 1e6)
        after = advance(time, now_us, elapsed_s)
        assert time.us <= after.us <= now_us + 1
        if ran_s < CONFIRM_S:
            assert (after.us - KICKOFF_US) / 1e6 <= ran_s + LEAP_S * len(looks) + 1
        time = after


async def _add(store: Store, count: int) -> None:
    for _ in range(count):
        await store.write(lambda tx: tx.append("x", "x:1", {}))


async def test_a_clock_that_is_91_days_ahead_for_hours_deletes_no_entry_that_was_not_sent(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    clock = LeapingClock()
    async with sim_store(tmp_path, clock) as store, trio.open_nursery() as nursery:
        await _add(store, 5)
        await store.write(lambda tx: place_cursor(tx, "cloud", 2))
        await nursery.start(partial(run_pruning, store=store))
        await trio.sleep(2 * LOOK_S)
        clock.ahead_s = 91 * DAY_S
        await _add(store, 1)
        await trio.sleep(20 * LOOK_S)
        clock.ahead_s = 0
        await trio.sleep(40 * LOOK_S)
        (cursor,) = await store.read(all_cursors)
        assert store.journal.oldest == 1 and not cursor.needs_resync
        clock.ahead_s = 91 * DAY_S  # now it is true
        await trio.sleep(CONFIRM_S + 2 * LOOK_S)
        (cursor,) = await store.read(all_cursors)
        assert store.journal.oldest > 1 and cursor.needs_resync
        nursery.cancel_scope.cancel()


async def test_the_wait_goes_on_after_a_restart(tmp_path: Path) -> None:
    clock = LeapingClock()
    look = partial(trusted_now, purpose="test")
    async with sim_store(tmp_path, clock) as store:
        start_us = await store.write(partial(look, elapsed_s=0.0))
        clock.ahead_s = 91 * DAY_S
        for _ in range(2):  # each run looks at its start, and 13 h later
            held_us = await store.write(partial(look, elapsed_s=0.0))
            assert held_us < start_us + DAY_S * 10**6
            now_us = await store.write(partial(look, elapsed_s=13 * LOOK_S))
        assert now_us >= start_us + 91 * DAY_S * 10**6
        other_us = await store.write(partial(trusted_now, purpose="other", elapsed_s=0.0))
        assert other_us >= now_us  # a purpose that has no state yet believes the clock
