"""What a run has done so far: its stages, its rounds, what it changed. Becomes the report and the summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
import trio

from appliance.cloud.scoring.executions.model import Stage
from appliance.cloud.scoring.records.apply import ApplySummary
from appliance.cloud.scoring.records.bracket import BracketSummary
from appliance.cloud.scoring.records.tables import StandingsSummary
from appliance.kernel.clock import S_US

log = structlog.get_logger("pipeline")


@dataclass
class RoundRecord:
    """`fallbacks`: providers that were asked before, and why they had no answer. `error`: the round has
    failed. Microseconds."""

    round: str
    provider: str = ""
    address: str = ""
    raw_key: str | None = None
    priority: int = 0
    is_first: bool = False
    error: str | None = None
    fallbacks: Sequence[tuple[str, str]] = ()
    applied: ApplySummary | None = None
    took_us: int = 0

    def row(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "round": self.round,
            "provider": self.provider,
            "address": self.address,
            "raw_key": self.raw_key,
            "priority": self.priority,
            "is_first": int(self.is_first),
            "error": self.error,
        }


@dataclass
class Record:
    """Of one execution. `stage`: the present one, for the error of a run that fails."""

    execution_id: str
    stage: Stage = "validate"
    took_us: dict[str, int] = field(default_factory=dict)
    rounds: list[RoundRecord] = field(default_factory=list)
    table: StandingsSummary | None = None
    bracket: BracketSummary | None = None
    names: dict[str, str] = field(default_factory=dict)
    tournament: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, stage: Stage, **facts: Any) -> Iterator[None]:
        """A block of this stage; the time of blocks of one stage is added up."""
        self.stage = stage
        begun_s = trio.current_time()
        log.info("stage_begun", stage=stage, execution_id=self.execution_id, **facts)
        try:
            yield
        finally:
            took_us = round((trio.current_time() - begun_s) * S_US)
            self.took_us[stage] = self.took_us.get(stage, 0) + took_us

    @property
    def failures(self) -> int:
        return sum(each.error is not None for each in self.rounds)

    def summary(self) -> dict[str, Any]:
        """Counts: of rounds and matches, of rows of tables, of ties."""
        applied = [each.applied for each in self.rounds if each.applied is not None]
        counts: dict[str, Any] = {}
        if self.rounds:
            counts = {
                "operations": len(self.rounds),
                "successes": len(self.rounds) - self.failures,
                "failures": self.failures,
                **{
                    name: sum(getattr(each, name) for each in applied)
                    for name in ("matches", "created", "changed", "unchanged")
                },
                "defects": [
                    {"line": each.line, "code": each.code, "detail": each.detail, "hint": each.hint}
                    for summary in applied
                    for each in summary.defects
                ][:DEFECTS_MAX],
            }
        if self.table is not None:
            counts["table"] = {"rows": self.table.rows, "changed": len(self.table.changes)}
        if self.bracket is not None:
            counts["bracket"] = {
                "ties": self.bracket.ties,
                "decided": self.bracket.decided,
                "changed": len(self.bracket.changes),
            }
        return counts


DEFECTS_MAX = 500  # in rows and answers; the report has all of them
