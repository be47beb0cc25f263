"""Whether a span of wall time still shows the footage a clip was cut from, and a key that changes with it.

Owns: comparing media times of runs with the footage the index shows. Must not know: clips, plans.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from appliance.media.index.spans import Span, Standing, TimelineCoverage

if TYPE_CHECKING:
    from appliance.box.recordings.channel.channel_index import ChannelIndex

_NEAR_US: Final = 50_000  # files placed again move by more (clocks/placement.py); edges of runs by less
MediaSpan = tuple[str, int, int]
"""(run, start ns, end ns) of media time."""


def standing(
    channel: ChannelIndex, cut_from: Sequence[MediaSpan], shown: Sequence[Span], start_us: int, end_us: int
) -> Standing:
    """Whether the footage that a clip of [start_us, end_us) was cut from is still what the index shows there.

    `cut_from`: the media times in the stored plan; `shown`: the index's spans of [start_us, end_us) now.
    """
    placed = []
    for run_id, start_ns, end_ns in cut_from:
        run = channel.clocks.runs.get(run_id)
        if run is None or not run.has_clock:
            return "replaced"
        clock = run.clock()
        placed.append(Span(clock.wall_us(start_ns), clock.wall_us(end_ns), run_id))
    if placed[0].start_us < start_us - _NEAR_US or placed[-1].end_us > end_us + _NEAR_US:
        return "elsewhere"
    was, now = _joined(placed), _joined(shown)
    is_same = len(was) == len(now) and all(map(_is_near, was, now))
    return "in_place" if is_same else "replaced"


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Merges adjacent spans of one run."""
    joined: list[Span] = []
    for span in spans:
        before = joined[-1] if joined else None
        if before is not None and before.run_id == span.run_id and span.start_us - before.end_us <= _NEAR_US:
            joined[-1] = before._replace(end_us=span.end_us)
        else:
            joined.append(span)
    return joined


def _is_near(span: Span, other: Span) -> bool:
    far_us = max(abs(span.start_us - other.start_us), abs(span.end_us - other.end_us))
    return span.run_id == other.run_id and far_us <= _NEAR_US


def digest(channel: ChannelIndex, known: TimelineCoverage, start_us: int, end_us: int) -> str:
    """A value that changes when other video is shown in [start_us, end_us) of wall time, or the same at other
    times, or a missing span has another reason."""
    reasons = [(gap.start_us, gap.reason) for gap in known.gaps]
    starts = [
        (segment.name, channel.entry(segment).start_us) for segment in channel.touching(start_us, end_us)
    ]
    inside = [(name, at_us) for name, at_us in starts if at_us is not None and at_us < end_us]
    return blake2b(repr((known.spans, reasons, inside)).encode(), digest_size=12).hexdigest()
