"""Which events become sessions (`[cloud] sessions_from_events`). Pure."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError

from appliance.box.sessions.model import PlannedSession
from appliance.box.sync.down.model import Event
from appliance.kernel.clock import HOUR_US

SCHEDULED: Final = "scheduled"
PAST_US: Final = 6 * HOUR_US  # a game that began so long ago is over
_NAME_MAX, _SEASON_MAX = 90, 32


def planned_of(event: dict[str, Any], before: dict[str, Any] | None, now_us: int) -> PlannedSession | None:
    """The session that is to be made of an event, or moved; None: it is cancelled, over or has no time."""
    try:
        now, old = Event.model_validate(event), Event.model_validate(before) if before else None
    except ValidationError:  # stored by a release that read less of it
        return None
    if now.kickoff is None or now.status != SCHEDULED or now.kickoff < now_us - PAST_US:
        return None
    return PlannedSession(
        event_id=now.id,
        name=f"{now.home.name[:_NAME_MAX]} v {now.away.name[:_NAME_MAX]}",
        location=now.venue,
        season=now.season if len(now.season) <= _SEASON_MAX else None,
        start_us=now.kickoff,
        moved_from_us=None if old is None or old.kickoff == now.kickoff else old.kickoff,
    )
