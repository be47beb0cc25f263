"""What is asked of a provider of football data, and what it answers.

Owns: the one interface of all providers. An answer is kept as it came, and read apart from asking: the same
bytes give the same matches at any time. Must not know: databases, tournaments' rows, which provider is asked
first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo
from typing import Protocol

_NUMBER = re.compile(r"(\d{1,3})$")


@dataclass
class ProviderFailed(Exception):
    """No usable answer. `code`: bad_reference, unreachable, refused, timeout, too_large, bad_status,
    bad_answer, not_configured; `detail` is for people and contains no secret."""

    code: str
    detail: str

    def __str__(self) -> str:
        return self.detail


@dataclass(frozen=True, slots=True)
class Wanted:
    """`reference`: what the provider calls the tournament. `round`: its slug, "" for every round. `zone`: of
    times without one; None: not known. `season`: as people write it, "" when it is not known."""

    reference: str
    round: str = ""
    round_name: str = ""
    kind: str = "league"
    season: str = ""
    zone: tzinfo | None = None

    @property
    def number(self) -> int | None:
        """The number at the end of the round's slug: 7 of matchday-7."""
        found = _NUMBER.search(self.round)
        return int(found[1]) if found is not None else None


class Provider(Protocol):
    """A source of matches; readers.py reads its answers."""

    @property
    def name(self) -> str: ...

    def address(self, wanted: Wanted) -> str:
        """Names the answer, for people and for the log: the same address is the same answer, so that a file
        of a whole season is requested once for all of its rounds. Raises ProviderFailed."""
        ...

    async def fetch(self, address: str) -> bytes:
        """The answer as it comes. Raises ProviderFailed."""
        ...


@dataclass(frozen=True, slots=True)
class Configured:
    """A provider as it is configured. `rate_s`: the least time between the starts of two requests, of all
    processes together. Sources with a lower `priority` are asked first."""

    provider: Provider
    rate_s: float
    priority: int
