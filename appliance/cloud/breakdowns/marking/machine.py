"""How far the logging of an event is, as a table. Pure.

Once a job was assigned (`in_progress`) the marking stays as it is: rules, teams and season may change, what
is logged does not. After a failed job it waits for another video, and the marking still stays.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from appliance.kernel.machine import ILLEGAL, Machine


class LoggingState(StrEnum):
    UNMARKED = "unmarked"  # not to be logged; the reason says why
    AWAITING_SOURCE = "awaiting_source"  # to be logged; no usable video yet
    QUEUED = "queued"  # a job waits for its first logger
    IN_PROGRESS = "in_progress"  # a job was assigned and is open, also while it is back in the queue
    AWAITING_REUPLOAD = "awaiting_reupload"  # the job failed: another video is needed
    LOGGED = "logged"


class LoggingEvent(StrEnum):
    MARK = "mark"
    UNMARK = "unmark"
    QUEUE = "queue"  # a job was made
    ASSIGN = "assign"
    FAIL = "fail"  # the job failed, or its video turned out to be corrupt
    COMPLETE = "complete"


_S, _E = LoggingState, LoggingEvent

LOGGING: Final = Machine(
    "event's logging",
    LoggingState,
    LoggingEvent,
    {
        _S.UNMARKED: {
            _E.MARK: _S.AWAITING_SOURCE,
            _E.UNMARK: _S.UNMARKED,
            _E.QUEUE: ILLEGAL,
            _E.ASSIGN: ILLEGAL,
            _E.FAIL: ILLEGAL,
            _E.COMPLETE: ILLEGAL,
        },
        _S.AWAITING_SOURCE: {
            _E.MARK: _S.AWAITING_SOURCE,
            _E.UNMARK: _S.UNMARKED,
            _E.QUEUE: _S.QUEUED,
            _E.ASSIGN: ILLEGAL,
            _E.FAIL: ILLEGAL,
            _E.COMPLETE: ILLEGAL,
        },
        _S.QUEUED: {
            _E.MARK: _S.QUEUED,
            _E.UNMARK: _S.UNMARKED,
            _E.QUEUE: ILLEGAL,
            _E.ASSIGN: _S.IN_PROGRESS,
            _E.FAIL: _S.AWAITING_SOURCE,
            _E.COMPLETE: ILLEGAL,
        },
        _S.IN_PROGRESS: {
            _E.MARK: ILLEGAL,
            _E.UNMARK: ILLEGAL,
            _E.QUEUE: ILLEGAL,
            _E.ASSIGN: _S.IN_PROGRESS,
            _E.FAIL: _S.AWAITING_REUPLOAD,
            _E.COMPLETE: _S.LOGGED,
        },
        _S.AWAITING_REUPLOAD: {
            _E.MARK: ILLEGAL,
            _E.UNMARK: ILLEGAL,
            _E.QUEUE: _S.IN_PROGRESS,
            _E.ASSIGN: ILLEGAL,
            _E.FAIL: ILLEGAL,
            _E.COMPLETE: ILLEGAL,
        },
        _S.LOGGED: {
            _E.MARK: ILLEGAL,
            _E.UNMARK: ILLEGAL,
            _E.QUEUE: _S.IN_PROGRESS,  # its video was marked corrupt, and another one is usable
            _E.ASSIGN: ILLEGAL,
            _E.FAIL: ILLEGAL,
            _E.COMPLETE: ILLEGAL,
        },
    },
)


def is_decided(state: LoggingState) -> bool:
    """Whether the marking stays whatever changes: a job was assigned."""
    return LoggingEvent.MARK not in LOGGING.allowed(state)


def takes_a_job(state: LoggingState) -> bool:
    """Whether a job may be made for the event once it has a usable video."""
    return LoggingEvent.QUEUE in LOGGING.allowed(state)
