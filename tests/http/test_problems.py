"""Problem documents."""

from __future__ import annotations

from appliance.http.problems import problem_document, unexpected
from appliance.http.replies import problem_reply
from appliance.kernel.errors import FieldError, Refused, Unavailable


def test_extra_members_never_hide_the_standard_ones() -> None:
    refused = Refused(409, "wrong", "no", extra={"status": "scheduled", "rev": 3})
    document = problem_document(refused)
    assert (document["status"], document["rev"]) == (409, 3)


def test_wrong_fields_are_listed_and_absent_without_them() -> None:
    refused = Refused(422, "invalid", "x", errors=(FieldError("a.0", "must be a number"),))
    assert problem_document(refused)["errors"] == [{"loc": "a.0", "msg": "must be a number"}]
    assert "errors" not in problem_document(Refused(404, "not_found", "x"))


def test_only_what_may_succeed_later_is_retryable() -> None:
    assert problem_document(Unavailable("stopping", "x"))["retryable"] is True
    assert problem_document(Refused(409, "wrong", "x"))["retryable"] is False
    assert unexpected("t1")["retryable"] is True and unexpected("t1")["trace_id"] == "t1"


def test_headers_follow_from_the_refusal() -> None:
    assert (b"retry-after", b"3") in problem_reply(Unavailable("a", "b", retry_after_s=2.5)).headers
    assert (b"etag", b'"r4"') in problem_reply(Refused(412, "stale", "x", extra={"rev": 4})).headers
    assert (b"allow", b"GET, HEAD") in problem_reply(
        Refused(405, "m", "x", extra={"allowed": ["GET", "HEAD"]})
    ).headers


def test_a_status_without_a_name_is_still_a_problem() -> None:
    assert problem_document(Refused(499, "odd", "x"))["title"] == "Problem"
