"""The states of a job."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cloud.breakdowns.queue.machine import HELD, JOB, OPEN, JobEvent, JobState
from appliance.kernel.errors import Refused

S, E = JobState, JobEvent


def test_the_states_are_those_of_the_document() -> None:  # L17
    assert [str(state) for state in S] == ["queued", "assigned", "reviewing", "logging", "logged", "failed"]
    state = S.QUEUED
    for event, after in (
        (E.ASSIGN, S.ASSIGNED),
        (E.ACCEPT, S.ASSIGNED),
        (E.REVIEW, S.REVIEWING),
        (E.START, S.LOGGING),
        (E.COMPLETE, S.LOGGED),
    ):
        state = JOB.next(state, event)
        assert state is after


@pytest.mark.parametrize("event", [E.SKIP, E.EXPIRE])
def test_what_a_logger_gives_back_waits_again(event: JobEvent) -> None:
    assert [JOB.next(state, event) for state in HELD] == [S.QUEUED] * 3
    for state in set(S) - set(HELD):
        with pytest.raises(Refused):
            JOB.next(state, event)


def test_a_job_fails_only_once_its_video_was_seen() -> None:  # L16
    assert {state for state in S if E.FAIL in JOB.allowed(state)} == {S.REVIEWING, S.LOGGING}


def test_logging_begins_after_a_review_alone() -> None:  # L16 L17
    assert {state for state in S if E.START in JOB.allowed(state)} == {S.REVIEWING}
    assert {state for state in S if E.COMPLETE in JOB.allowed(state)} == {S.LOGGING}


@given(st.lists(st.sampled_from(list(JobEvent)), max_size=30))
def test_a_job_that_is_over_stays_as_it_is(events: list[JobEvent]) -> None:
    """No path leads out of logged or failed: a logged job is never given to another logger."""
    state = S.QUEUED
    for event in events:
        if event not in JOB.allowed(state):
            continue
        assert state in OPEN
        state = JOB.next(state, event)
    assert (state in OPEN) == bool(JOB.allowed(state))
