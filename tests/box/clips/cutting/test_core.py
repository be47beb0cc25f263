"""The end of the wait for footage: the first of four conditions."""

import pytest

from appliance.box.clips.cutting.core import FootageState, covered, footage_deadline_s, wait_is_over

END_US = 1_000_000_000
NOTHING = FootageState(None, False, False, None)


def over(facts: FootageState, now_s: float = 10.0, deadline_s: float = 20.0) -> bool:
    return wait_is_over(END_US, facts, now_s=now_s, deadline_s=deadline_s)


@pytest.mark.parametrize(("until_us", "done"), [(END_US - 1, False), (END_US, True), (END_US + 1, True)])
def test_video_up_to_out_ends_it(until_us: int, done: bool) -> None:
    facts = FootageState(until_us, False, False, 0.1)
    assert covered(END_US, facts) is done
    assert over(facts) is done


def test_a_run_begun_after_out_ends_it() -> None:
    assert over(FootageState(END_US - 5, True, False, 0.1))


@pytest.mark.parametrize(("age_s", "done"), [(None, True), (2.9, False), (3.0, False), (3.1, True)])
def test_a_source_that_is_down_ends_it_when_its_newest_part_is_old(age_s: float | None, done: bool) -> None:
    assert over(FootageState(END_US - 5, False, True, age_s)) is done


def test_silence_of_a_source_not_known_to_be_down_is_waited_out() -> None:
    assert not over(FootageState(END_US - 5, False, False, 60.0))


def test_the_deadline_ends_it() -> None:
    assert not over(NOTHING, now_s=19.999)
    assert over(NOTHING, now_s=20.0)


@pytest.mark.parametrize(
    ("end_us", "received_us", "started_us", "latency_ms", "deadline_s"),
    [
        (1_000_000, 0, 0, 0, 115.0),  # OUT is now
        (0, 1_000_000, 0, 0, 115.0),  # OUT was received late
        (0, 0, 1_000_000, 0, 115.0),  # the daemon has started since
        (3_000_000, 0, 0, 0, 117.0),  # OUT is in the future
        (1_000_000, 0, 0, 500, 115.5),  # the camera is slow
    ],
)
def test_the_deadline_counts_from_the_last_of_three_instants(
    end_us: int, received_us: int, started_us: int, latency_ms: int, deadline_s: float
) -> None:
    result = footage_deadline_s(
        end_us=end_us,
        out_received_us=received_us,
        started_us=started_us,
        latency_ms=latency_ms,
        wait_s=15.0,
        now_us=1_000_000,
        now_s=100.0,
    )
    assert result == pytest.approx(deadline_s)


def test_the_deadline_counts_microseconds() -> None:
    """Over eleven days, so that a factor off by one shows."""
    deadline_s = footage_deadline_s(
        end_us=2 * 10**12, out_received_us=0, started_us=0, latency_ms=0, wait_s=0.0, now_us=10**12, now_s=0.0
    )
    assert deadline_s == 1_000_000.0
