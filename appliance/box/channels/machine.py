"""The channel's states (V27, V30).

Rules: the API shows three states, but how an error ends depends on its cause, so the table has a row for each
cause, and nothing outside it decides. A sign of life ends a timeout; only the device that reported a fault,
or a person, ends that fault. A heartbeat never activates a channel. `activate` may be repeated: a capture
process sends it each time it starts, also while the box believes that its predecessor is alive. `timeout` and
`footage` are events of the monitor. A cell that stays in its row is legal and no transition.
"""

from __future__ import annotations

from enum import StrEnum

from appliance.kernel.machine import ILLEGAL, Machine


class ChannelState(StrEnum):
    """The stored pair (status, error_cause) as one value."""

    INACTIVE = "inactive"
    ACTIVE = "active"
    TIMED_OUT = "error_timeout"
    FAULTY = "error_reported"


class ChannelEvent(StrEnum):
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"
    TIMEOUT = "timeout"  # no heartbeat, or no footage, for heartbeat.timeout_s
    FAULT = "fault"  # the capture device reports a fault it may recover from
    FATAL_FAULT = "fatal_fault"  # the capture device reports a fault and stops
    HEARTBEAT = "heartbeat"  # of a channel whose liveness is heartbeat
    HEARTBEAT_OK = "heartbeat_ok"  # the same with ok: true
    # ok: true of a channel whose liveness is footage: ends a reported fault, is no sign of life
    REPORT_OK = "report_ok"
    FOOTAGE = "footage"  # new footage of a channel whose liveness is footage


S, E = ChannelState, ChannelEvent

CHANNEL = Machine(
    "channel",
    ChannelState,
    ChannelEvent,
    {
        S.INACTIVE: {
            E.ACTIVATE: S.ACTIVE,
            E.DEACTIVATE: ILLEGAL,
            E.TIMEOUT: ILLEGAL,
            E.FAULT: ILLEGAL,
            E.FATAL_FAULT: ILLEGAL,
            E.HEARTBEAT: S.INACTIVE,
            E.HEARTBEAT_OK: S.INACTIVE,
            E.REPORT_OK: S.INACTIVE,
            E.FOOTAGE: ILLEGAL,
        },
        S.ACTIVE: {
            E.ACTIVATE: S.ACTIVE,
            E.DEACTIVATE: S.INACTIVE,
            E.TIMEOUT: S.TIMED_OUT,
            E.FAULT: S.FAULTY,
            E.FATAL_FAULT: S.INACTIVE,
            E.HEARTBEAT: S.ACTIVE,
            E.HEARTBEAT_OK: S.ACTIVE,
            E.REPORT_OK: S.ACTIVE,
            E.FOOTAGE: S.ACTIVE,
        },
        S.TIMED_OUT: {
            E.ACTIVATE: S.ACTIVE,
            E.DEACTIVATE: S.INACTIVE,
            E.TIMEOUT: ILLEGAL,
            E.FAULT: S.FAULTY,
            E.FATAL_FAULT: S.INACTIVE,
            E.HEARTBEAT: S.ACTIVE,
            E.HEARTBEAT_OK: S.ACTIVE,
            E.REPORT_OK: S.TIMED_OUT,
            E.FOOTAGE: S.ACTIVE,
        },
        S.FAULTY: {
            E.ACTIVATE: S.ACTIVE,
            E.DEACTIVATE: S.INACTIVE,
            E.TIMEOUT: ILLEGAL,
            E.FAULT: S.FAULTY,
            E.FATAL_FAULT: S.INACTIVE,
            E.HEARTBEAT: S.FAULTY,
            E.HEARTBEAT_OK: S.ACTIVE,
            E.REPORT_OK: S.ACTIVE,
            E.FOOTAGE: S.FAULTY,
        },
    },
)

_COLUMNS: dict[ChannelState, tuple[str, str | None]] = {
    S.INACTIVE: ("inactive", None),
    S.ACTIVE: ("active", None),
    S.TIMED_OUT: ("error", "timeout"),
    S.FAULTY: ("error", "reported"),
}
_STATES = {columns: state for state, columns in _COLUMNS.items()}


def columns_of(state: ChannelState) -> tuple[str, str | None]:
    """(status, error_cause) as stored and shown."""
    return _COLUMNS[state]


def state_of(status: str, error_cause: str | None) -> ChannelState:
    """The machine's state of a row."""
    return _STATES[status, error_cause]


def heartbeat_event(liveness: str, *, ok: bool | None) -> ChannelEvent | None:
    """The machine's event for a heartbeat; None: only information."""
    if liveness == "heartbeat":
        return E.HEARTBEAT_OK if ok else E.HEARTBEAT
    return E.REPORT_OK if ok else None
