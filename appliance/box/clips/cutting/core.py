"""When the wait for footage ends. Pure functions.

The wait ends at the first of: video up to OUT is indexed; a later run began after OUT; the source is known to
be down and its newest part is older than 3 s; the deadline. Footage missing then is listed in the clip's
coverage.
"""

from __future__ import annotations

from dataclasses import dataclass

DOWN_AFTER_S = 3.0  # parts are at most 2 s long: after 3 s without one, a source that is down sends no more


@dataclass(frozen=True, slots=True)
class FootageState:
    """The state of a channel's footage now; times are capture times of the clip (latency taken off)."""

    video_until_us: int | None
    run_begun_after_end: bool
    source_down: bool
    newest_part_age_s: float | None


def covered(end_us: int, facts: FootageState) -> bool:
    """True when all frames before `end_us` that can still arrive have been indexed."""
    return facts.video_until_us is not None and facts.video_until_us >= end_us


def wait_is_over(end_us: int, facts: FootageState, *, now_s: float, deadline_s: float) -> bool:
    """True when the clip is to be cut now from the footage there is. Seconds are trio's monotonic clock."""
    silent = facts.newest_part_age_s is None or facts.newest_part_age_s > DOWN_AFTER_S
    return (
        covered(end_us, facts)
        or facts.run_begun_after_end
        or (facts.source_down and silent)
        or now_s >= deadline_s
    )


def footage_deadline_s(
    *,
    end_us: int,
    out_received_us: int,
    started_us: int,
    latency_ms: int,
    wait_s: float,
    now_us: int,
    now_s: float,
) -> float:
    """When the wait is given up (monotonic): wait_s after max(OUT, OUT received, daemon start) + latency."""
    from_us = max(end_us, out_received_us, started_us) + latency_ms * 1000
    return now_s + (from_us - now_us) / 1e6 + wait_s
