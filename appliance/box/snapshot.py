"""GET /snapshot: the initial state of a client, read in one transaction.

Part of the composition root: the one place that shows every domain's resources together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from appliance.box.domains import resources
from appliance.kernel.clock import DAY_US
from appliance.kernel.tx import ReadTx

TOUCHED_US = DAY_US
_CURRENT = (
    "session_id IN (SELECT id FROM sessions WHERE deleted_us IS NULL AND"
    " (status IN ('active', 'paused') OR updated_us > :since OR"
    " id IN (SELECT session_id FROM clips WHERE updated_us > :since)))"
)


def snapshot(tx: ReadTx, give_way: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """All channels and sessions; plays, clips and other rows of sessions, of those that are active, paused or
    were changed within 24 h. The caller adds as_of_seq and epoch. `give_way` is called between two rows."""
    since = {"since": tx.now_us - TOUCHED_US}
    shown: dict[str, Any] = {}
    for each in resources():
        current = f" AND {_CURRENT}" if each.of_session else ""
        rows = tx.all(
            f"SELECT * FROM {each.table} WHERE {each.present}{current} ORDER BY {each.order}, id",
            since if each.of_session else {},
        )
        shown[each.table] = shown_rows = []
        for row in rows:
            give_way()
            shown_rows.append(each.resource(tx, row))
    return shown
