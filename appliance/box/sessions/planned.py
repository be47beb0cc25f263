"""Sessions made from events of the cloud.

A session is made once for an event: one that was deleted does not come back. An event that is cancelled or
moved elsewhere never deletes a session; a new start moves one that still has the old one and has not begun.
"""

from __future__ import annotations

from typing import Final

from appliance.box.sessions.machine import SessionState
from appliance.box.sessions.model import PlannedSession, SessionIn, SessionPatch
from appliance.box.sessions.store import change_session, create_session
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.operation import Caller
from appliance.kernel.tx import Tx

CLOUD: Final = "cloud"
"""`created_by` of these sessions."""
_CALLER: Final = Caller(CLOUD)


def plan_session(tx: Tx, planned: PlannedSession) -> bool:
    """Make the session of an event, or move it; False: there is nothing to do."""
    rows = tx.all("SELECT * FROM sessions WHERE event_id = ?", (planned.event_id,))
    start = {"scheduled_start": to_rfc3339(planned.start_us)}
    if not rows:
        named = {"name": planned.name, "location": planned.location, "season": planned.season}
        body = {**named, **start, "type": "game", "event_id": planned.event_id}
        create_session(tx, _CALLER, SessionIn.model_validate(body))
        return True
    for row in rows if planned.moved_from_us is not None else ():
        is_untouched = row["deleted_us"] is None and row["created_by"] == CLOUD
        is_ahead = row["status"] == SessionState.SCHEDULED
        if is_untouched and is_ahead and row["scheduled_start_us"] == planned.moved_from_us:
            change_session(tx, _CALLER, row["id"], SessionPatch.model_validate(start))
            return True
    return False
