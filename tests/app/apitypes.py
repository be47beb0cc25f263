"""TypeScript types of the API's resources, generated from the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TARGET = "appliance/app/state/api.d.ts"
HEADER = "// Made by scripts/api-types from /openapi.json: do not edit. Types only, not served.\n"
WANTED = (
    "Channel", "Clients", "Clip", "Code", "Coverage", "Device", "Health", "LiveClient", "Missing", "Play",
    "QuarterStats", "Readiness", "ReadyPart", "Replay", "ReplayTime", "RunPass", "Session", "SourceState",
    "Stats", "Tag", "TagGroup", "TagOption", "TagTemplate", "ThirdDown", "Timeline", "TimelineGap",
    "TimelineRun", "TimelineSize", "TimelineSpan", "Version",
)  # fmt: skip
SIMPLE = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def api_types(document: Mapping[str, Any]) -> str:
    """The file's text. A property that is always present is not optional."""
    schemas = document["components"]["schemas"]
    return HEADER + "".join(_interface(name, schemas[name]) for name in WANTED)


def _interface(name: str, schema: Mapping[str, Any]) -> str:
    lines = [f"\nexport interface {name} {{"]
    for key, value in schema["properties"].items():
        optional = "" if key in schema.get("required", ()) else "?"
        lines.append(f"  {key}{optional}: {_type(value)};")
    return "\n".join(lines) + "\n}\n"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "enum" in schema:
        return " | ".join(f'"{each}"' for each in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"({_type(schema.get('items', {}))})[]"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return f"Record<string, {_type(inner) if isinstance(inner, dict) else 'any'}>"
    return SIMPLE.get(schema.get("type", ""), "any")
