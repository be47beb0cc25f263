"""The recordings' part of the journal: gaps. There is no table: footage is on the disk, the index computes
the rest.

Owns: the recording_gap event. Must not know: how a gap is detected.
"""

from __future__ import annotations

from typing import Any

from appliance.box.recordings.model import RecordingGap
from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.tx import Tx

_LOOK_BACK = 5000  # entries: a restarted daemon may detect a gap again that was journaled minutes ago


def journal_gap(tx: Tx, gap: RecordingGap) -> bool:
    """One recording_gap entry; False when this gap was journaled already or the channel does not exist."""
    if tx.one("SELECT 1 AS found FROM channels WHERE id = ?", (gap.channel_id,)) is None:
        return False
    body: dict[str, Any] = {
        "channel_id": gap.channel_id,
        "start": to_rfc3339(gap.start_us),
        "end": optional_rfc3339(gap.end_us),
        "reason": gap.reason,
    }
    subject = f"channel:{gap.channel_id}"
    journaled = tx.value(
        "SELECT count(*) FROM journal WHERE seq > ? AND type = 'recording_gap' AND subject = ?"
        " AND body ->> 'start' = ? AND body ->> 'end' IS ?",
        (tx.head() - _LOOK_BACK, subject, body["start"], body["end"]),
    )
    if journaled:
        return False
    tx.append("recording_gap", subject, body)
    return True
