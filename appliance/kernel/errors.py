"""The two kinds of error answer: `Refused` (the same request can never succeed) and `Unavailable` (it may
succeed later).

Owns: what every edge turns into a problem document (RFC 9457). `hint` is for people: what to do now. Codes
are part of the API: add, never rename.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: `loc` is its dotted path in the request."""

    loc: str
    msg: str


@dataclass
class Refused(Exception):
    """A request that will never succeed as it stands. Raised by closures and edges alike."""

    status: int
    code: str
    detail: str
    hint: str | None = None
    errors: Sequence[FieldError] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


@dataclass
class Unavailable(Exception):
    """Something the request needs is not available now; the same request may succeed later."""

    code: str
    detail: str
    hint: str | None = None
    status: int = 503
    retry_after_s: float = 1.0

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


def not_found(kind: str, wanted: str) -> Refused:
    return Refused(404, "not_found", f"no {kind} with id {wanted}")


def gone(kind: str, wanted: str) -> Refused:
    return Refused(410, "deleted", f"{kind} {wanted} was deleted", "use a new id")


def invalid(loc: str, msg: str, code: str = "invalid", **extra: Any) -> Refused:
    """A 422 about one field."""
    return Refused(422, code, f"{loc}: {msg}", errors=(FieldError(loc, msg),), extra=extra)


def stale(kind: str, rev: int) -> Refused:
    return Refused(
        412, "stale", f'the {kind} has changed; its ETag is now "r{rev}"', "load it again", extra={"rev": rev}
    )


def id_reused(kind: str, wanted: str) -> Refused:
    return Refused(
        422,
        "id_reused",
        f"{kind} {wanted} exists with another body",
        "make a new id",
        (FieldError("id", "already used for another body"),),
    )
