"""The states of a job, as a table. Pure.

A job that goes back to the queue keeps its data. A job that was logged or has failed is over: a later video
makes a new one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from appliance.kernel.machine import ILLEGAL, Machine


class JobState(StrEnum):
    QUEUED = "queued"
    ASSIGNED = "assigned"  # to a logger, who has not begun
    REVIEWING = "reviewing"  # the logger looks at the quality of the video
    LOGGING = "logging"
    LOGGED = "logged"
    FAILED = "failed"


class JobEvent(StrEnum):
    ASSIGN = "assign"  # by the queue
    ACCEPT = "accept"  # by a logger, who takes a waiting job or confirms one that the queue assigned
    REVIEW = "review"
    START = "start"
    SKIP = "skip"
    EXPIRE = "expire"  # its logger's lease has ended
    REASSIGN = "reassign"  # by a manager
    FAIL = "fail"  # the logger finds the video insufficient
    COMPLETE = "complete"
    LOSE_SOURCE = "lose_source"  # its video was marked corrupt, and there is no other


_S, _E = JobState, JobEvent
_OVER: Final = dict.fromkeys(JobEvent, ILLEGAL)

JOB: Final = Machine(
    "job",
    JobState,
    JobEvent,
    {
        _S.QUEUED: {
            _E.ASSIGN: _S.ASSIGNED,
            _E.ACCEPT: _S.ASSIGNED,
            _E.REVIEW: ILLEGAL,
            _E.START: ILLEGAL,
            _E.SKIP: ILLEGAL,
            _E.EXPIRE: ILLEGAL,
            _E.REASSIGN: _S.ASSIGNED,
            _E.FAIL: ILLEGAL,
            _E.COMPLETE: ILLEGAL,
            _E.LOSE_SOURCE: _S.FAILED,
        },
        _S.ASSIGNED: {
            _E.ASSIGN: ILLEGAL,
            _E.ACCEPT: _S.ASSIGNED,
            _E.REVIEW: _S.REVIEWING,
            _E.START: ILLEGAL,
            _E.SKIP: _S.QUEUED,
            _E.EXPIRE: _S.QUEUED,
            _E.REASSIGN: _S.ASSIGNED,
            _E.FAIL: ILLEGAL,
            _E.COMPLETE: ILLEGAL,
            _E.LOSE_SOURCE: _S.FAILED,
        },
        _S.REVIEWING: {
            _E.ASSIGN: ILLEGAL,
            _E.ACCEPT: ILLEGAL,
            _E.REVIEW: ILLEGAL,
            _E.START: _S.LOGGING,
            _E.SKIP: _S.QUEUED,
            _E.EXPIRE: _S.QUEUED,
            _E.REASSIGN: _S.ASSIGNED,
            _E.FAIL: _S.FAILED,
            _E.COMPLETE: ILLEGAL,
            _E.LOSE_SOURCE: _S.FAILED,
        },
        _S.LOGGING: {
            _E.ASSIGN: ILLEGAL,
            _E.ACCEPT: ILLEGAL,
            _E.REVIEW: ILLEGAL,
            _E.START: ILLEGAL,
            _E.SKIP: _S.QUEUED,
            _E.EXPIRE: _S.QUEUED,
            _E.REASSIGN: _S.ASSIGNED,
            _E.FAIL: _S.FAILED,
            _E.COMPLETE: _S.LOGGED,
            _E.LOSE_SOURCE: _S.FAILED,
        },
        _S.LOGGED: {**_OVER},
        _S.FAILED: {**_OVER},
    },
)

HELD: Final = (JobState.ASSIGNED, JobState.REVIEWING, JobState.LOGGING)
"""States in which the job is a logger's, under a lease."""
OPEN: Final = (JobState.QUEUED, *HELD)
"""States of which an event has one job at most."""
