"""What is asked of a replay, and what the API says of one that is frozen.

Owns: the query of /channels/{id}/replay and replay.mp4, the facts of a plan. Must not know: how it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from appliance.clips.cuts import coverage
from appliance.clips.marks import MarkRules
from appliance.clips.model import Missing
from appliance.kernel.errors import invalid
from appliance.kernel.fields import Input, Instant
from appliance.media.plan import Plan

DEFAULT_S = 20.0  # "what just happened"


def _plus(value: Any) -> Any:
    """A zone's plus sign that was not written as %2B came as a space."""
    return value.replace(" ", "+") if isinstance(value, str) else value


class ReplayQuery(Input):
    """GET /channels/{id}/replay."""

    start: Annotated[Instant, BeforeValidator(_plus)] | None = Field(
        None, description="capture time; default: so that the replay ends with the newest frame"
    )
    duration: Annotated[float, Field(gt=0)] = Field(DEFAULT_S, description="seconds")
    wait: bool = Field(False, description="1: hold until footage that is still coming is there, 15 s at most")


class FrozenQuery(ReplayQuery):
    """GET /channels/{id}/replay.mp4."""

    v: str | None = Field(None, description="names a frozen plan: the bytes never change")


class Replay(BaseModel):
    """A frozen replay, in capture times: `start` is that of the first frame shown, `end` where the last ends.

    A player that ignores edit lists shows `preroll_s` seconds before `start`: it seeks past them.
    """

    url: str
    start: str
    end: str
    duration_s: float
    preroll_s: float
    frames: int
    missing: list[Missing]


@dataclass(frozen=True, slots=True)
class Asked:
    """A replay request, checked. Instants are capture times, microseconds."""

    start_us: int | None
    duration_us: int
    wait: bool


def asked_of(query: ReplayQuery, rules: MarkRules) -> Asked:
    """Raises Refused 422 for a duration longer than any clip may have."""
    if query.duration > rules.clips.max_duration_s:
        raise invalid("duration", f"must be at most {rules.clips.max_duration_s:g} seconds")
    return Asked(query.start, round(query.duration * 1e6), query.wait)


def replay_resource(url: str, plan: Plan) -> dict[str, Any]:
    """The facts of a plan, as `Replay` shows them."""
    return {
        "url": url,
        **coverage(plan),
        "duration_s": plan.duration_s,
        "preroll_s": plan.preroll_s,
        "frames": plan.frames,
    }
