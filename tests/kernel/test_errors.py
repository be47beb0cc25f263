"""The two kinds of refusal."""

from __future__ import annotations

from appliance.kernel.errors import (
    FieldError,
    Refused,
    Unavailable,
    gone,
    id_reused,
    invalid,
    not_found,
    stale,
)


def test_each_refusal_has_its_status_and_code() -> None:
    refusals = [not_found("clip", "x"), gone("clip", "x"), invalid("at", "is late"), stale("clip", 4)]
    refusals.append(id_reused("clip", "x"))
    assert [(each.status, each.code) for each in refusals] == [
        (404, "not_found"),
        (410, "deleted"),
        (422, "invalid"),
        (412, "stale"),
        (422, "id_reused"),
    ]


def test_a_refusal_names_the_wrong_field_and_keeps_extra_members() -> None:
    refused = invalid("start_time", "is ahead", "clock_ahead", server_time="now")
    assert refused.errors == (FieldError("start_time", "is ahead"),)
    assert (refused.code, refused.extra) == ("clock_ahead", {"server_time": "now"})


def test_unavailable_may_be_tried_again() -> None:
    error = Unavailable("stopping", "the box is stopping")
    assert (error.status, error.retry_after_s) == (503, 1.0)
    assert str(error) == "stopping: the box is stopping"
    assert not isinstance(error, Refused)
