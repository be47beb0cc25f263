"""Requests from the OpenAPI document: no internal error, no undocumented status."""

from __future__ import annotations

from random import Random

import pytest

from appliance.access.roles import ROLES
from tests.attacks.cases import Case, breaches_of, case
from tests.attacks.schema import walk
from tests.attacks.target import Target

pytestmark = pytest.mark.slow
COUNT = 1300
BY_ROLE = 25


async def test_answers_are_as_documented(target: Target) -> None:
    report = await walk(target, Random(4), COUNT)
    assert report.faults == []
    assert report.statuses[200] + report.statuses[201] > COUNT / 20, "some were what they should be"
    assert report.statuses[422] > COUNT / 20
    await target.must_live()


@pytest.mark.parametrize("role", ["", *ROLES])
async def test_a_role_gets_what_the_document_says_and_nothing_else(target: Target, role: str) -> None:
    if not target.tokens:
        pytest.skip("this box has given us no tokens")
    report = await walk(target, Random(len(role)), BY_ROLE, role)
    assert report.faults == []
    assert report.statuses.total() == BY_ROLE


@pytest.mark.parametrize(
    ("role", "status", "body", "is_breach"),
    [
        ("coach", 201, b"{}", False),
        ("coach", 422, b"{}", False),
        ("coach", 403, b'{"code":"not_allowed"}', True),
        ("coach", 401, b'{"code":"not_paired"}', True),
        ("capture", 403, b'{"code":"not_allowed"}', False),
        ("capture", 201, b"{}", True),
        ("capture", 422, b"{}", True),
        ("capture", 409, b"{}", True),
        ("", 401, b'{"code":"not_paired"}', False),
        ("", 200, b"{}", True),
    ],
)
def test_a_breach_of_the_matrix_is_noticed(role: str, status: int, body: bytes, is_breach: bool) -> None:
    document = {"paths": {"/plays": {"post": {"x-roles": ["coach", "admin"]}}}}
    found = breaches_of(document, Case("POST", "/plays", "/plays"), role, status, body)
    assert bool(found) == is_breach


def test_a_case_is_the_same_for_the_same_seed() -> None:
    document = {
        "paths": {
            "/a/{x}": {
                "get": {
                    "parameters": [{"name": "x", "in": "path", "schema": {"type": "string"}}],
                    "responses": {"200": {}},
                }
            }
        }
    }
    assert [case(document, Random(n), {}) for n in range(40)] == [
        case(document, Random(n), {}) for n in range(40)
    ]
