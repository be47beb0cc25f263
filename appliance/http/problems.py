"""Every error answer in one format: RFC 9457 problem documents.

Owns: how `Refused`, `Unavailable` and an unexpected error are shown to a client. Must not know: ASGI, Quart.
HTTP answers and the `error` of a /ws result are both made here.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from appliance.kernel.errors import FieldError, Refused, Unavailable

DOCS_HINT = "see /docs"


def problem_document(error: Refused | Unavailable) -> dict[str, Any]:
    """The problem's members: type, title, status, detail, code, hint, retryable, and `errors` for fields.

    Extra members of a Refused (state, allowed, rev ...) stand beside them (RFC 9457 section 3.2).
    """
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": _title(error.status),
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "hint": error.hint,
        "retryable": isinstance(error, Unavailable),
    }
    if isinstance(error, Refused):
        if error.errors:
            document["errors"] = [{"loc": each.loc, "msg": each.msg} for each in error.errors]
        document.update((key, value) for key, value in error.extra.items() if key not in document)
    return document


def unexpected(trace_id: str) -> dict[str, Any]:
    """The document for an unexpected error. It contains only the request id, by which the log has the
    error."""
    return {
        "type": "about:blank",
        "title": _title(500),
        "status": 500,
        "detail": "the box made an error; nothing you sent was wrong",
        "code": "internal_error",
        "hint": f"send the same request again; if it stays, report trace {trace_id}",
        "retryable": True,
        "trace_id": trace_id,
    }


def no_such_path(path: str) -> Refused:
    return Refused(404, "no_such_path", f"nothing is served at {path[:200]}", DOCS_HINT)


def method_not_allowed(method: str, allowed: str) -> Refused:
    return Refused(
        405,
        "method_not_allowed",
        f"{method[:32]} is not served here",
        f"allowed: {allowed}",
        extra={"allowed": [each.strip() for each in allowed.split(",") if each.strip()]},
    )


def bad_header(name: str, msg: str) -> Refused:
    """400 for a malformed header."""
    return Refused(
        400, "bad_header", f"{name}: {msg}", "correct or leave out the header", (FieldError(name, msg),)
    )


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Problem"
