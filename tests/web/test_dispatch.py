"""Which route a path means."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.web.api import RawRoute
from appliance.web.dispatch import Table, path_pattern


async def nothing(scope: Any, receive: Any, send: Any, parameters: dict[str, str]) -> None:
    """A handler that is only looked up."""


def found(table: Table[RawRoute], method: str, path: str) -> tuple[str, dict[str, str]] | None:
    match = table.find(method, path)
    return None if match is None else (match[0].path, match[1])


def test_literal_paths_win_over_parameters_in_any_order() -> None:
    routes = [
        RawRoute("GET", path, nothing)
        for path in ("/clips/{id}/{what}", "/clips/{id}/stream", "/clips/new/x")
    ]
    table = Table(routes)
    assert found(table, "GET", "/clips/new/x") == ("/clips/new/x", {})
    assert found(table, "GET", "/clips/c1/stream") == ("/clips/{id}/stream", {"id": "c1"})
    assert found(table, "GET", "/clips/c1/thumb") == ("/clips/{id}/{what}", {"id": "c1", "what": "thumb"})


def test_get_serves_head_and_nothing_else() -> None:
    table = Table([RawRoute("GET", "/a", nothing), RawRoute("WS", "/a", nothing)])
    assert found(table, "HEAD", "/a") and found(table, "WS", "/a")
    assert found(table, "POST", "/a") is None


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/clips/c1/m12/end-zone.mp4", {"id": "c1", "rev": "12", "name": "end-zone"}),
        ("/clips/c1/m12/a.b.mp4", {"id": "c1", "rev": "12", "name": "a.b"}),
        ("/clips/c1/m12/.mp4", None),
        ("/clips/c1/m12/xmp4", None),
        ("/clips/c1/d/m12/x.mp4", None),
        ("/clips/c1/m12/x.mp4/", None),
        ("/clips/c1/m12/x.mp4\n", None),
    ],
)
def test_a_parameter_is_part_of_one_segment(path: str, parameters: dict[str, str] | None) -> None:
    match = path_pattern("/clips/{id}/m{rev}/{name}.mp4").fullmatch(path)
    assert (match.groupdict() if match else None) == parameters
