"""E9: missing footage of a clip has the timeline's reason."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.media.cut.coverage import MissingSpan, explained
from appliance.media.index.spans import Gap, Reason

T0 = 1_790_000_000_000_000
S = 1_000_000
LATE_US = 80_000


def gap(start_s: float, end_s: float | None, reason: Reason) -> Gap:
    """In wall time, like the timeline."""
    end_us = None if end_s is None else T0 + round(end_s * S) + LATE_US
    return Gap(T0 + round(start_s * S) + LATE_US, end_us, reason)


@pytest.mark.parametrize(
    ("word", "start_s", "end_s", "reason"),
    [
        ("gap", 2.0, 5.0, "source_lost"),
        ("gap", 2.01, 4.97, "source_lost"),  # a frame's edge, not the gap's
        ("no_footage", 3.0, 5.0, "source_lost"),  # a clip that begins in it
        ("no_footage", 9.0, 12.0, "recorder_restart"),  # one that ends in one that lasts
        ("no_footage", -3.0, 0.0, "no_footage"),  # before the first recording
        ("gap", 6.0, 6.5, "gap"),  # the timeline has no gap there
        ("format_change", 2.0, 5.0, "format_change"),  # it exists and cannot be shown
        ("no_entry", 2.0, 5.0, "no_entry"),
    ],
)
def test_one_outage_has_one_reason_in_clips_too(word: Any, start_s: float, end_s: float, reason: Any) -> None:
    gaps = [gap(-10, 0, "no_footage"), gap(2, 5, "source_lost"), gap(9, None, "recorder_restart")]
    missing = MissingSpan(T0 + round(start_s * S), T0 + round(end_s * S), word)
    assert explained([missing], gaps, LATE_US) == (missing._replace(reason=reason),)


def test_a_span_over_two_outages_has_the_reason_of_the_longer_one() -> None:
    gaps = [gap(2, 3, "source_lost"), gap(3.1, 6, "recorder_restart")]
    [result] = explained([MissingSpan(T0 + 2 * S, T0 + 6 * S, "gap")], gaps, LATE_US)
    assert result.reason == "recorder_restart"


def test_nothing_known_changes_nothing() -> None:
    missing = (MissingSpan(T0, T0 + S, "gap"), MissingSpan(T0 + 2 * S, T0 + 3 * S, "no_footage"))
    assert explained(missing, [], 0) == missing and explained((), [gap(0, None, "source_lost")], 0) == ()
