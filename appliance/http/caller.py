"""The sender of a request and its conditions: device, Idempotency-Key, If-Match.

Owns: the meaning of these headers. Must not know: routes. The device is shown and stored as created_by: the
name of a paired device, where access is open what the client calls itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import parse_qsl

from appliance.http.access import STRANGER
from appliance.http.problems import bad_header
from appliance.http.requests import Request
from appliance.kernel import json
from appliance.kernel.operation import Caller, command_fingerprint, fingerprint

MAX_DEVICE_CHARS = 64
MAX_KEY_CHARS = 255
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_REV = re.compile(rb'(?:W/)?"r(\d{1,18})"|r(\d{1,18})')


def device_of(headers: Mapping[bytes, bytes], query_string: str | bytes, peer: str) -> str:
    """The client's name for itself (`X-Client`, else `client=`), else its address."""
    named = headers.get(b"x-client", b"").decode("utf-8", "replace")
    if not named:
        text = query_string.decode("latin-1") if isinstance(query_string, bytes) else query_string
        if "client=" in text:
            named = dict(parse_qsl(text, max_num_fields=None)).get("client", "")
    return sanitised(named) or peer


def sanitised(name: str) -> str:
    """Printable, single-spaced, at most 64 characters."""
    return " ".join("".join(each if each.isprintable() else " " for each in name).split())[:MAX_DEVICE_CHARS]


def if_match_of(headers: Mapping[bytes, bytes]) -> int | None:
    """The rev that the client has loaded; None without the header and for `*`. Raises Refused 400 when
    malformed."""
    sent = headers.get(b"if-match", b"").strip()
    if not sent or sent == b"*":
        return None
    match = _REV.fullmatch(sent)
    if match is None:
        raise bad_header("If-Match", 'must be one ETag such as "r7", or *')
    return int(match[1] or match[2])


def key_of(headers: Mapping[bytes, bytes]) -> str | None:
    """The Idempotency-Key, with or without its quotes. Raises Refused 400 when it is empty or too long."""
    sent = headers.get(b"idempotency-key")
    if sent is None:
        return None
    key = sent.decode("latin-1").strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 1 <= len(key) <= MAX_KEY_CHARS or not key.isprintable():
        raise bad_header("Idempotency-Key", f"must have 1 to {MAX_KEY_CHARS} printable characters")
    return key


def caller_of(request: Request, do: str = "", parameters: Mapping[str, str] = MappingProxyType({})) -> Caller:
    """The caller of an HTTP request. Raises Refused 400 for malformed headers.

    `do`: the /ws command of the same operation, with its path parameters.
    """
    grant = request.grant
    identity = "" if grant is None else grant.device_id
    device = device_of(request.headers, request.query_string, request.peer) if grant is None else grant.name
    role, scopes = ("", ()) if grant is None else (grant.role, grant.scopes)
    if request.method in SAFE_METHODS:
        return Caller(device, identity=identity, is_stranger=grant is STRANGER, role=role, scopes=scopes)
    key = key_of(request.headers)
    mark = "" if key is None else _identity(request, do, parameters)
    return Caller(device, key, mark, if_match_of(request.headers), identity, role=role, scopes=scopes)


def _identity(request: Request, do: str, parameters: Mapping[str, str]) -> str:
    """What identifies the request of a key: the /ws command if there is one, else the request as it was
    sent."""
    if do:
        try:
            body = json.decode(request.body) if request.body.strip() else {}
        except json.BadJson:
            body = None  # not JSON: refused later, when the body is parsed
        if isinstance(body, dict):
            for value in parameters.values():
                body["id"] = value
            return command_fingerprint(do, body)
    return fingerprint(request.method, request.path, request.query_string, request.body)
