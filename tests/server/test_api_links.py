"""Links from an answer to the next requests, which a tool can follow without knowing the domains."""

from __future__ import annotations

from typing import Any

from tests.server.conftest import Box
from tests.server.test_openapi import document

__all__ = ["document"]


async def test_a_new_session_leads_to_its_own_requests(document: dict[str, Any], box: Box) -> None:
    made = document["paths"]["/sessions"]["post"]["responses"]["201"]["links"]
    assert made["get_sessions_session_id"] == {
        "operationId": "get_sessions_session_id",
        "parameters": {"session_id": "$response.body#/id"},
    }
    assert {"post_sessions_session_id_start", "delete_sessions_session_id"} <= made.keys()


async def test_a_list_leads_to_its_first(document: dict[str, Any]) -> None:
    listed = document["paths"]["/sessions"]["get"]["responses"]["200"]["links"]
    link = listed["patch_sessions_session_id"]
    assert link["parameters"] == {"session_id": "$response.body#/items/0/id"}


async def test_every_link_leads_to_an_operation_that_takes_it(document: dict[str, Any]) -> None:
    operations = {each["operationId"]: each for path in document["paths"].values() for each in path.values()}
    links = [
        link
        for operation in operations.values()
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    ]
    assert links
    for link in links:
        taken = {each.get("name") for each in operations[link["operationId"]]["parameters"]}
        assert link.get("parameters", {}).keys() <= taken
