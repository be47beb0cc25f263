"""Which recordings are kept for a Local Copy until it is up, or until its time is over. SQL, read only.

They are kept from their age alone: space that runs out goes first, and what was deleted is a loss (store.py).
"""

from __future__ import annotations

from typing import Final

from appliance.box.sync.media.store import OPEN
from appliance.kernel.tx import ReadTx

KEY_US: Final = 30 * 1_000_000  # a file begins at a key picture; cameras send one every few seconds


def pinned_footage(tx: ReadTx) -> list[tuple[str, int, int]]:
    """What Local Copies that are not up yet are made of: (channel id, from, until), wall time in us."""
    sql = (
        "SELECT media_uploads.channel_id, sessions.actual_start_us, sessions.actual_end_us,"
        " coalesce(channels.latency_ms, 0) * 1000 AS latency_us FROM media_uploads"
        " JOIN sessions ON sessions.id = media_uploads.session_id"
        " LEFT JOIN channels ON channels.id = media_uploads.channel_id"
        " WHERE media_uploads.kind = 'local_copy' AND media_uploads.state IN (?, ?, ?)"
        " AND media_uploads.pinned_until_us > ? AND sessions.actual_end_us IS NOT NULL"
        " AND sessions.actual_start_us IS NOT NULL"
    )
    return [
        (
            row["channel_id"],
            row["actual_start_us"] + row["latency_us"] - KEY_US,
            row["actual_end_us"] + row["latency_us"] + KEY_US,
        )
        for row in tx.all(sql, (*OPEN, tx.now_us))
    ]
