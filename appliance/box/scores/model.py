"""A score as an operator reports it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field

from appliance.kernel.clock import to_rfc3339
from appliance.kernel.fields import Input

Points = Annotated[int, Field(ge=0, le=999)]


class ScoreIn(Input):
    """POST /sessions/{id}/score."""

    home: Points
    away: Points
    period: Annotated[int, Field(ge=1, le=99)] | None = None
    clock: Annotated[str, Field(min_length=1, max_length=16, description="as on the scoreboard")] | None = (
        None
    )


class Score(BaseModel):
    """Provisional: the official result is the league's."""

    session_id: str
    home: int
    away: int
    period: int | None
    clock: str | None
    observed_at: str
    observed_by: str


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as a resource."""
    names = ("session_id", "home", "away", "period", "clock", "observed_by")
    return {**{name: row[name] for name in names}, "observed_at": to_rfc3339(row["observed_us"])}
