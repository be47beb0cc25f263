"""The team's words: [tagging]."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from appliance.kernel.fields import Section

Sport = Literal["football", "basketball", "soccer"]
Words = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S")], ...], Field(max_length=50)
]


class TaggingSettings(Section):
    """[tagging]. An empty list means the sport's default words."""

    sport: Sport = "football"
    play_types: Words = ()
    formations: Words = ()
    results: Words = ()
    players: Words = ()
    labels: Words = ()
