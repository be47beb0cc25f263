"""Reading a request: bounded, strict, and every error names its field.

Owns: the body limit, content type, query rules, and the messages of validation errors. Must not know: routes,
Quart. Raw routes read their requests with the same functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from appliance.http.access import Grant
from appliance.http.api import Receive, Scope, Send
from appliance.http.problems import bad_header
from appliance.kernel import json
from appliance.kernel.errors import FieldError, Refused
from appliance.kernel.fields import Input

M = TypeVar("M", bound=BaseModel)

NUL_WORDS = "must not contain the character U+0000"
MAX_QUERY_FIELDS = 64  # the longest list filter has a dozen
# on any request: `client` names the device (contract section 4), `k` is a media key (section 6)
RESERVED_QUERY = frozenset({"client", "k"})


class ClientGone(Exception):
    """The client closed the connection before its request was complete: no answer is possible."""


class Empty(Input):
    """The body, or the query, of a route that takes none."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request whose body has been read."""

    method: str
    path: str
    query_string: str
    headers: Mapping[bytes, bytes]
    body: bytes
    peer: str  # address the connection came from
    request_id: str
    grant: Grant | None = None  # the paired device; None where access is open


def header_map(scope: Scope) -> dict[bytes, bytes]:
    """Headers by lower-case name; the last one of repeated ones."""
    return {name.lower(): value for name, value in scope["headers"]}


async def read_body(
    headers: Mapping[bytes, bytes], receive: Receive, limit: int = json.MAX_BODY_BYTES
) -> bytes:
    """The whole body, at most `limit` bytes. Raises Refused 413 (chunked bodies too) or ClientGone.

    A declared length over the limit is refused before a byte is read.
    """
    declared = headers.get(b"content-length")
    if declared is not None:
        if not declared.isdigit():
            raise bad_header("Content-Length", "must be a number")
        if len(declared) > 18 or int(declared) > limit:
            raise _too_large(limit)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return bytes(body)


class BodyStream:
    """A body of any length as it comes: an asynchronous iterator of chunks of at most 64 KiB. Raises
    ClientGone when the connection ends before the body."""

    __slots__ = ("_is_over", "_receive")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_over = False

    def __aiter__(self) -> BodyStream:
        return self

    async def __anext__(self) -> bytes:
        if self._is_over:
            raise StopAsyncIteration
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        self._is_over = not message.get("more_body", False)
        return bytes(message.get("body", b""))


def stream_body(receive: Receive, send: Send) -> BodyStream:
    """The body of this request, which may take any time while bytes come. At most a dozen chunks wait here
    for a reader that is slower than its client."""
    from appliance.http.passthrough import wire_of  # here: commands load this module, not the web server

    if (wire := wire_of(send, encrypted=True)) is not None:
        wire.let_body_be_long()
    return BodyStream(receive)


def _too_large(limit: int) -> Refused:
    return Refused(
        413, "too_large", f"a request body may have {limit} bytes", "send less", extra={"limit_bytes": limit}
    )


def parse_body(
    headers: Mapping[bytes, bytes], body: bytes, model: type[M] | None, *, optional: bool = False
) -> M | None:
    """The validated body; None when the route takes none, or an optional one is absent.

    Raises Refused: 400 malformed JSON, 415 another content type, 422 naming every wrong field.
    """
    if not body.strip():
        return None if model is None or optional else validate(model, {})  # its error names what is missing
    _require_json(headers)
    try:
        value = json.decode(body)
    except json.BadJson as error:
        raise Refused(400, "malformed_json", f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Refused(
            422,
            "invalid",
            "the body must be a JSON object",
            errors=(FieldError("body", "must be an object"),),
        )
    if model is None:
        validate(Empty, value)
        return None
    return validate(model, value)


def _require_json(headers: Mapping[bytes, bytes]) -> None:
    sent = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if sent != b"application/json" and not (sent.startswith(b"application/") and sent.endswith(b"+json")):
        shown = sent.decode("latin-1")[:80] or "none"
        raise Refused(
            415,
            "unsupported_media_type",
            f"Content-Type must be application/json, not {shown}",
            "send JSON with Content-Type: application/json",
        )


def parse_query(query_string: str | bytes, model: type[M]) -> M:
    """The validated query. Raises Refused 422 naming unknown, repeated and wrong parameters."""
    text = query_string.decode("latin-1") if isinstance(query_string, bytes) else query_string
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS)
    except ValueError as error:
        raise Refused(422, "invalid", f"the query cannot be read: {error}") from None
    shapes = _shapes(model)
    value: dict[str, Any] = {}
    for name, sent in pairs:
        if name in RESERVED_QUERY and name not in model.model_fields:
            continue
        shape = shapes.get(name)
        if shape is not None and shape.many:
            value.setdefault(name, []).append(sent)
        elif name in value:
            raise Refused(422, "invalid", f"{name}: given twice", errors=(FieldError(name, "given twice"),))
        else:
            value[name] = shape.words.get(sent, sent) if shape is not None else sent
    return validate(model, value, unknown="no such parameter")


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a query parameter's text is converted: repeated ones are lists, words represent other types."""

    many: bool
    words: Mapping[str, Any]


@lru_cache(maxsize=256)
def _shapes(model: type[BaseModel]) -> Mapping[str, _Shape]:
    made = {}
    for name, info in model.model_fields.items():
        words = {str(each): each for each in _literals(info.annotation) if not isinstance(each, str)}
        made[name] = _Shape(_is_many(info.annotation), words)
    return made


def _is_many(annotation: Any) -> bool:
    origin = get_origin(annotation)
    return origin in (list, tuple, set, frozenset) or any(
        _is_many(each) for each in get_args(annotation) if origin is not Literal
    )


def _literals(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(word for each in get_args(annotation) for word in _literals(each))


def validate(model: type[M], value: Any, *, unknown: str = "no such field") -> M:
    """The model of a decoded value. Raises Refused 422 with one entry for every wrong field."""
    try:
        made = model.model_validate(value)
        if (where := nul_in(value)) is None:
            return made
        errors = [FieldError(where, NUL_WORDS)]
    except ValidationError as error:
        errors = [
            FieldError(_path(each["loc"]), unknown if each["type"] == "extra_forbidden" else _words(each))
            for each in error.errors(include_url=False, include_input=False, include_context=False)
        ]
    detail = "; ".join(f"{each.loc}: {each.msg}" for each in errors[:5])
    raise Refused(422, "invalid", detail, "correct the named fields", tuple(errors))


def nul_in(value: Any, *above: int | str) -> str | None:
    """The path of a text with U+0000 (a key counts as its value); None: there is none. PostgreSQL stores no
    such text, and no field needs it: refused on input, whichever database is behind."""
    if isinstance(value, str):
        return _path(above) if "\x00" in value else None
    inside: Iterable[tuple[int | str, Any]] = ()
    if isinstance(value, dict):
        if any("\x00" in key for key in value):
            return _path(above)
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    for name, each in inside:
        if (where := nul_in(each, *above, name)) is not None:
            return where
    return None


def _path(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc) or "body"


def _words(error: Any) -> str:
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return "is required" if error["type"] == "missing" else message
