"""GET /snapshot: the initial state of a client, read in one transaction.

Part of the composition root: the one place that shows every domain's resources together.
"""

from __future__ import annotations

from typing import Any

from appliance.box.channels.model import channel_resource
from appliance.box.clips.records.rows import clip_resource, play_resource
from appliance.box.domains import resources
from appliance.box.sessions.store import session_resource
from appliance.kernel.clock import DAY_US
from appliance.kernel.tx import ReadTx

TOUCHED_US = DAY_US
_CURRENT = (
    "session_id IN (SELECT id FROM sessions WHERE deleted_us IS NULL AND"
    " (status IN ('active', 'paused') OR updated_us > :since OR"
    " id IN (SELECT session_id FROM clips WHERE updated_us > :since)))"
)


def snapshot(tx: ReadTx) -> dict[str, Any]:
    """All channels and sessions; plays, clips and rows of other domains, of sessions that are active, paused
    or were changed within 24 h. The caller adds as_of_seq and epoch."""
    since = {"since": tx.now_us - TOUCHED_US}
    channels = tx.all("SELECT * FROM channels WHERE archived_us IS NULL ORDER BY id")
    sessions = tx.all("SELECT * FROM sessions WHERE deleted_us IS NULL ORDER BY created_us, id")
    current = f"WHERE deleted_us IS NULL AND {_CURRENT}"
    plays = tx.all(f"SELECT * FROM plays {current} ORDER BY start_us, id", since)
    clips = tx.all(f"SELECT * FROM clips {current} ORDER BY start_us, id", since)
    others = {
        each.table: tx.all(f"SELECT * FROM {each.table} {current} ORDER BY {each.order}, id", since)
        for each in resources()
    }
    return {
        "channels": [channel_resource(row) for row in channels],
        "sessions": [session_resource(tx, row) for row in sessions],
        "plays": [play_resource(tx, row) for row in plays],
        "clips": [clip_resource(tx, row) for row in clips],
        **{each.table: [each.resource(tx, row) for row in others[each.table]] for each in resources()},
    }
