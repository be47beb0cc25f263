"""MediaMTX's hooks: hints that a channel's directory has changed.

Owns: their JSON. Must not know: who reads the directory; a lost hint costs only time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from appliance.kernel.errors import invalid

_CHANNEL: Final = re.compile(r"[a-z0-9_-]{1,32}")

HookEvent = Literal["available", "unavailable", "segment-create", "segment-complete"]
_HOOK_EVENTS: Final[dict[str, HookEvent]] = {
    "available": "available",
    "unavailable": "unavailable",
    "segment-create": "segment-create",
    "segment-complete": "segment-complete",
}
_HOOK_FIELDS: Final = {"event", "path", "segment", "duration"}


@dataclass(frozen=True, slots=True)
class Hook:
    """A hint: check this channel's directory now."""

    event: HookEvent
    channel_id: str
    segment: str | None = None  # file name


def parse_hook(body: object) -> Hook:
    """The JSON body of POST /mediamtx/hook (config/mediamtx-hook). Raises Refused naming the field."""
    if not isinstance(body, dict):
        raise invalid("body", "must be a JSON object")
    for name in body:
        if name not in _HOOK_FIELDS:
            raise invalid(str(name), f"is not known; there are {', '.join(sorted(_HOOK_FIELDS))}")
    event, path, segment = body.get("event"), body.get("path"), body.get("segment") or None
    if not isinstance(event, str) or event not in _HOOK_EVENTS:
        raise invalid("event", f"must be one of {', '.join(_HOOK_EVENTS)}")
    if not isinstance(path, str) or not _CHANNEL.fullmatch(path):
        raise invalid("path", "must be a channel id: a-z, 0-9, _ and -, at most 32")
    if segment is not None and (not isinstance(segment, str) or "/" in segment or len(segment) > 255):
        raise invalid("segment", "must be a file name")
    return Hook(_HOOK_EVENTS[event], path, segment)


@dataclass(slots=True)
class HookCalls:
    """Counts of the calls of MediaMTX's hook."""

    by_event: dict[str, int] = field(default_factory=dict)

    def count(self, event: str) -> None:
        self.by_event[event] = self.by_event.get(event, 0) + 1

    def figures(self) -> Mapping[str, float]:
        return {event: float(count) for event, count in self.by_event.items()}
