"""Numbers of cuts: a media_rev names the same bytes forever, also after a restore from an older copy.

What was cut after that copy was made is not known, but tablets keep it under its URL. So every cut after a
restore, the first of a clip too (a tablet may send an IN again that the copy lacks), has a number beyond the
floor that the restore has set.
"""

from __future__ import annotations

from appliance.kernel.tx import Row, Tx


def first_media_rev(tx: Tx) -> int:
    """The least number a cut may have now: 1 in a database that was never restored."""
    return tx.floor + 1


def next_media_rev(tx: Tx, row: Row) -> int:
    """Of the clip's next cut."""
    return max(int(row["media_rev"]) + 1, first_media_rev(tx))
