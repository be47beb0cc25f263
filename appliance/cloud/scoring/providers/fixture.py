"""Invented seasons whose results come with time: for the demo and for tests, without a network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from appliance.cloud.scoring.providers.invented_season import recipe, season
from appliance.cloud.scoring.providers.model import ProviderFailed, Wanted
from appliance.kernel import json
from appliance.kernel.clock import Clock

_SCHEME = "fixture:"


@dataclass(frozen=True, slots=True)
class Fixture:
    """`clock`: of this machine; a match has its result some time after its kick-off."""

    clock: Clock
    name: str = "fixture"

    def address(self, wanted: Wanted) -> str:
        if recipe(wanted.reference) is None:
            detail = "a reference of fixture is as league-10@2026-08-15 or cup-8@2026-11-01T18:30"
            raise ProviderFailed("bad_reference", detail)
        return f"{_SCHEME}{wanted.reference}"

    async def fetch(self, address: str) -> bytes:
        given = recipe(address.removeprefix(_SCHEME))
        if given is None:
            raise ProviderFailed("bad_reference", f"{address[:80]} is no invented season")
        now = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.clock.now_us())
        return json.encode(season(given, now))
