"""The session's states (V28).

Rules: a session starts once; `complete` is legal from active and from paused (the requirement's diagram has
it from paused only, but its flow completes an active game); a completed session is opened again only by the
explicit `reopen`, never by an implicit start. Marks are accepted in every state and are no event of this
machine.
"""

from __future__ import annotations

from enum import StrEnum

from appliance.kernel.machine import ILLEGAL, Machine


class SessionState(StrEnum):
    SCHEDULED = "scheduled"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"


class SessionEvent(StrEnum):
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    COMPLETE = "complete"
    REOPEN = "reopen"


S, E = SessionState, SessionEvent

SESSION = Machine(
    "session",
    SessionState,
    SessionEvent,
    {
        S.SCHEDULED: {
            E.START: S.ACTIVE,
            E.PAUSE: ILLEGAL,
            E.RESUME: ILLEGAL,
            E.COMPLETE: ILLEGAL,
            E.REOPEN: ILLEGAL,
        },
        S.ACTIVE: {
            E.START: ILLEGAL,
            E.PAUSE: S.PAUSED,
            E.RESUME: ILLEGAL,
            E.COMPLETE: S.COMPLETED,
            E.REOPEN: ILLEGAL,
        },
        S.PAUSED: {
            E.START: ILLEGAL,
            E.PAUSE: ILLEGAL,
            E.RESUME: S.ACTIVE,
            E.COMPLETE: S.COMPLETED,
            E.REOPEN: ILLEGAL,
        },
        S.COMPLETED: {
            E.START: ILLEGAL,
            E.PAUSE: ILLEGAL,
            E.RESUME: ILLEGAL,
            E.COMPLETE: ILLEGAL,
            E.REOPEN: S.ACTIVE,
        },
    },
)

# The journal's event type for each transition.
SESSION_EVENT_TYPE = {
    E.START: "session_start",
    E.PAUSE: "session_paused",
    E.RESUME: "session_resumed",
    E.COMPLETE: "session_end",
    E.REOPEN: "session_reopened",
}
