"""Footage that another domain wants, as a Local Copy that is not sent yet."""

from __future__ import annotations

from dataclasses import replace

from appliance.box.retention.core import Holds, Reason, decide
from tests.box.retention.test_core import LIMITS, gone, segment, spans, view


def test_what_another_domain_wants_outlives_its_days_but_not_a_full_disk() -> None:
    old, next_old = segment(8 * 24 * 60), segment(8 * 24 * 60, channel="cam2")
    holds = Holds(wanted=spans(("cam1", old.start_us - 5, old.start_us + 5)))
    assert gone(decide(view(old, next_old, holds=holds), LIMITS)) == [(next_old.name, "raw_days")]
    assert not holds.allow(old, Reason.RAW_DAYS) and holds.allow(old, Reason.MIN_FREE)
    full = replace(LIMITS, min_free_bytes=20)
    deleted = gone(decide(view(old, next_old, holds=holds), full))
    assert (old.name, "min_free_gb") in deleted
