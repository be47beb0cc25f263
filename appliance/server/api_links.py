"""Links of the OpenAPI document: which requests can follow from an answer.

Owns: the rule that an answer's `id` is the next request's `{session_id}`, `{play_id}` ... Tools that walk an
API by its links get from a new session to its clips without knowledge of football.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

COLLECTIONS = {
    "sessions": "session_id",
    "plays": "play_id",
    "clips": "clip_id",
    "tags": "tag_id",
    "channels": "channel_id",
}
_FIELDS = {  # fields of an answer of the collection -> the body fields of POST requests that they fill
    "sessions": {"/plays": {"session_id": "#/id"}, "/clips": {"session_id": "#/id"}},
    "plays": {"/tags": {"clip_id": "#/clip_ids/0"}},
    "clips": {"/tags": {"clip_id": "#/id"}},
}


def add_links(paths: Json) -> None:
    """Add `links` to every success with one resource, and to the first item of a list."""
    for path, methods in paths.items():
        collection = _collection(path)
        for method, operation in methods.items():
            if collection is None or method == "delete":
                continue
            is_list = method == "get" and path == f"/{collection}"
            for status, response in operation["responses"].items():
                if status in ("200", "201") and "application/json" in response.get("content", {}):
                    response["links"] = dict(_links(paths, collection, "#/items/0" if is_list else "#"))


def _collection(path: str) -> str | None:
    """The collection of a path's answer: /sessions/{session_id}/start answers with a session, .../clips does
    not."""
    first, *rest = path.strip("/").split("/")
    parameter = COLLECTIONS.get(first)
    if parameter is None or (rest and rest[0] != f"{{{parameter}}}"):
        return None
    verbs = ("start", "pause", "resume", "complete", "reopen", "restore", "end", "cue", "favorite", "retry")
    return first if len(rest) < 2 or rest[1] in (*verbs, "activate", "deactivate", "error") else None


def _links(paths: Json, collection: str, at: str) -> Iterator[tuple[str, Json]]:
    parameter = COLLECTIONS[collection]
    for path, methods in paths.items():
        fields = _FIELDS.get(collection, {}).get(path)
        for method, operation in methods.items():
            name = operation["operationId"]
            if re.findall(r"\{(\w+)\}", path) == [parameter] and "101" not in operation["responses"]:
                yield name, {"operationId": name, "parameters": {parameter: f"$response.body{at}/id"}}
            elif method == "post" and fields is not None:
                body = {field: f"$response.body{at}{place[1:]}" for field, place in fields.items()}
                yield name, {"operationId": name, "requestBody": body}
