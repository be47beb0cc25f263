"""Recordings that were there before the box knew their channel, or that folder: they are not deleted at once.

A channel added for a folder of old recordings, or another recordings_dir: each is a change after which all
that is old enough would go within seconds. So what was written before retention met a channel waits like a
changed figure does. Of the channels of a first start ages hold at once (its room is grace.py's). Owns: when
each channel was met, and in which folder. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Met:
    """`since_us`: by channel, box time when its recordings were met in `folder`; 0: at the first start."""

    folder: str = ""
    since_us: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"folder": self.folder, "since_us": dict(self.since_us)}

    @classmethod
    def from_json(cls, data: Any) -> Met:
        """Raises KeyError, TypeError, ValueError or AttributeError for what is none."""
        return cls(str(data["folder"]), {str(one): int(us) for one, us in data["since_us"].items()})

    def waiting(self, now_us: int, grace_us: int) -> dict[str, int]:
        """Channels whose earlier recordings still wait, and what was written before when is meant."""
        return {one: us for one, us in self.since_us.items() if 0 < us <= now_us < us + grace_us}


def meet(
    stored: Met | None, folder: str, channels: Iterable[str], now_us: int, first: Iterable[str] = ()
) -> Met:
    """What is known once `channels` are followed in `folder`. `first`: channels of a first start, some of
    which may come up a moment later."""
    if stored is None:
        return Met(folder, dict.fromkeys((*channels, *first), 0))
    known = stored.since_us if stored.folder == folder else {}
    known = {one: min(us, now_us) for one, us in known.items()}  # met while the clock was ahead: from now on
    return Met(folder, {**dict.fromkeys(channels, now_us), **dict.fromkeys(first, 0), **known})
