"""The demo's competitions: a league in the middle of its season, and a cup. They are made by the API, as an
operator would: the provider of invented seasons is asked, and its answers go through the pipeline as any
other.

Owns: which competitions the demo has, and on which days they begin.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from appliance.cloud.client.calls import ServiceCalls, ServiceRefused, open_calls

_ROUNDS_PLAYED: Final = 7  # of the league, a week each: round 8 is today
_TOURNAMENTS: Final = "/api/v2/tournaments"


@dataclass(frozen=True, slots=True)
class SampleSeason:
    """`reference`: of the invented season (scoring/providers/invented_season.py)."""

    id: str
    name: str
    rules: str
    reference: str


def sample_seasons(today: date) -> tuple[SampleSeason, ...]:
    """The league has a round today, the cup its semi-finals."""
    begun, drawn = today - timedelta(weeks=_ROUNDS_PLAYED), today - timedelta(weeks=1)
    return (
        SampleSeason("demo-league", "Demo League", "england:1", f"league-10@{begun}"),
        SampleSeason("demo-cup", "Demo Cup", "default", f"cup-8@{drawn}T12:00"),
    )


async def make_sample_seasons(url: str, token: str, league_id: str | None, today: date) -> None:
    """What is there already stays as it is. Raises ServiceRefused."""
    async with open_calls() as outbound:
        calls = ServiceCalls(outbound, url, token)
        known = {each["id"] for each in (await calls.request("GET", _TOURNAMENTS))["items"]}
        for sample in sample_seasons(today):
            if sample.id in known:
                continue
            await calls.send("POST", _TOURNAMENTS, _body(sample, league_id, today))
            path = f"/api/v2/data-provider/tournaments/{sample.id}/matches"
            answer = await calls.request("POST", path)
            if answer["status"] == "failed":
                raise ServiceRefused(
                    f"{sample.name}: {answer.get('error')}", "see GET /api/v2/data-provider/executions"
                )


def _body(sample: SampleSeason, league_id: str | None, today: date) -> dict[str, Any]:
    first = today.year if today.month > 6 else today.year - 1
    return {
        "id": sample.id,
        "name": sample.name,
        "season": f"{first}-{(first + 1) % 100:02}",
        "timezone": "Europe/Madrid",
        "rules": sample.rules,
        "league_id": league_id,
        "providers": {"fixture": sample.reference},
    }
