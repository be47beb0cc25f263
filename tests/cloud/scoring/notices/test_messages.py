"""Messages to Slack and reports to Sentry: what is in them, and what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cloud.scoring.notices.sentry import (
    envelope,
    error_event,
    is_sampled,
    parse_dsn,
    transaction,
)
from appliance.cloud.scoring.notices.slack import escaped, message

EXECUTION: dict[str, Any] = {
    "id": "e1",
    "operation": "round",
    "tournament_id": "league",
    "round": "matchday-1",
    "status": "completed",
    "stage": None,
    "started_at": "2026-11-30T00:01:00.000000Z",
    "ended_at": "2026-11-30T00:01:02.000000Z",
    "duration_ms": 2000,
    "failures": 0,
    "summary": {"operations": 1, "successes": 1, "failures": 0, "matches": 10, "changed": 4}
    | {"table": {"rows": 20, "changed": 6}},
    "error": None,
    "warnings": [],
    "report": {"json": "https://api.example/r/e1.json", "markdown": "https://api.example/r/e1.md"},
    "repeats": None,
    "attempt": 1,
    "request_id": "r1",
    "created_by": "internal",
}


def text_of(**changes: Any) -> str:
    made = message({**EXECUTION, **changes}, {"name": "League", "season": "2026-27"})
    return "\n".join(block["text"]["text"] for block in made["blocks"])


def test_a_success_has_its_sign_its_counts_and_the_report() -> None:  # D25
    text = text_of()
    assert text.startswith("*:white_check_mark: League: round completed*")
    assert "Season 2026-27" in text and "Round matchday-1" in text
    assert "operations 1" in text and "changed 4" in text and "6 rows of the table changed" in text
    assert "<https://api.example/r/e1.json|json>" in text and "2000 ms" in text


def test_a_failure_has_its_error_and_a_partial_one_a_warning() -> None:  # D24 D25
    failed = text_of(status="failed", stage="fetch", error="no <answer> & more", report=None)
    assert failed.startswith("*:x: League: round failed*")
    assert "*Error* in fetch: no &lt;answer&gt; &amp; more" in failed and "Report" not in failed
    assert text_of(failures=1).startswith("*:warning: League: round completed, with failures*")


@given(st.text())
def test_a_text_of_others_makes_no_link_and_no_mention(text: str) -> None:
    made = escaped(text)
    assert "<" not in made and ">" not in made
    assert "&" not in made.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")


def test_a_dsn_is_an_address_and_a_key() -> None:
    dsn = parse_dsn("https://abc@o1.ingest.sentry.example/sub/42")
    assert dsn.url == "https://o1.ingest.sentry.example/sub/api/42/envelope/"
    assert "sentry_key=abc" in dsn.headers["x-sentry-auth"]
    assert parse_dsn("http://k@127.0.0.1:9000/1").url == "http://127.0.0.1:9000/api/1/envelope/"


@pytest.mark.parametrize(
    "text", ["", "https://host/1", "https://k@host/", "ftp://k@h/1", "https://k@/1", "x"]
)
def test_what_is_no_dsn(text: str) -> None:
    with pytest.raises(ValueError, match="DSN"):
        parse_dsn(text)


def crash(secret: str) -> Exception:
    try:
        raise RuntimeError(f"cannot call https://hook/{secret}")
    except RuntimeError as error:
        return error


def parts(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


def test_an_error_is_reported_without_secrets_and_values() -> None:  # D09
    secret = "s3cret-token"
    data = error_event(crash(secret), "execution:e1", 1.5, "demo", {"execution_id": "e1"}, (secret, ""))
    head, item, event = parts(data)
    assert head["event_id"] == event["event_id"] and item["type"] == "event"
    assert item["length"] == len(data.splitlines()[2])
    assert secret not in data.decode() and event["tags"] == {"execution_id": "e1"}
    (raised,) = event["exception"]["values"]
    assert (raised["type"], raised["value"]) == ("RuntimeError", "cannot call https://hook/[removed]")
    assert raised["stacktrace"]["frames"][-1]["function"] == "crash"
    assert set(raised["stacktrace"]["frames"][-1]) == {"filename", "function", "lineno", "in_app"}


def test_the_same_subject_has_the_same_id() -> None:
    first, second, other = (
        parts(error_event(crash("x"), subject, 1.0, "demo", {}, ()))[2]["event_id"] for subject in "aab"
    )
    assert first == second != other and len(first) == 32


def test_a_run_is_a_transaction_with_its_stages() -> None:
    data = transaction("execution:e1", "round", 10.0, 12.0, {"fetch": 1_500_000, "upsert": 500_000}, "demo")
    _, item, made = parts(data)
    assert item["type"] == "transaction" and made["transaction"] == "round"
    spans = [(each["op"], each["start_timestamp"], each["timestamp"]) for each in made["spans"]]
    assert spans == [("fetch", 10.0, 11.5), ("upsert", 11.5, 12.0)]
    assert len({each["span_id"] for each in made["spans"]}) == 2
    assert {len(each["span_id"]) for each in made["spans"]} == {16}


@given(st.integers())
def test_a_share_is_sampled(number: int) -> None:
    assert is_sampled(f"{number}", 1.0) and not is_sampled(f"{number}", 0.0)
    assert not is_sampled(f"{number}", 0.2) or is_sampled(f"{number}", 0.7)


def test_an_envelope_has_three_lines() -> None:
    assert envelope({"event_id": "a"}, "event").count(b"\n") == 3
