"""The states of a file on its way to the cloud.

Rules: its bytes are fixed once, when it is planned; they are lost when a recording of them is gone, which
nothing mends. A file that the cloud could not use may be asked for again.
"""

from __future__ import annotations

from enum import StrEnum

from appliance.kernel.machine import ILLEGAL, Machine


class MediaState(StrEnum):
    ASKED = "asked"
    PLANNED = "planned"
    SENT = "sent"
    UP = "up"
    FAILED = "failed"
    LOST = "lost"


class MediaEvent(StrEnum):
    PLAN = "plan"
    SEND = "send"
    CONFIRM = "confirm"
    FAIL = "fail"
    LOSE = "lose"
    ASK = "ask"


S, E = MediaState, MediaEvent

MEDIA = Machine(
    "media upload",
    MediaState,
    MediaEvent,
    {
        S.ASKED: {
            E.PLAN: S.PLANNED,
            E.SEND: ILLEGAL,
            E.CONFIRM: ILLEGAL,
            E.FAIL: S.FAILED,
            E.LOSE: S.LOST,
            E.ASK: S.ASKED,
        },
        S.PLANNED: {
            E.PLAN: ILLEGAL,
            E.SEND: S.SENT,
            E.CONFIRM: S.UP,
            E.FAIL: S.FAILED,
            E.LOSE: S.LOST,
            E.ASK: S.PLANNED,
        },
        S.SENT: {
            E.PLAN: ILLEGAL,
            E.SEND: ILLEGAL,
            E.CONFIRM: S.UP,
            E.FAIL: S.FAILED,
            E.LOSE: ILLEGAL,
            E.ASK: S.PLANNED,  # the cloud has lost it: it is sent again
        },
        S.UP: {
            E.PLAN: ILLEGAL,
            E.SEND: ILLEGAL,
            E.CONFIRM: ILLEGAL,
            E.FAIL: ILLEGAL,
            E.LOSE: ILLEGAL,
            E.ASK: S.UP,
        },
        S.FAILED: {
            E.PLAN: ILLEGAL,
            E.SEND: ILLEGAL,
            E.CONFIRM: ILLEGAL,
            E.FAIL: ILLEGAL,
            E.LOSE: ILLEGAL,
            E.ASK: S.ASKED,
        },
        S.LOST: {
            E.PLAN: ILLEGAL,
            E.SEND: ILLEGAL,
            E.CONFIRM: ILLEGAL,
            E.FAIL: ILLEGAL,
            E.LOSE: ILLEGAL,
            E.ASK: S.ASKED,
        },
    },
)
