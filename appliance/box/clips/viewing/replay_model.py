"""The request for a replay, and the API resource of a frozen one.

Owns: the query of /channels/{id}/replay and replay.mp4, the facts of a plan. Must not know: how it is made.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from appliance.box.clips.model import Missing
from appliance.box.clips.records.cut_states import coverage
from appliance.box.clips.records.marks import MarkRules
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.errors import invalid
from appliance.kernel.fields import Input, Instant
from appliance.media.cut.plan import Plan
from appliance.media.index.view import MediaClock

DEFAULT_S = 20.0  # "what just happened"
NS = 1_000_000_000
STEP_NS = NS // 2  # sampling step; the box corrects a clock over seconds
LEAST_NS = NS // 500  # a change of rate is reported to a fraction of a frame
EVEN_US = 2
SAME_S = 0.001


def _plus(value: Any) -> Any:
    """A plus sign of a zone that was not written as %2B arrives as a space."""
    return value.replace(" ", "+") if isinstance(value, str) else value


class ReplayQuery(Input):
    """GET /channels/{id}/replay."""

    start: Annotated[Instant, BeforeValidator(_plus)] | None = Field(
        None, description="capture time; default: so that the replay ends with the newest frame"
    )
    duration: Annotated[float, Field(gt=0, le=86_400)] = Field(DEFAULT_S, description="seconds")
    wait: bool = Field(False, description="1: hold until footage that is still coming is there, 15 s at most")


class FrameQuery(Input):
    """GET /channels/{id}/frame.jpg."""

    at: Annotated[Instant, BeforeValidator(_plus)] | None = Field(
        None, description="capture time; default: that of the newest key picture"
    )


class FrozenQuery(ReplayQuery):
    """GET /channels/{id}/replay.mp4."""

    v: str | None = Field(None, description="names a frozen plan: the bytes never change")


class ReplayTime(BaseModel):
    """The picture `at_s` seconds after the first one was captured at `time`."""

    at_s: float
    time: str


class Replay(BaseModel):
    """A frozen replay, in capture times: `start` is that of the first frame shown, `end` where the last ends.

    A player that ignores edit lists shows `preroll_s` seconds before `start`: it must seek past them. Between
    two of the `times`, of which the first is `start` and the last `end`, time is linear: a camera's clock
    runs at its own rate, which changes where the box corrects it.
    """

    url: str
    start: str
    end: str
    duration_s: float
    preroll_s: float
    frames: int
    runs: int
    times: list[ReplayTime]
    missing: list[Missing]


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """A replay request, checked. Instants are capture times, microseconds."""

    start_us: int | None
    duration_us: int
    wait: bool


def check_replay_query(query: ReplayQuery, rules: MarkRules) -> ReplayRequest:
    """Raises Refused 422 for a duration longer than any clip may have."""
    if query.duration > rules.clips.max_duration_s:
        raise invalid("duration", f"must be at most {rules.clips.max_duration_s:g} seconds")
    return ReplayRequest(query.start, round(query.duration * 1e6), query.wait)


def times_of(plan: Plan, clock: MediaClock | None) -> list[tuple[float, int]]:
    """(seconds after the first frame, capture time us), close enough that interpolation is exact to 2 us.

    Over several runs or gaps, or without their clock, only the two ends are known.
    """
    first, last = (0.0, plan.coverage_start_us), (plan.duration_s, plan.coverage_end_us)
    (_, start_ns, end_ns), *more = plan.media_spans
    course = plan.course or ((0.0, start_ns), (1.0, start_ns + NS))
    end_s = _file_s(course, end_ns)
    if clock is None or more or abs(end_s - plan.duration_s) > SAME_S:
        return [first, last]
    inner: list[Point] = []
    edges = [start_ns, *(at for _, at in course[1:-1]), end_ns]
    for begin_ns, until_ns in pairwise(edges):  # between two edges, file time is linear in the run's time
        steps = max(1, (until_ns - begin_ns) // STEP_NS)
        grid = [begin_ns + (until_ns - begin_ns) * each // steps for each in range(steps + 1)]
        rough = [(at, clock.wall_us(at)) for at in grid]
        fine = [rough[0]]
        for point in rough[1:]:
            fine += [*_bends(clock, fine[-1], point), point]
        inner += _straightened(fine)[1:]
    return [first, *((_file_s(course, at), wall_us - plan.latency_us) for at, wall_us in inner[:-1]), last]


def _file_s(course: Sequence[tuple[float, int]], media_ns: int) -> float:
    """Seconds in the file of a media time of the run."""
    at = bisect_right(course, media_ns, 1, len(course) - 1, key=lambda point: point[1])
    (left_s, left_ns), (right_s, right_ns) = course[at - 1], course[at]
    return left_s + (right_s - left_s) * (media_ns - left_ns) / (right_ns - left_ns)


Point = tuple[int, int]


def _bends(clock: MediaClock, left: Point, right: Point) -> list[Point]:
    """The points to add between `left` and `right`, so that linear interpolation between neighbours agrees
    with the clock."""
    at = (left[0] + right[0]) // 2
    middle = (at, clock.wall_us(at))
    if right[0] - left[0] < LEAST_NS or abs(_between(left, right, at) - middle[1]) <= EVEN_US:
        return []
    return [*_bends(clock, left, middle), middle, *_bends(clock, middle, right)]


def _straightened(points: list[Point]) -> list[Point]:
    """Without points that lie on the line between their neighbours."""
    corners = points[:1]
    for point, after in pairwise(points[1:]):
        if abs(_between(corners[-1], after, point[0]) - point[1]) > EVEN_US:
            corners.append(point)
    return [*corners, points[-1]]


def _between(left: Point, right: Point, at: int) -> int:
    return left[1] + (right[1] - left[1]) * (at - left[0]) // (right[0] - left[0])


def replay_resource(url: str, plan: Plan, clock: MediaClock | None) -> dict[str, Any]:
    """The facts of a plan, as `Replay` shows them."""
    return {
        "url": url,
        **coverage(plan),
        "preroll_s": plan.preroll_s,
        "times": [
            {"at_s": round(at_s, 6), "time": to_rfc3339(time_us)} for at_s, time_us in times_of(plan, clock)
        ],
    }
