"""The OpenAPI 3.1 document, built from the routes' own data.

Owns: how a route is described in the document. quart-schema is not used: it documents Quart views, but our
routes are data, and half of them are not served by Quart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import trio
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from appliance.http.access import Door
from appliance.http.api import RawRoute, Receive, Route, Routes, Scope, Send
from appliance.http.replies import JSON, send_reply
from appliance.http.requests import header_map
from appliance.kernel import json
from appliance.kernel.paging import Page
from appliance.kernel.threads import in_thread
from appliance.server.api_links import add_links
from appliance.server.pages import File, made_file

Json = dict[str, Any]

PROBLEM_TYPE = "application/problem+json"
_REF = "#/components/schemas/{model}"

PROBLEM: Json = {
    "type": "object",
    "description": "RFC 9457; extra members stand beside these",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "for programs"},
        "hint": {"type": ["string", "null"], "description": "for people: what to do now"},
        "retryable": {"type": "boolean", "description": "whether the same request may succeed later"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["loc", "msg"],
                "properties": {"loc": {"type": "string"}, "msg": {"type": "string"}},
            },
        },
    },
}

PARAMETERS: Json = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "1 to 255 characters, quoted or not; the same key gives the same answer for 7 days",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": 'the ETag last seen, such as "r7"; 412 when the resource has changed since',
        "schema": {"type": "string", "pattern": r'^(\*|(W/)?"r[0-9]{1,18}"|r[0-9]{1,18})$'},
    },
    "Client": {
        "name": "X-Client",
        "in": "header",
        "description": "the device's name; `?client=` says the same",
        "schema": {"type": "string", "maxLength": 64},
    },
}

_WORDS = {
    400: "malformed JSON, header or framing",
    401: "this device is not paired",
    403: "its role may not do this; or a page of another site asks",
    404: "no such resource",
    405: "not with this method; see Allow",
    408: "the request did not come in time",
    409: "not legal in this state",
    410: "deleted, or a position that is gone",
    412: "changed since If-Match",
    413: "too large",
    415: "not JSON",
    416: "no such bytes; see Content-Range",
    421: "the box does not answer to this name",
    422: "a field is wrong; `errors` names it",
    426: "a WebSocket: connect with ws://",
    429: "too many of these are open from this address",
    502: "MediaMTX answered something else",
    503: "not now; see Retry-After",
    507: "the disk is full",
}
_ALWAYS = {
    400,
    401,
    403,
    408,
    421,
    422,
    503,
}  # of any request: framing, access, another site's page, a host name, a query, a full server
_BYTES = "^(image|video|audio)/"


@dataclass(slots=True)
class Document:
    """/openapi.json, built in a thread at the first request: it takes 0.2 s, which would delay the start."""

    make: Callable[[], Json]
    _file: File | None = None
    _making: trio.Lock = field(default_factory=trio.Lock)

    def route(self) -> RawRoute:
        return RawRoute(
            "GET", "/openapi.json", self._serve, "This API, OpenAPI 3.1.", media_type="application/json"
        )

    async def _serve(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        async with self._making:
            if self._file is None:
                self._file = await in_thread(lambda: made_file(json.encode(self.make()), JSON))
        await send_reply(send, self._file.reply(header_map(scope)))


def openapi_document(groups: Sequence[Routes], *, title: str, version: str, door: Door | None = None) -> Json:
    """The document. Groups of the same tag are one section. With a door each operation has `x-roles`, those
    who may use it, and /ws `x-commands`."""
    schemas = _Schemas(groups)
    paths: Json = {}
    sockets = {raw.path for group in groups for raw in group.raw if raw.method == "WS"}
    for group in groups:
        for route in group.routes:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, group.tag, schemas)
        for raw in group.raw:
            method = "get" if raw.method == "WS" else raw.method.lower()
            known = paths.setdefault(raw.path, {})
            if method in known and raw.method == "WS":
                known[method]["responses"]["101"] = _SOCKET  # beside those of the GET route
            else:
                known[method] = _raw_operation(raw, group.tag, schemas)
                if raw.method != "WS" and raw.path in sockets:
                    known[method]["responses"]["101"] = _SOCKET
    add_links(paths, {group.collection.name: group.collection for group in groups if group.collection})
    if door is not None:
        _add_roles(paths, groups, door)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "license": {"name": "see LICENSE"}},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(group.tag for group in groups)],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {**schemas.definitions, "Problem": PROBLEM},
            "parameters": PARAMETERS,
            "responses": {f"Problem{status}": _problem(words) for status, words in _WORDS.items()}
            | {"Problem": _problem("an error")},
        },
    }


def _add_roles(paths: Json, groups: Sequence[Routes], door: Door) -> None:
    commands = {each.do: door.roles_of(each.rule) for group in groups for each in group.commands}
    for group in groups:
        routes: list[Route | RawRoute] = [*group.routes, *group.raw]
        for route in routes:
            operation = paths[route.path]["get" if route.method == "WS" else route.method.lower()]
            operation["x-roles"] = door.roles_of(route.rule)
            if route.rule == "WS /ws":
                operation["x-commands"] = commands


class _Schemas:
    """Every model of every route, each with one name."""

    def __init__(self, groups: Iterable[Routes]) -> None:
        self.of_path: Json = {}
        """Of path parameters, by name."""
        wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {}
        for group in groups:
            self.of_path.update(group.path_schemas)
            if group.collection is not None:
                self.of_path[group.collection.parameter] = group.collection.id_schema
            for route in group.routes:
                for model, mode in (
                    (route.body, "validation"),
                    (route.query, "validation"),
                    (route.returns, "serialization"),
                    (route.items, "serialization"),
                ):
                    if model is not None:
                        wanted[(model, mode)] = None  # type: ignore[index]  # str is the wider of its two modes
            for raw in group.raw:
                for model in (raw.body, raw.query):
                    if model is not None:
                        wanted[(model, "validation")] = None
                if raw.returns is not None:
                    wanted[(raw.returns, "serialization")] = None
        self._names, made = models_json_schema(list(wanted), ref_template=_REF)
        self.definitions: Json = made.get("$defs", {})

    def of(self, model: type[BaseModel], mode: JsonSchemaMode) -> Json:
        return self._names[(model, mode)]

    def resolved(self, model: type[BaseModel]) -> Json:
        """The model's own schema instead of a reference to it."""
        reference = self.of(model, "validation")
        name = reference.get("$ref", "").rpartition("/")[2]
        definition: Json = self.definitions.get(name, reference)
        return definition


