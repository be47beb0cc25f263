"""The limit of open marks: forgotten ones must not fill the box, and no coach is to notice the limit.

Owns: the limits. A device (the `client=` of a request, until pairing exists) may have `[clips] max_open` open
marks; a channel four times as many. Marks that arrive late, from a tablet that was offline, have their OUT
behind them in its queue and are not refused: for them the limits are 20 times as high.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from appliance.box.clips.settings import ClipsSettings
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Caller
from appliance.kernel.tx import ReadTx

CHANNEL_FACTOR = 4
LATE_US = 30_000_000  # a mark that begins further back was made offline
LATE_FACTOR = 20
FEW = 5  # other devices have filled the channel: one with fewer open marks than this may still mark

_OPEN = "duration_us = 0 AND deleted_us IS NULL"


def refuse_too_many(
    tx: ReadTx, clips: ClipsSettings, caller: Caller, start_us: int, channel_ids: Sequence[str]
) -> None:
    """Raises Refused 409 `too_many_open` when another open mark would exceed a limit."""
    limit = clips.max_open * (LATE_FACTOR if start_us < tx.now_us - LATE_US else 1)
    mine = int(
        tx.value(
            f"SELECT (SELECT count(*) FROM plays WHERE {_OPEN} AND created_by = :device)"
            f" + (SELECT count(*) FROM clips WHERE {_OPEN} AND play_id IS NULL AND created_by = :device)",
            {"device": caller.device},
        )
    )
    if mine >= limit:
        raise _too_many(clips, f"{caller.device} has {mine} open marks", limit, device=caller.device)
    if mine < FEW:
        return
    for channel_id in channel_ids:
        there = int(tx.value(f"SELECT count(*) FROM clips WHERE {_OPEN} AND channel_id = ?", (channel_id,)))
        if there >= limit * CHANNEL_FACTOR:
            detail = f"{channel_id} has {there} open marks"
            raise _too_many(clips, detail, limit * CHANNEL_FACTOR, channel_id=channel_id)


def _too_many(clips: ClipsSettings, detail: str, limit: int, **of: Any) -> Refused:
    return Refused(
        409,
        "too_many_open",
        f"{detail}, and {limit} is the limit",
        f"end or delete some of them; the box ends each {clips.max_duration_s:g} s after it was made",
        extra={"limit": limit, **of},
    )
