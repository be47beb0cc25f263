"""Identifiers: ours sort by time; any RFC 9562 UUID is accepted in one spelling."""

from __future__ import annotations

import uuid

import pytest

from appliance.kernel.ids import canonical_uuid, new_uuid


def test_new_ids_are_uuid7_and_rise() -> None:
    made = [new_uuid() for _ in range(100)]
    assert made == sorted(made) and len(set(made)) == 100
    assert {uuid.UUID(each).version for each in made} == {7}


def test_any_uuid_is_taken_in_lower_case() -> None:
    for text in (str(uuid.uuid4()).upper(), new_uuid(), "00000000-0000-0000-0000-000000000000"):
        assert canonical_uuid(text) == text.lower()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "0193b2f07c1e7a559d3e1f2a3b4c5d6e",
        "urn:0193b2f07c1e7a559d3e1f2a3b4c5d6e",
        "{0193b2f0-7c1e-7a55-9d3e-1f2a3b4c5d6e}",
        "0193b2f0-7c1e-7a55-9d3e-1f2a3b4c5d6g",
        "0193b2f-07c1e-7a55-9d3e-1f2a3b4c5d6e",
        "../../../../../../../../etc/passwd00",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a UUID"):
        canonical_uuid(text)
