"""Channels in messages for people: their part of /readyz."""

from __future__ import annotations

from appliance.box.channels.configured import Applied
from appliance.ops.health import HealthPart


def settings_part(applied: Applied | None) -> HealthPart:
    """None: not yet, because the database cannot be written."""
    if applied is None:
        return HealthPart("bad", "the file's channels are not applied yet", "free space on the state disk")
    if not applied.refused:
        return HealthPart("ok", "applied")
    return HealthPart(
        "warn", f"channels {', '.join(applied.refused)} were deleted before", "give them new ids in the file"
    )
