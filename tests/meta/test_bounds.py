"""Every number a client may send has bounds: SQLite stores 64 bits, Python any size."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

import appliance
from appliance.kernel.fields import Input

GREATEST = 2**53  # the largest integer a browser represents exactly


def inputs() -> list[type[Input]]:
    """Every body and query class of the package."""
    for module in pkgutil.walk_packages(appliance.__path__, "appliance."):
        if module.name.rpartition(".")[2] in (
            "model",
            "http",
            "replay_model",
            "events",
            "paging",
            "requests",
        ):
            importlib.import_module(module.name)
    results: dict[str, type[Input]] = {}

    def collect(cls: type[Input]) -> None:
        for each in cls.__subclasses__():
            if each.__module__.startswith("appliance."):
                results[f"{each.__module__}.{each.__name__}"] = each
            collect(each)

    collect(Input)
    return [results[name] for name in sorted(results)]


def numbers(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every number schema within `schema`, with its path."""
    if isinstance(schema, dict):
        if schema.get("type") in ("integer", "number") and "enum" not in schema and "const" not in schema:
            yield path, schema
        for key, value in schema.items():
            yield from numbers(value, f"{path}.{key}")
    elif isinstance(schema, list):
        for at, value in enumerate(schema):
            yield from numbers(value, f"{path}[{at}]")


@pytest.mark.parametrize("model", inputs(), ids=lambda model: model.__name__)
def test_every_number_has_a_least_and_a_greatest_value(model: type[Input]) -> None:
    for path, schema in numbers(model.model_json_schema()):
        least = schema.get("minimum", schema.get("exclusiveMinimum"))
        most = schema.get("maximum", schema.get("exclusiveMaximum"))
        assert least is not None and most is not None, f"{path}: {schema}"
        assert -GREATEST <= least <= most <= GREATEST


def test_the_inputs_are_found() -> None:
    names = {each.__name__ for each in inputs()}
    assert {"ClipQuery", "Mark", "Heartbeat", "EventsQuery", "TimelineQuery", "SessionIn", "Page"} <= names
