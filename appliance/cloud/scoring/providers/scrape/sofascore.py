"""SofaScore: JSON that a browser shows as a page. A process of its own opens it (browser_page.py).

A tournament's reference is unique tournament / season, as in its addresses: 17/61627.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from appliance.cloud.scoring.providers.model import ProviderFailed, Wanted

URL: Final = "https://www.sofascore.com/api/v1"
_REFERENCE: Final = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)
_CUP_ROUNDS: Final = {
    "semi-finals": "28/slug/semifinals",
    "quarter-finals": "27/slug/quarterfinals",
    "round-of-16": "5/slug/round-of-16",
    "round-of-32": "6/slug/round-of-32",
    "final": "29/slug/final",
}
"""Cup rounds in its addresses, by the end of our slugs."""

OpenPage = Callable[[str], Awaitable[bytes]]
"""The text of the page at an address. Raises ProviderFailed."""


@dataclass(frozen=True, slots=True)
class SofaScore:
    """`open_page`: opens an address in a browser."""

    open_page: OpenPage
    url: str = URL
    name: str = "sofascore"

    def address(self, wanted: Wanted) -> str:
        """Its answers are rounds: a whole tournament cannot be requested at once."""
        found = _REFERENCE.fullmatch(wanted.reference)
        if found is None:
            detail = "a reference of sofascore is unique tournament / season: 17/61627"
            raise ProviderFailed("bad_reference", detail)
        base = f"{self.url.rstrip('/')}/unique-tournament/{found[1]}/season/{found[2]}/events/round"
        if wanted.kind == "knockout":
            place = next((own for slug, own in _CUP_ROUNDS.items() if wanted.round.endswith(slug)), None)
            if place is not None:
                return f"{base}/{place}"
        elif wanted.number is not None:
            return f"{base}/{wanted.number}"
        raise ProviderFailed(
            "bad_reference", f"sofascore has no address of the round {wanted.round or 'all'!r}"
        )

    async def fetch(self, address: str) -> bytes:
        return await self.open_page(address)
