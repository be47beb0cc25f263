"""The files of one channel on the disk, and how fast they grow: for retention.

Owns: summarising a channel's index. Used on the trio thread only. Must not know: who deletes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from appliance.box.recordings.channel.channel_index import ChannelIndex
from appliance.box.recordings.model import StoredSegment
from appliance.box.recordings.segment_state import Segment

# A file that was not written for this long is no longer being recorded, even if its recorder was killed
# before it could close it.
# before it could close it.
ABANDONED_US: Final = 3600 * 1_000_000
YOUNG_US: Final = 60 * 1_000_000  # a file just found may be one that is being written
RATE_US: Final = 5 * 60 * 1_000_000
RATE_FILES: Final = 100  # of 2 s, the shortest: more than three minutes


def stored_segments(channel: ChannelIndex, now_us: int) -> Iterator[StoredSegment]:
    """Every file, oldest first."""
    for segment in reversed(channel.newest_first()):
        yield _stored(channel, segment, now_us)


def _stored(channel: ChannelIndex, segment: Segment, now_us: int) -> StoredSegment:
    entry = channel.entry(segment)
    start_us = segment.written_us if entry.start_us is None else entry.start_us
    idle_us = now_us - segment.written_us
    return StoredSegment(
        channel_id=channel.id,
        name=f"{channel.id}/{segment.name}",
        start_us=start_us,
        end_us=max(start_us, _end_us(segment, start_us) if entry.end_us is None else entry.end_us),
        written_us=segment.written_us,
        bytes=segment.bytes,
        is_growing=idle_us < (ABANDONED_US if segment.is_open else YOUNG_US),
    )


def _end_us(segment: Segment, start_us: int) -> int:
    """For a file that is not walked yet the last write is the best estimate; one without video shows
    nothing."""
    return segment.written_us if segment.facts is None else start_us


def bytes_per_s(channel: ChannelIndex, now_us: int) -> float:
    """Over the last minutes of footage; 0.0 when nothing was written for a minute."""
    written = span_us = 0
    newest_us: int | None = None
    for segment in channel.newest_first()[:RATE_FILES]:
        stored = _stored(channel, segment, now_us)
        if stored.end_us == stored.start_us:
            continue
        if newest_us is None:
            newest_us = stored.end_us
            if now_us - segment.written_us > YOUNG_US:
                return 0.0
        if stored.end_us < newest_us - RATE_US:
            break
        written += stored.bytes
        span_us += stored.end_us - stored.start_us
    return written * 1e6 / span_us if span_us else 0.0
