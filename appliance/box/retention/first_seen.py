"""Recordings that existed before the box had their channel, or that folder: they are not deleted at once.

After adding a channel for a folder of old recordings, or changing recordings_dir, everything that is old
enough would be deleted within seconds. So recordings written before retention first saw a channel wait like a
changed setting does. For the channels of a first start, ages apply at once (its free space is handled by
grace.py). Owns: when each channel was first seen, and in which folder. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class FirstSeen:
    """`since_us`: by channel, box time when it was first seen in `folder`; 0: at the first start."""

    folder: str = ""
    since_us: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"folder": self.folder, "since_us": dict(self.since_us)}

    @classmethod
    def from_json(cls, data: Any) -> FirstSeen:
        """Raises KeyError, TypeError, ValueError or AttributeError for malformed data."""
        return cls(
            str(data["folder"]), {str(channel_id): int(us) for channel_id, us in data["since_us"].items()}
        )

    def waiting(self, now_us: int, grace_us: int) -> dict[str, int]:
        """Channels whose earlier recordings still wait, with the time before which recordings count as
        earlier."""
        return {
            channel_id: us for channel_id, us in self.since_us.items() if 0 < us <= now_us < us + grace_us
        }


def meet(
    stored: FirstSeen | None, folder: str, channels: Iterable[str], now_us: int, first: Iterable[str] = ()
) -> FirstSeen:
    """The record once `channels` are followed in `folder`. `first`: channels of a first start, some of which
    may appear a moment later."""
    if stored is None:
        return FirstSeen(folder, dict.fromkeys((*channels, *first), 0))
    known = stored.since_us if stored.folder == folder else {}
    # first seen while the clock was ahead: count from now
    known = {channel_id: min(us, now_us) for channel_id, us in known.items()}
    return FirstSeen(folder, {**dict.fromkeys(channels, now_us), **dict.fromkeys(first, 0), **known})
