"""The clip's states (V29).

Rules: a ghost is a pending clip that waits for OUT. `recut` is a new cut of an ended clip (a trim, or late
footage): it restarts from every state, and the previous cut can be played until the new one is ready. `lost`
means a power cut destroyed bytes of a ready clip. `crash` is the event, at startup, of a job that was
running; `give_up` ends a clip whose job crashed the box three times. `put_back` is a job that stops without
an error of its own: the box is stopped while it encodes, or no worker answers.
"""

from __future__ import annotations

from enum import StrEnum

from appliance.kernel.machine import ILLEGAL, Machine


class ClipState(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


class ClipEvent(StrEnum):
    CLAIM = "claim"
    FINISH = "finish"
    FAIL = "fail"
    RETRY = "retry"
    RECUT = "recut"
    LOST = "lost"
    CRASH = "crash"
    GIVE_UP = "give_up"
    PUT_BACK = "put_back"


S, E = ClipState, ClipEvent

CLIP = Machine(
    "clip",
    ClipState,
    ClipEvent,
    {
        S.PENDING: {
            E.CLAIM: S.PROCESSING,
            E.FINISH: ILLEGAL,
            E.FAIL: ILLEGAL,
            E.RETRY: ILLEGAL,
            E.RECUT: S.PENDING,
            E.LOST: ILLEGAL,
            E.CRASH: ILLEGAL,
            E.GIVE_UP: S.FAILED,
            E.PUT_BACK: ILLEGAL,
        },
        S.PROCESSING: {
            E.CLAIM: ILLEGAL,
            E.FINISH: S.READY,
            E.FAIL: S.FAILED,
            E.RETRY: ILLEGAL,
            E.RECUT: S.PENDING,
            E.LOST: ILLEGAL,
            E.CRASH: S.PENDING,
            E.GIVE_UP: ILLEGAL,
            E.PUT_BACK: S.PENDING,
        },
        S.READY: {
            E.CLAIM: ILLEGAL,
            E.FINISH: ILLEGAL,
            E.FAIL: ILLEGAL,
            E.RETRY: ILLEGAL,
            E.RECUT: S.PENDING,
            E.LOST: S.PENDING,
            E.CRASH: ILLEGAL,
            E.GIVE_UP: ILLEGAL,
            E.PUT_BACK: ILLEGAL,
        },
        S.FAILED: {
            E.CLAIM: ILLEGAL,
            E.FINISH: ILLEGAL,
            E.FAIL: ILLEGAL,
            E.RETRY: S.PENDING,
            E.RECUT: S.PENDING,
            E.LOST: ILLEGAL,
            E.CRASH: ILLEGAL,
            E.GIVE_UP: ILLEGAL,
            E.PUT_BACK: ILLEGAL,
        },
    },
)
