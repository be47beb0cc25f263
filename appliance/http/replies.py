"""Complete HTTP answers: status, headers, bytes.

Owns: converting an `Answer` or a problem to bytes with ETag, Link and Retry-After. Must not know: routes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from appliance.http.api import Send
from appliance.http.limits import LARGE_BYTES
from appliance.http.problems import problem_document
from appliance.http.sendfile import ConnectionGone, SendfileBody, Stalled
from appliance.kernel import json
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.operation import Answer

Headers = tuple[tuple[bytes, bytes], ...]

JSON = b"application/json"
PROBLEM = b"application/problem+json"
_NO_STORE = (b"cache-control", b"no-store")  # a tablet must never show a session from its own cache


@dataclass(frozen=True, slots=True)
class Reply:
    """One complete answer."""

    status: int
    body: bytes
    media_type: bytes = JSON
    headers: Headers = ()


def json_reply(status: int, value: Any, *headers: tuple[bytes, bytes]) -> Reply:
    return Reply(status, json.encode(value), JSON, (_NO_STORE, *headers))


def answer_reply(answer: Answer, path: str, query_string: str) -> Reply:
    """The answer of an operation: `ETag: "r<rev>"` when it has one, `Link: rel=next` when it is a page."""
    headers: list[tuple[bytes, bytes]] = []
    rev = answer.resource.get("rev")
    if type(rev) is int:
        headers.append((b"etag", b'"r%d"' % rev))
    cursor = answer.resource.get("next_cursor")
    if cursor:
        headers.append((b"link", _next_link(path, query_string, str(cursor))))
    return json_reply(answer.status, answer.resource, *headers)


def problem_reply(error: Refused | Unavailable) -> Reply:
    headers = list(_problem_headers(error))
    return Reply(error.status, json.encode(problem_document(error)), PROBLEM, (_NO_STORE, *headers))


def _problem_headers(error: Refused | Unavailable) -> list[tuple[bytes, bytes]]:
    headers: list[tuple[bytes, bytes]] = []
    if isinstance(error, Unavailable):
        headers.append((b"retry-after", b"%d" % math.ceil(error.retry_after_s)))
    elif error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    elif error.status == 405:
        headers.append((b"allow", ", ".join(error.extra.get("allowed", ())).encode("latin-1")))
    elif error.status == 412 and "rev" in error.extra:
        headers.append((b"etag", b'"r%d"' % int(error.extra["rev"])))
    elif error.status == 413:
        headers.append((b"connection", b"close"))  # the rest of the body will not be read
    return headers


def document_reply(status: int, document: Mapping[str, Any]) -> Reply:
    """A problem document that is already built."""
    return Reply(status, json.encode(document), PROBLEM, (_NO_STORE,))


def _next_link(path: str, query_string: str, cursor: str) -> bytes:
    pairs = [(key, value) for key, value in parse_qsl(query_string) if key != "cursor"]
    return f'<{path}?{urlencode([*pairs, ("cursor", cursor)])}>; rel="next"'.encode("latin-1", "replace")


async def send_reply(send: Send, reply: Reply) -> None:
    """Send all of it. The server leaves out the body for HEAD.

    A large body is written from shared memory: hypercorn would copy it for every client, three times.
    """
    await send({"type": "http.response.start", "status": reply.status, "headers": wire_headers(reply)})
    body = SendfileBody.behind(send) if len(reply.body) >= LARGE_BYTES else None
    if body is None or body.is_head:
        await send({"type": "http.response.body", "body": reply.body, "more_body": False})
        return
    try:
        await body.write([reply.body], len(reply.body))
    except (ConnectionGone, Stalled):
        return  # the connection has been closed
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def wire_headers(reply: Reply) -> list[tuple[bytes, bytes]]:
    """A 304 has no length: it would have to be that of the other answer (RFC 9110 section 8.6)."""
    if reply.status == 304:
        return list(reply.headers)
    return [
        (b"content-type", reply.media_type),
        (b"content-length", b"%d" % len(reply.body)),
        *reply.headers,
    ]
