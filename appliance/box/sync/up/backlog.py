"""What is still to be sent: entries, bytes, age of the oldest.

Owns: an estimate that costs the same for ten entries and for a million: the mean size of the next entries,
times their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from appliance.kernel.tx import ReadTx

_SAMPLE: Final = 200


@dataclass(frozen=True, slots=True)
class Backlog:
    """`oldest_us`: box time of the oldest entry that was not sent; None: all were."""

    entries: int = 0
    bytes: int = 0
    oldest_us: int | None = None


def measure(tx: ReadTx, acked: int) -> Backlog:
    """Of the entries past `acked`."""
    sql = "SELECT ts_us, length(body) AS size FROM journal WHERE seq > ? ORDER BY seq LIMIT ?"
    rows = tx.all(sql, (acked, _SAMPLE))
    if not rows:
        return Backlog()
    entries = tx.head() - acked
    mean = sum(row["size"] for row in rows) / len(rows)
    return Backlog(entries, round(mean * entries), rows[0]["ts_us"])
