"""The OpenAPI document matches what is served."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from appliance.box.sessions.http import session_routes
from tests.server.conftest import Box
from tests.server.sample import sample_routes


@pytest.fixture
async def document(box: Box) -> dict[str, Any]:
    ignore: Callable[..., None] = lambda *given: None  # noqa: E731
    sessions = session_routes(on_complete=ignore, on_delete=ignore, on_restore=ignore)
    result: dict[str, Any] = (await box.client(sample_routes(), sessions).get("/openapi.json")).json
    return result


async def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


async def test_every_served_path_is_in_it(document: dict[str, Any]) -> None:
    assert {"/notes", "/notes/{note_id}", "/hot", "/raw/{a}/m{rev}/{name}.mp4"} <= document["paths"].keys()
    assert {"/time", "/version", "/healthz", "/readyz", "/metrics", "/snapshot", "/events"} <= document[
        "paths"
    ].keys()
    assert set(document["paths"]["/sessions/{session_id}"]) == {"get", "patch", "delete"}


async def test_every_operation_says_how_it_fails(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
            assert operation["summary"] and operation["tags"]
    problem = document["components"]["responses"]["Problem422"]["content"]
    assert list(problem) == ["application/problem+json"]


async def test_bodies_queries_and_results_carry_their_models(document: dict[str, Any]) -> None:
    create = document["paths"]["/notes"]["post"]
    assert create["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/NoteIn")
    assert create["responses"]["201"]["content"]["application/json"]["schema"]["$ref"].endswith("/Note")
    assert document["components"]["schemas"]["NoteIn"]["additionalProperties"] is False
    listing = document["paths"]["/notes"]["get"]
    assert {each["name"] for each in listing["parameters"]} == {
        "limit",
        "cursor",
        "force",
        "label",
        "starred",
    }
    page = listing["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    assert page["items"]["items"]["$ref"].endswith("/Note") and "next_cursor" in page
    instant = document["components"]["schemas"]["SessionIn"]["properties"]["scheduled_start"]
    assert "date-time" in json.dumps(instant)


async def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
    assert len(ids) == len(set(ids))
