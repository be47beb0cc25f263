"""The states of a video of an event, as a table. Pure.

Once the job is being logged, its video is locked: only marking it corrupt is possible then.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from appliance.kernel.machine import ILLEGAL, Machine


class SourceState(StrEnum):
    PENDING = "pending"  # known, not yet copied and checked
    ACCEPTED = "accepted"  # usable: a job may be made of it
    LOCKED = "locked"  # its job is being logged, or was
    FAILED = "failed"  # it could not be copied, or its quality is insufficient
    CORRUPT = "corrupt"  # a person found it unusable
    LOST = "lost"  # it is gone before it could be copied


class SourceEvent(StrEnum):
    ACCEPT = "accept"
    FAIL = "fail"
    LOSE = "lose"
    LOCK = "lock"
    CORRUPT = "corrupt"


_S, _E = SourceState, SourceEvent

SOURCE: Final = Machine(
    "video source",
    SourceState,
    SourceEvent,
    {
        _S.PENDING: {
            _E.ACCEPT: _S.ACCEPTED,
            _E.FAIL: _S.FAILED,
            _E.LOSE: _S.LOST,
            _E.LOCK: ILLEGAL,
            _E.CORRUPT: _S.CORRUPT,
        },
        _S.ACCEPTED: {
            _E.ACCEPT: ILLEGAL,
            _E.FAIL: ILLEGAL,
            _E.LOSE: ILLEGAL,
            _E.LOCK: _S.LOCKED,
            _E.CORRUPT: _S.CORRUPT,
        },
        _S.LOCKED: {
            _E.ACCEPT: ILLEGAL,
            _E.FAIL: ILLEGAL,
            _E.LOSE: ILLEGAL,
            _E.LOCK: _S.LOCKED,
            _E.CORRUPT: _S.CORRUPT,
        },
        _S.FAILED: {
            _E.ACCEPT: _S.ACCEPTED,
            _E.FAIL: ILLEGAL,
            _E.LOSE: _S.LOST,
            _E.LOCK: ILLEGAL,
            _E.CORRUPT: _S.CORRUPT,
        },
        _S.CORRUPT: dict.fromkeys(SourceEvent, ILLEGAL),
        _S.LOST: dict.fromkeys(SourceEvent, ILLEGAL),
    },
)

USABLE: Final = (SourceState.ACCEPTED, SourceState.LOCKED)
