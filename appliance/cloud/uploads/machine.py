"""The states of an upload.

Rules: bytes are taken while it is receiving; with the last one it is joining, and nothing but the join ends
that. What has ended stays as it is. A complete upload cannot be deleted: its file belongs to what it was
sent for.
"""

from __future__ import annotations

from enum import StrEnum

from appliance.kernel.machine import ILLEGAL, Machine


class UploadState(StrEnum):
    RECEIVING = "receiving"
    JOINING = "joining"
    COMPLETE = "complete"
    FAILED = "failed"
    EXPIRED = "expired"
    DELETED = "deleted"


class UploadEvent(StrEnum):
    FILL = "fill"
    JOIN = "join"
    FAIL = "fail"
    EXPIRE = "expire"
    DELETE = "delete"


S, E = UploadState, UploadEvent

_ENDED = {E.FILL: ILLEGAL, E.JOIN: ILLEGAL, E.FAIL: ILLEGAL, E.EXPIRE: ILLEGAL, E.DELETE: ILLEGAL}

UPLOAD = Machine(
    "upload",
    UploadState,
    UploadEvent,
    {
        S.RECEIVING: {
            E.FILL: S.JOINING,
            E.JOIN: ILLEGAL,
            E.FAIL: ILLEGAL,
            E.EXPIRE: S.EXPIRED,
            E.DELETE: S.DELETED,
        },
        S.JOINING: {
            E.FILL: ILLEGAL,
            E.JOIN: S.COMPLETE,
            E.FAIL: S.FAILED,
            E.EXPIRE: ILLEGAL,
            E.DELETE: ILLEGAL,
        },
        S.COMPLETE: _ENDED,
        S.FAILED: {**_ENDED, E.DELETE: S.DELETED},
        S.EXPIRED: _ENDED,
        S.DELETED: _ENDED,
    },
)
