"""Retention's SQL: what must stay according to the rows, and the deletions with their events.

Order of a deletion: `condemn` (rows and event, COMMIT), unlink, fsync(directory), `executed`. What a crash
leaves in between is in `condemned` and is unlinked at the next check.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from appliance.box.clips.model import is_forgotten
from appliance.box.recordings.model import MEET_US, StoredSegment, note_deleted
from appliance.box.retention.core import (
    FOR_EVER,
    ChannelStretch,
    Doomed,
    Holds,
    OldClip,
    Pin,
    Reason,
    Stretches,
)
from appliance.box.retention.first_seen import FirstSeen
from appliance.box.retention.grace import LimitsRecord
from appliance.domain import footage_wanted
from appliance.kernel import json
from appliance.kernel.clock import HOUR_US, to_rfc3339
from appliance.kernel.rows import UNDO_US
from appliance.kernel.tx import ReadTx, Row, Tx

LEAD_US: Final = HOUR_US  # a mark may be this long before its session's start (HH:MM:SS)
GOP_US: Final = 30 * 1_000_000  # a cut needs the key frame before it; cameras send one every few seconds


def read_holds(tx: ReadTx, guard_us: int) -> Holds:
    """Everything that must stay according to the present rows."""
    latency_us = {
        row["id"]: row["latency_ms"] * 1000 for row in tx.all("SELECT id, latency_ms FROM channels")
    }
    return Holds(
        sessions=Stretches(_sessions(tx, guard_us, latency_us)),
        unfinished=Stretches(_unfinished(tx)),
        wanted=Stretches(ChannelStretch(*each) for each in footage_wanted(tx)),
        pins=_pins(tx),
        condemned=frozenset(left(tx)),
    )


def _sessions(tx: ReadTx, guard_us: int, latency_us: dict[str, int]) -> Iterator[ChannelStretch]:
    """Running sessions, and those that ended less than the guard period ago, on each of their channels."""
    rows = tx.all(
        "SELECT id, actual_start_us, actual_end_us, all_channels FROM sessions WHERE deleted_us IS NULL"
        " AND actual_start_us IS NOT NULL AND (status IN ('active', 'paused') OR actual_end_us > ?)",
        (tx.now_us - guard_us,),
    )
    for row in rows:
        end_us = FOR_EVER if row["actual_end_us"] is None else row["actual_end_us"]
        for channel_id in latency_us if row["all_channels"] else _channels_of(tx, row["id"]):
            late_us = latency_us.get(channel_id, 0)
            yield ChannelStretch(channel_id, row["actual_start_us"] - LEAD_US, end_us + late_us + GOP_US)


def _channels_of(tx: ReadTx, session_id: str) -> list[str]:
    rows = tx.all("SELECT channel_id FROM session_channels WHERE session_id = ?", (session_id,))
    return [row["channel_id"] for row in rows]


def _unfinished(tx: ReadTx) -> Iterator[ChannelStretch]:
    """Clips that are not cut yet, including those without an OUT."""
    rows = tx.all(
        "SELECT channel_id, start_us, duration_us, latency_ms FROM clips"
        " WHERE status IN ('pending', 'processing') AND deleted_us IS NULL"
    )
    for row in rows:
        start_us = row["start_us"] + row["latency_ms"] * 1000
        end_us = start_us + row["duration_us"] + GOP_US if row["duration_us"] else FOR_EVER
        yield ChannelStretch(row["channel_id"], start_us - GOP_US, end_us)


def _pins(tx: ReadTx) -> dict[str, tuple[Pin, ...]]:
    """Plans without a file: needed while a clip plays them, kept for a day after that."""
    rows = tx.all(
        "SELECT recording, pins.clip_id, pins.media_rev,"
        " clips.deleted_us IS NULL AND pins.media_rev IS clips.ready_media_rev AS is_needed"
        " FROM pins JOIN clips ON clips.id = pins.clip_id"
        " JOIN plans ON plans.clip_id = pins.clip_id AND plans.media_rev = pins.media_rev"
        " WHERE coalesce(clips.deleted_us, plans.superseded_us, :now) > :now - :day",
        {"now": tx.now_us, "day": UNDO_US},
    )
    pins: dict[str, tuple[Pin, ...]] = {}
    for row in rows:
        pin = Pin(row["clip_id"], row["media_rev"], bool(row["is_needed"]))
        pins[row["recording"]] = (*pins.get(row["recording"], ()), pin)
    return pins


def read_clips(tx: ReadTx, clip_us: int, guard_us: int, clip_id: str | None = None) -> list[OldClip]:
    """Clips older than clip_days and forgotten ones (or only `clip_id`, if it is one), with the bytes of
    their files."""
    forgotten = is_forgotten()
    rows = tx.all(
        "SELECT clips.id, clips.created_us, clips.mode,"
        f" {forgotten} AS is_forgotten,"
        " clips.is_favorite OR coalesce(plays.is_favorite, 0) AS starred,"
        " sessions.status IN ('active', 'paused') OR sessions.actual_end_us > :guarded AS is_guarded,"
        " (SELECT sum(size) FROM plans WHERE clip_id = clips.id AND file_path IS NOT NULL) AS bytes"
        " FROM clips JOIN sessions ON sessions.id = clips.session_id"
        " LEFT JOIN plays ON plays.id = clips.play_id"
        f" WHERE clips.deleted_us IS NULL AND (clips.created_us <= :old OR {forgotten})"
        + (" AND clips.id = :clip" if clip_id is not None else ""),
        {"old": tx.now_us - clip_us, "guarded": tx.now_us - guard_us}
        | ({"clip": clip_id} if clip_id is not None else {}),
    )
    return [_old_clip(row) for row in rows]


def _old_clip(row: Row) -> OldClip:
    is_kept = row["starred"] or row["mode"] != "instant"  # other modes are exports, made for sharing
    return OldClip(
        clip_id=row["id"],
        created_us=row["created_us"],
        bytes=row["bytes"] or 0,
        is_kept=bool(is_kept),
        is_guarded=bool(row["is_guarded"]),
        is_forgotten=bool(row["is_forgotten"]),
    )


# -- deleting ---------------------------------------------------------------------------------------------


def condemn(tx: Tx, doomed: Sequence[Doomed], guard_us: int) -> list[Doomed]:
    """Journal the deletion of those that may still be deleted; returns them. One event per stretch and
    reason."""
    holds = read_holds(tx, guard_us)
    going = [deletion for deletion in doomed if holds.allow(deletion.segment, deletion.reason)]
    for segment, _ in going:
        tx.insert("condemned", {"recording": segment.name})
        note_deleted(tx, segment)
    going.sort(key=lambda deletion: (deletion.segment.channel_id, deletion.reason, deletion.segment.start_us))
    for (channel_id, reason), group in groupby(
        going, key=lambda deletion: (deletion.segment.channel_id, deletion.reason)
    ):
        _append_deleted_footage(tx, channel_id, reason, [deletion.segment for deletion in group])
    return going


def _append_deleted_footage(
    tx: Tx, channel_id: str, reason: Reason, segments: Sequence[StoredSegment]
) -> None:
    """One event for each stretch without a gap, in capture time."""
    late_us = 1000 * (tx.value("SELECT latency_ms FROM channels WHERE id = ?", (channel_id,)) or 0)
    for stretch in _joined(segments):
        body = {
            "channel_id": channel_id,
            "start": to_rfc3339(stretch[0].start_us - late_us),
            "end": to_rfc3339(max(segment.end_us for segment in stretch) - late_us),
            "bytes": sum(segment.bytes for segment in stretch),
            "segments": len(stretch),
            "reason": reason,
        }
        tx.append("footage_deleted", f"channel:{channel_id}", body)


def _joined(segments: Iterable[StoredSegment]) -> list[list[StoredSegment]]:
    stretches: list[list[StoredSegment]] = []
    for segment in segments:
        if stretches and segment.start_us <= max(each.end_us for each in stretches[-1][-2:]) + MEET_US:
            stretches[-1].append(segment)
        else:
            stretches.append([segment])
    return stretches


def left(tx: ReadTx) -> list[str]:
    """Recordings journaled as deleted that may still be on the disk."""
    return [row["recording"] for row in tx.all("SELECT recording FROM condemned ORDER BY recording")]


def executed(tx: Tx, names: Iterable[str]) -> None:
    """Remove the rows of recordings that are off the disk, durably."""
    for name in names:
        tx.run("DELETE FROM condemned WHERE recording = ?", (name,))


# -- the limits in effect -----------------------------------------------------------------------------------

_LIMITS: Final = "retention_limits"
_MET: Final = "retention_channels"


def read_record(tx: ReadTx) -> LimitsRecord | None:
    """The limits of the last run; None on a box's first start, or if they cannot be read."""
    text = tx.value("SELECT value FROM meta WHERE key = ?", (_LIMITS,))
    if text is None:
        return None
    try:
        return LimitsRecord.from_json(json.decode(str(text).encode()))
    except (KeyError, TypeError, ValueError):
        return None


def read_met(tx: ReadTx) -> FirstSeen | None:
    """The channels whose recordings retention has seen; None before the first check, or if that cannot be
    read."""
    text = tx.value("SELECT value FROM meta WHERE key = ?", (_MET,))
    if text is None:
        return None
    try:
        return FirstSeen.from_json(json.decode(str(text).encode()))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def channels_of_the_file(tx: ReadTx) -> list[str]:
    return [row["id"] for row in tx.all("SELECT id FROM channels WHERE in_config = 1 ORDER BY id")]


def keep_record(tx: Tx, record: LimitsRecord, met: FirstSeen) -> None:
    """Store the limits and the channels for the next start."""
    for key, value in ((_LIMITS, record.to_json()), (_MET, met.to_json())):
        text = json.encode(value).decode()
        tx.run("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, text))
