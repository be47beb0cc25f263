"""The states of an event's logging."""

from __future__ import annotations

import pytest

from appliance.cloud.breakdowns.marking.machine import (
    LOGGING,
    LoggingEvent,
    LoggingState,
    is_decided,
    takes_a_job,
)
from appliance.kernel.errors import Refused

S, E = LoggingState, LoggingEvent


def test_an_event_goes_from_its_rule_to_its_end() -> None:
    state = S.UNMARKED
    passed = []
    for event in (E.MARK, E.QUEUE, E.ASSIGN, E.FAIL, E.QUEUE, E.ASSIGN, E.COMPLETE):
        state = LOGGING.next(state, event)
        passed.append(str(state))
    assert passed == [
        "awaiting_source",
        "queued",
        "in_progress",
        "awaiting_reupload",
        "in_progress",
        "in_progress",
        "logged",
    ]


def test_the_marking_stays_once_a_job_was_assigned() -> None:  # L06
    decided = {state for state in S if is_decided(state)}
    assert decided == {S.IN_PROGRESS, S.AWAITING_REUPLOAD, S.LOGGED}
    for state in decided:
        for event in (E.MARK, E.UNMARK):
            with pytest.raises(Refused):
                LOGGING.next(state, event)


def test_a_job_needs_a_marked_event_without_one() -> None:  # L12
    assert {state for state in S if takes_a_job(state)} == {S.AWAITING_SOURCE, S.AWAITING_REUPLOAD, S.LOGGED}


def test_a_video_that_is_lost_before_the_first_logger_leaves_the_marking_open() -> None:
    assert LOGGING.next(S.QUEUED, E.FAIL) is S.AWAITING_SOURCE
