"""Field types of requests: a rule behaves the same in every domain."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from appliance.kernel.fields import ChannelKey, Input, Instant, Name, Section, Uuid, known_zone


class Mark(Input):
    id: Uuid | None = None
    at: Instant | None = None
    name: Name = "x"
    channel: ChannelKey = "cam1"
    share: float = 0.0


class Part(Section):
    size: int = 1


def loc_of(error: ValidationError) -> str:
    return ".".join(str(part) for part in error.errors()[0]["loc"])


@pytest.mark.parametrize(
    ("sent", "loc"),
    [
        ({"nmae": "x"}, "nmae"),
        ({"id": "42"}, "id"),
        ({"at": "14:23:15"}, "at"),
        ({"at": 1_795_203_000}, "at"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"channel": "Cam 1"}, "channel"),
        ({"channel": "../etc"}, "channel"),
        ({"channel": "a" * 33}, "channel"),
        ({"share": float("nan")}, "share"),
        ({"share": float("inf")}, "share"),
    ],
)
def test_a_wrong_field_is_named(sent: dict[str, Any], loc: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Mark(**sent)
    assert loc_of(caught.value) == loc


def test_valid_fields_are_converted_to_their_types() -> None:
    mark = Mark(
        id="0193B2F0-7C1E-7A55-9D3E-1F2A3B4C5D6E",
        at="2026-11-20T19:30:00Z",  # type: ignore[arg-type]
    )
    assert mark.id == "0193b2f0-7c1e-7a55-9d3e-1f2a3b4c5d6e"
    assert mark.at == 1_795_203_000_000_000


def test_an_error_does_not_contain_the_value_that_was_sent() -> None:
    with pytest.raises(ValidationError) as caught:
        Mark.model_validate({"share": "secret"})
    assert "secret" not in str(caught.value)


def test_settings_are_frozen() -> None:
    part = Part()
    with pytest.raises(ValidationError):
        part.size = 2


def test_the_api_shows_instants_as_date_times() -> None:
    at = Mark.model_json_schema()["properties"]["at"]
    assert {"type": "string", "format": "date-time"} in at["anyOf"]


@pytest.mark.parametrize("name", ["Europe/Madrid", "UTC"])
def test_a_time_zone_of_this_machine_is_known(name: str) -> None:
    assert known_zone(name) == name


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../etc/passwd", "\0", "x" * 300])
def test_any_other_time_zone_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(ValueError, match="use a name such as Europe/Madrid"):
        known_zone(name)
