"""The zones of one table, by position: what is certain, and what is out of reach."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.cloud.scoring.rules.model import WANTED, Zone, zone_at


class ZoneMap:
    """`size`: how many teams the table has."""

    def __init__(self, zones: Sequence[Zone], size: int) -> None:
        self._zones = [None, *(zone_at(zones, position, size) for position in range(1, size + 1))]
        self._size = size
        wanted = [zone is not None and zone.kind in WANTED for zone in self._zones]
        self._is_any = any(wanted)
        self._wanted = [sum(wanted[: position + 1]) for position in range(size + 1)]
        """How many places up to this one a team wants."""

    def name(self, position: int) -> str | None:
        zone = self._zones[position]
        return None if zone is None else zone.name

    def is_one(self, position: int, count: int) -> bool:
        """Are these places in one zone, or all in none?"""
        return all(self._zones[position] is self._zones[position + at] for at in range(count))

    def is_certain(self, position: int, reach: tuple[int, int]) -> bool:
        """The zone of this place, or a better one, whatever happens; of a zone to be avoided: it cannot
        be left."""
        zone = self._zones[position]
        if zone is None:
            return False
        if zone.kind in WANTED:
            return reach[1] <= (zone.last if zone.last > 0 else self._size + 1 + zone.last)
        return reach[0] >= (zone.first if zone.first > 0 else self._size + 1 + zone.first)

    def is_out(self, reach: tuple[int, int]) -> bool:
        """No place that a team wants is within reach, and the table has some."""
        return self._is_any and self._wanted[reach[1]] == self._wanted[reach[0] - 1]
