"""Requests from the OpenAPI document: no internal error, no undocumented status."""

from __future__ import annotations

from random import Random

import pytest

from tests.attacks.cases import case
from tests.attacks.schema import walk
from tests.attacks.target import Target

pytestmark = pytest.mark.slow
COUNT = 1500


async def test_answers_are_as_documented(target: Target) -> None:
    report = await walk(target, Random(4), COUNT)
    assert report.faults == []
    assert report.statuses[200] + report.statuses[201] > COUNT / 20, "some were what they should be"
    assert report.statuses[422] > COUNT / 20
    await target.must_live()


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
