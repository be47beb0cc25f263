"""Requests generated from the box's OpenAPI document: valid, at the limits, and slightly beyond.

Pure except for `rnd`: the same state gives the same request. `faults_of` checks the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

Json = dict[str, Any]

WHOLE = (0, 1, -1, 2, 5, 99, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 10**400)
BROKEN = (0.5, -0.0, 1e-300, 1e300, 86_400.0, 1e9)
TEXTS = (
    "",
    " ",
    "x",
    "é\u202e🏈",
    "\u0000",
    "a" * 5000,
    "'; --",
    "../../etc/passwd",
    "%00",
    "null",
    "\ud7ff",
    "1e5",
)
TIMES = (
    "2026-11-20T19:31:04.120Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "1970-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "2026-02-30T00:00:00Z",
    "24:00:00",
    "19:31:04",
)
IDS = (
    "00000000-0000-0000-0000-000000000000",
    "01936f3e-1c5b-7c3a-9d2e-3f4a5b6c7d8e",
    "x",
    "cam1",
    "no",
    "%2e%2e",
)
OTHERS: tuple[Any, ...] = (None, True, [], {}, [[]], {"a": 1}, "text", 1, 1.5)
HEADERS: Mapping[str, Sequence[str]] = {
    "If-Match": ('"r1"', '"r999999999999999999"', "*", "r0", "nonsense", '"r' + "9" * 40 + '"'),
    "Idempotency-Key": ('"k1"', "k" * 255, "k" * 300, "\u00e9", '""'),
    "X-Client": ("ipad", "x" * 500, "\u00ff"),
    "Range": ("bytes=0-1", "bytes=-1", "bytes=" + "9" * 5000 + "-", "bytes=5-2"),
    "If-None-Match": ('"m1"', "*", "W/"),
}


@dataclass(frozen=True)
class Case:
    method: str
    template: str  # the path template of the document
    path: str  # the path including its query
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def operations(document: Json) -> list[tuple[str, str, Json]]:
    """(method, path, operation) of everything except pure WebSocket routes."""
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if set(operation["responses"]) - {"101"} & {"200", "201", "204"}
    ]


def case(document: Json, rnd: Random, known: Mapping[str, Sequence[str]]) -> Case:
    """One request. `known`: existing ids, by parameter (session_id ...)."""
    method, template, operation = rnd.choice(operations(document))
    path, query, headers = template, [], {}
    for parameter in (_resolved(document, each) for each in operation["parameters"]):
        name, schema = parameter["name"], parameter["schema"]
        if parameter["in"] == "path":
            ids = known.get(name, ())
            value = rnd.choice(ids) if ids and rnd.random() < 0.7 else rnd.choice((*IDS, *TEXTS[1:]))
            path = path.replace(f"{{{name}}}", quote(value, safe="") or "x")
        elif parameter["in"] == "query" and rnd.random() < 0.4:
            query.append((name, _as_text(_value(document, schema, rnd, name, known))))
    for name, values in HEADERS.items():
        if rnd.random() < 0.15:
            headers[name] = rnd.choice(values)
    body = _body(document, operation, rnd, known)
    if body:
        headers["Content-Type"] = (
            "application/json" if rnd.random() < 0.97 else rnd.choice(("text/plain", ""))
        )
    if rnd.random() < 0.05:
        query.append(rnd.choice((("client", "x"), ("nobody", "1"), ("limit", "1"), ("", ""))))
    return Case(method.upper(), template, path + (f"?{urlencode(query)}" if query else ""), headers, body)


def _body(document: Json, operation: Json, rnd: Random, known: Mapping[str, Sequence[str]]) -> bytes:
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" not in content or rnd.random() < 0.05:
        return rnd.choice((b"", b"", b"{", b"null", b"[]", b'{"a":1}', rnd.randbytes(40))) if content else b""
    return json.dumps(_value(document, content["application/json"]["schema"], rnd, "", known)).encode()


def _resolved(document: Json, schema: Json) -> Json:
    while "$ref" in schema:
        result: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            result = result[part]
        schema = result
    return schema


def _value(document: Json, schema: Json, rnd: Random, name: str, known: Mapping[str, Sequence[str]]) -> Any:
    schema = _resolved(document, schema)
    if rnd.random() < 0.06:
        return rnd.choice(OTHERS)
    if "anyOf" in schema:
        return _value(document, rnd.choice(schema["anyOf"]), rnd, name, known)
    if "enum" in schema or "const" in schema:
        return rnd.choice(schema.get("enum", [schema.get("const")]))
    if rnd.random() < 0.7 and (ids := known.get(name)):
        return rnd.choice(ids)
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        return _object(document, schema, rnd, known)
    if kind == "array":
        items = schema.get("items", {})
        return [_value(document, items, rnd, name, known) for _ in range(rnd.choice((0, 1, 2, 40)))]
    if kind in ("integer", "number"):
        edges = [schema[key] + by for key in ("minimum", "maximum") if key in schema for by in (-1, 0, 1)]
        return rnd.choice((*WHOLE, *BROKEN, *edges)) if kind == "number" else rnd.choice((*WHOLE, *edges))
    if kind == "boolean":
        return rnd.random() < 0.5
    if kind == "null":
        return None
    if schema.get("format") == "date-time" or name.endswith(("time", "start", "end", "at")):
        return rnd.choice((*TIMES, *TEXTS)) if rnd.random() < 0.9 else rnd.choice(WHOLE)
    if schema.get("format") == "uuid":
        return rnd.choice(IDS)
    return rnd.choice((*TEXTS, *IDS))


def _object(document: Json, schema: Json, rnd: Random, known: Mapping[str, Sequence[str]]) -> Json:
    required = schema.get("required", ())
    actual = {
        name: _value(document, each, rnd, name, known)
        for name, each in schema.get("properties", {}).items()
        if (name in required and rnd.random() < 0.97) or rnd.random() < 0.35
    }
    if rnd.random() < 0.03:
        actual[rnd.choice(TEXTS)] = 1
    return actual


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def faults_of(document: Json, asked: Case, status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
    """Deviations of an answer from the document; empty: none."""
    documented = document["paths"][asked.template][asked.method.lower()]["responses"]
    results = []
    if status >= 500 and status not in (503, 507):
        results.append("an error of the box")
    if str(status) not in documented:
        results.append("an undocumented status")
    response = _resolved(document, documented.get(str(status), documented["default"]))
    media = headers.get("content-type", "").partition(";")[0]
    if body and asked.method != "HEAD" and response.get("content") and media not in response["content"]:
        results.append(f"{media} instead of {', '.join(response['content'])}")
    if media.endswith("json") and body and not _is_json(body):
        results.append("no JSON")
    elif media.endswith("json") and body and asked.method != "HEAD":
        schema = response.get("content", {}).get(media, {}).get("schema", {})
        results += [f"lacks {name}" for name in _lacking(document, schema, json.loads(body))]
    if status >= 400 and media == "application/problem+json" and not re.search(rb'"code":"\w+"', body):
        results.append("a problem without a code")
    return results


def breaches_of(document: Json, asked: Case, role: str, status: int, body: bytes) -> list[str]:
    """Where an answer to a device with this role ("": to nobody's) breaks the matrix in the document."""
    roles = document["paths"][asked.template][asked.method.lower()]["x-roles"]
    may = role in roles or roles == ["everybody"]
    is_refused = status == 401 or (status == 403 and b'"not_allowed"' in body)
    if may and is_refused and roles != ["everybody"]:
        return [f"{role} may, by the document"]
    # a malformed request is refused before the access of its sender is checked
    if not may and not is_refused and status not in (400, 404, 405, 421):
        return [f"{role or 'nobody'} may not, by the document: {', '.join(roles)}"]
    return []


def _lacking(document: Json, schema: Json, value: Any) -> list[str]:
    """Required names that are missing, in the answer and in the resources of a list."""
    schema = _resolved(document, schema)
    if isinstance(value, list):
        return [name for each in value[:5] for name in _lacking(document, schema.get("items", {}), each)]
    if not isinstance(value, dict):
        return []
    outcome = [name for name in schema.get("required", ()) if name not in value]
    for name, of in schema.get("properties", {}).items():
        if name in value:
            outcome += [f"{name}.{each}" for each in _lacking(document, of, value[name])]
    return outcome


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True