def _operation(route: Route, tag: str, schemas: _Schemas) -> Json:
    unsafe = route.method != "GET"
    operation: Json = {
        "operationId": _operation_id(route.method, route.path),
        "summary": route.summary,
        "tags": [tag],
        "parameters": [*_path_parameters(route.path, schemas), *_query_parameters(route.query, schemas)],
        "responses": {
            **_problems(route),
            **{str(status): _success(route, schemas) for status in _successes(route)},
        },
    }
    if unsafe:
        operation["parameters"] += [{"$ref": f"#/components/parameters/{name}"} for name in PARAMETERS]
    if route.body is not None:
        schema = schemas.of(route.body, "validation")
        operation["requestBody"] = {
            "required": not route.body_optional,
            "content": {"application/json": {"schema": schema}},
        }
    return operation


def _raw_operation(raw: RawRoute, tag: str, schemas: _Schemas) -> Json:
    operation: Json = {
        "operationId": _operation_id(raw.method, raw.path),
        "summary": raw.summary,
        "tags": [tag],
        "parameters": [*_path_parameters(raw.path, schemas), *_query_parameters(raw.query, schemas)],
        "responses": {
            **_raw_success(raw, schemas),
            **_references(_raw_problems(raw)),
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    if raw.body is not None:
        schema = schemas.of(raw.body, "validation")
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    elif raw.takes is not None:
        operation["requestBody"] = {"required": True, "content": {raw.takes: {"schema": {"type": "string"}}}}
    return operation


_SOCKET: Json = {"description": "a WebSocket"}


def _raw_success(raw: RawRoute, schemas: _Schemas) -> Json:
    if raw.method == "WS":
        return {"101": _SOCKET}
    if raw.status == 204:
        return {"204": {"description": "done"}}
    content = {raw.media_type: {"schema": _raw_schema(raw, schemas)}}
    responses: Json = {str(raw.status): {"description": "OK", "content": content}}
    if re.match(_BYTES, raw.media_type):
        responses["304"] = {"description": "the client has these bytes"}
        responses["206"] = {"description": "the bytes of Range", "content": content}
    for status, words in raw.also:
        responses[str(status)] = {"description": words}
    return responses


def _raw_schema(raw: RawRoute, schemas: _Schemas) -> Json:
    if raw.returns is not None:
        return schemas.of(raw.returns, "serialization")
    if re.match(_BYTES, raw.media_type):
        return {"type": "string", "format": "binary", "contentMediaType": raw.media_type}
    return {} if raw.media_type == "application/json" else {"type": "string"}


def _raw_problems(raw: RawRoute) -> set[int]:
    statuses = {410} if raw.query is not None else set[int]()
    if "{" in raw.path:
        statuses |= {404, 409, 410}
    if raw.method == "WS":
        statuses |= {426, 429}
    elif raw.method != "GET":
        statuses |= {409, 413, 415, 502}
    if re.match(_BYTES, raw.media_type):
        statuses |= {412, 416}
    return statuses


def _successes(route: Route) -> list[int]:
    """An existing resource is answered with 200 where a new one is 201."""
    return [*({200} if route.status == 201 else ()), route.status, *route.also]


def _success(route: Route, schemas: _Schemas) -> Json:
    if route.returns is not None:
        schema = schemas.of(route.returns, "serialization")
    elif route.items is not None or (route.query is not None and issubclass(route.query, Page)):
        schema = _page_schema(route, schemas)
    else:
        schema = {"type": "object"}
    return {"description": "OK", "content": {"application/json": {"schema": schema}}}


def _page_schema(route: Route, schemas: _Schemas) -> Json:
    item = {"type": "object"} if route.items is None else schemas.of(route.items, "serialization")
    return {
        "type": "object",
        "required": ["items", "next_cursor", "as_of_seq"],
        "properties": {
            "items": {"type": "array", "items": item},
            "next_cursor": {"type": ["string", "null"]},
            "as_of_seq": {"type": "integer"},
        },
    }


def _problems(route: Route) -> Json:
    statuses = set[int]()
    if "{" in route.path or route.method != "GET":
        statuses |= {404, 409, 410}
    if route.method != "GET":
        statuses |= {412, 413, 415, 507}
    return {**_references(statuses), "default": {"$ref": "#/components/responses/Problem"}}


def _references(statuses: set[int]) -> Json:
    wanted = sorted(statuses | _ALWAYS)
    return {str(each): {"$ref": f"#/components/responses/Problem{each}"} for each in wanted}


def _problem(words: str) -> Json:
    return {
        "description": words,
        "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _path_parameters(path: str, schemas: _Schemas) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": schemas.of_path.get(name, {"type": "string", "pattern": "^[^/]+$"}),
        }
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _query_parameters(model: type[BaseModel] | None, schemas: _Schemas) -> list[Json]:
    if model is None:
        return []
    schema = schemas.resolved(model)
    required = set(schema.get("required", ()))
    parameters = []
    for name, each in schema.get("properties", {}).items():
        parameter: Json = {"name": name, "in": "query", "required": name in required, "schema": each}
        if "description" in each:
            parameter["description"] = each["description"]
        parameters.append(parameter)
    return parameters


def _operation_id(method: str, path: str) -> str:
    return re.sub(r"\W+", "_", f"{method.lower()}{path}").strip("_")
