"""football-data.org, version 4 of its REST interface. Its token is sent as X-Auth-Token, to its own address
only.

A tournament's reference is the competition's code, with a season where it is not the present one: PL,
PL/2024.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from appliance.cloud.scoring.providers.calls import get
from appliance.cloud.scoring.providers.model import ProviderFailed, Wanted
from appliance.network.outbound import Outbound

URL: Final = "https://api.football-data.org/v4"
_REFERENCE: Final = re.compile(r"([A-Za-z0-9]{2,8})(?:/(\d{4}))?")


@dataclass(frozen=True, slots=True)
class FootballData:
    """`token`: "" for none; requests without one are few."""

    outbound: Outbound
    token: str
    url: str = URL
    name: str = "football-data"

    def address(self, wanted: Wanted) -> str:
        found = _REFERENCE.fullmatch(wanted.reference)
        if found is None:
            detail = "a reference of football-data is a code with or without a season: PL, PL/2024"
            raise ProviderFailed("bad_reference", detail)
        day = wanted.number if wanted.kind == "league" else None
        query = [f"season={found[2]}"] if found[2] else []
        query += [f"matchday={day}"] if day is not None else []
        path = f"{self.url.rstrip('/')}/competitions/{found[1].upper()}/matches"
        return f"{path}?{'&'.join(query)}" if query else path

    async def fetch(self, address: str) -> bytes:
        headers = {"accept": "application/json"}
        if self.token:
            headers["x-auth-token"] = self.token
        return await get(self.outbound, address, self.name, headers)
