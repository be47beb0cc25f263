"""Whether a clip may be listed."""

from __future__ import annotations

import pytest

from appliance.box.datasets.cutting.checks import Found, Wanted, judge

WANTED = Wanted(frames=60, duration_s=2.0)


@pytest.mark.parametrize(
    ("found", "error"),
    [
        (Found(60, 2.0, decoded=True), None),
        (Found(60, 2.04), None),
        (Found(60, 1.951), None),
        (Found(59, 2.0), "short"),
        (Found(61, 2.0), "short"),
        (Found(60, 2.06), "short"),
        (Found(60, 1.94), "short"),
        (Found(60, 2.0, black=30), None),
        (Found(60, 2.0, black=31), "black"),
        (Found(60, 2.0, frozen=54), None),
        (Found(60, 2.0, frozen=55), "frozen"),
        (Found(60, 2.0, problem="2 packets cannot be decoded"), "bad_media"),
    ],
)
def test_a_clip_is_judged_by_what_it_holds(found: Found, error: str | None) -> None:
    # T31
    assert judge(WANTED, found).error == error


def test_the_reason_has_both_numbers() -> None:
    assert judge(WANTED, Found(12, 0.4)).detail == "12 frames where the source shows 60"


def test_a_clip_that_cannot_be_decoded_is_not_called_decoded() -> None:
    assert judge(WANTED, Found(60, 2.0, decoded=True)).checks.decoded
    assert not judge(WANTED, Found(60, 2.0, decoded=True, problem="broken")).checks.decoded
