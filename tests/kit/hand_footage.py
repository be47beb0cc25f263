"""Footage that a test changes by hand, and plans without media, for code that only needs times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from appliance.kernel.signal import Signal
from appliance.media.cut.coverage import MissingSpan
from appliance.media.cut.plan import NoFootage, Plan, Range
from appliance.media.index.spans import Gap, Standing
from appliance.media.index.view import SegmentView


@dataclass
class HandFootage:
    """One channel: video up to `until_us`, and the other values a waiting clip reads."""

    until_us: int | None = None
    age_s: float | None = 0.1
    begun_after: bool = False
    down: bool = False
    news: str = ""  # the index's state string for any span
    published_gaps: Sequence[Gap] = ()  # for any span
    stands: Standing = "in_place"
    moved: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    changed: Signal = field(default_factory=Signal)

    def video_until_us(self, channel_id: str) -> int | None:
        return self.until_us

    def newest_part_age_s(self, channel_id: str) -> float | None:
        return self.age_s

    def run_begun_after(self, channel_id: str, instant_us: int) -> bool:
        return self.begun_after

    def known(self, channel_id: str, start_us: int, end_us: int) -> str:
        return self.news

    def standing(
        self, channel_id: str, cut_from: Sequence[tuple[str, int, int]], start_us: int, end_us: int
    ) -> Standing:
        return self.stands

    def take_moved(self) -> Mapping[str, Sequence[tuple[int, int]]]:
        taken, self.moved = self.moved, {}
        return taken

    def gaps(self, channel_id: str, start_us: int, end_us: int) -> Sequence[Gap]:
        return self.published_gaps

    async def views(self, channel_id: str, start_us: int, end_us: int) -> Sequence[SegmentView]:
        return []

    def open_fd(self, name: str) -> int:
        raise FileNotFoundError(name)

    def grow(self, until_us: int) -> None:
        self.until_us = until_us
        self.changed.notify()


@dataclass
class HandPlanner:
    """Plans that cover what `footage` has; records the calls."""

    footage: HandFootage
    asked: list[tuple[str, int, int, int]] = field(default_factory=list)
    error: Exception | None = None
    made: list[tuple[int, int, int]] = field(default_factory=list)

    async def __call__(self, channel_id: str, start_us: int, end_us: int, latency_us: int) -> Plan:
        self.asked.append((channel_id, start_us, end_us, latency_us))
        if self.error is not None:
            raise self.error
        if self.footage.until_us is None or self.footage.until_us - latency_us <= start_us:
            raise NoFootage("nothing there")
        shown = start_us, end_us, min(end_us, self.footage.until_us - latency_us)
        if shown not in self.made:
            self.made.append(shown)
        return with_header(plan_of(*shown), b"header" + b"+" * self.made.index(shown))


def with_header(plan: Plan, header: bytes) -> Plan:
    """The same plan with other bytes before its ranges: a different cut."""
    return replace(plan, header=header, size=plan.size - len(plan.header) + len(header))


def plan_of(start_us: int, end_us: int, covered_until_us: int) -> Plan:
    """A realistic plan of one range; what is after `covered_until_us` is missing."""
    missing = () if covered_until_us >= end_us else (MissingSpan(covered_until_us, end_us, "no_footage"),)
    return Plan(
        header=b"header",
        ranges=(Range("cam1/a.mp4", 100, 50),),
        size=56,
        preroll_s=0.5,
        duration_s=(covered_until_us - start_us) / 1e6,
        frames=10,
        media_spans=(("run", 0, 1),),
        coverage_start_us=start_us,
        coverage_end_us=covered_until_us,
        missing=missing,
        width=320,
        height=180,
        codec="avc1",
        latency_us=0,
        settled=True,
    )
