"""Links of the OpenAPI document: which requests can follow from an answer.

Owns: the rule that an answer's `id` is the next request's `{session_id}`, `{play_id}` ... By these links a
tool gets from a new session to its clips without knowing the domains. Must not know the collections: the
domains' routes name them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from appliance.http.api import Collection

Json = dict[str, Any]
Collections = Mapping[str, Collection]  # by name


def add_links(paths: Json, collections: Collections) -> None:
    """Add `links` to every success with one resource, and to the first item of a list."""
    for path, methods in paths.items():
        collection = _collection(path, collections)
        for method, operation in methods.items():
            if collection is None or method == "delete":
                continue
            is_list = method == "get" and path == f"/{collection.name}"
            for status, response in operation["responses"].items():
                if status in ("200", "201") and "application/json" in response.get("content", {}):
                    at = "#/items/0" if is_list else "#"
                    response["links"] = dict(_links(paths, collection, collections, at))


def _collection(path: str, collections: Collections) -> Collection | None:
    """The collection of a path's answer: /sessions/{session_id}/start answers with a session, .../clips does
    not."""
    first, *rest = path.strip("/").split("/")
    collection = collections.get(first)
    if collection is None or (rest and rest[0] != f"{{{collection.parameter}}}"):
        return None
    return collection if len(rest) < 2 or rest[1] in collection.commands else None


def _links(
    paths: Json, collection: Collection, collections: Collections, at: str
) -> Iterator[tuple[str, Json]]:
    parameter = collection.parameter
    fields_of = {f"/{each.name}": each.made_from.get(collection.name) for each in collections.values()}
    for path, methods in paths.items():
        fields = fields_of.get(path)
        for method, operation in methods.items():
            name = operation["operationId"]
            if re.findall(r"\{(\w+)\}", path) == [parameter] and "101" not in operation["responses"]:
                yield name, {"operationId": name, "parameters": {parameter: f"$response.body{at}/id"}}
            elif method == "post" and fields is not None:
                body = {field: f"$response.body{at}{place[1:]}" for field, place in fields.items()}
                yield name, {"operationId": name, "requestBody": body}
