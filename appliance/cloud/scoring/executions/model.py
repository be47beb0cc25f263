"""A run of the pipeline: what it was asked to do, its stages, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

from appliance.cloud.scoring.model import ProviderName
from appliance.kernel import json
from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.fields import Input, Written
from appliance.kernel.paging import Page
from appliance.kernel.tx import Row

BASE: Final = "/api/v2/data-provider"
Operation = Literal["create", "matches", "round", "standings", "knockouts", "import"]
Stage = Literal["validate", "fetch", "transform", "upsert", "report", "notify"]
STAGES: Final[tuple[str, ...]] = ("schedule", "caller", *get_args(Stage))
Status = Literal["in_progress", "completed", "failed"]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run. `input`: of an import the key of the file, its provider and name; of a create the
    rounds to ask for. `repeats`: the execution that is run again, with `is_from_raw` from the answers that it
    kept."""

    operation: Operation
    tournament_id: str
    round: str = ""
    input: dict[str, Any] = field(default_factory=dict)
    repeats: str | None = None
    is_from_raw: bool = False
    attempt: int = 1


@dataclass
class StageFailed(Exception):
    """A stage cannot be done; the text is for people."""

    stage: Stage
    detail: str

    def __str__(self) -> str:
        return self.detail


class Execution(BaseModel):
    """`duration_ms`, `ended_at`: null while it runs. `summary`: counts, by the operation. `report`: addresses
    of the report as JSON and as Markdown."""

    id: str
    operation: Operation
    tournament_id: str
    round: str | None
    status: Status
    stage: str | None
    started_at: str
    ended_at: str | None
    duration_ms: int | None
    failures: int
    summary: dict[str, Any] | None
    error: str | None
    warnings: list[str]
    report: dict[str, str] | None
    repeats: str | None
    attempt: int
    request_id: str
    created_by: str
    rev: int


class RoundResult(BaseModel):
    """`raw`: where the answer is kept."""

    round: str
    provider: str | None
    address: str | None
    raw: str | None
    error: str | None


class ExecutionDetail(Execution):
    rounds: list[RoundResult]


class Done(BaseModel):
    """The answer to an update: 200 once it has ended, 202 while it is in progress."""

    executionId: str
    status: Status
    summary: dict[str, Any] | None = None
    error: str | None = None
    warnings: list[str] | None = None


class ExecutionQuery(Page):
    """Newest first with `order=newest`, as pages show them."""

    tournament_id: str | None = None
    status: Status | None = None
    order: Literal["oldest", "newest"] = "newest"


class UpdateIn(Input):
    """The documents' payload: it may repeat what the address says."""

    tournamentId: str | None = None
    roundSlug: str | None = None


_ROUND: Final = Written(
    r"(?=.{1,120}$)[a-z0-9]+(-[a-z0-9]+)*",
    "a round as GET rounds names it, lower-case letters and digits joined by -, such as matchday-1",
)
_RULES: Final = Written(
    r"[a-z0-9-]{1,40}(:[1-9])?", "the name of a rule-set, with its division where it has some: england:2"
)
RoundSlug = Annotated[str, AfterValidator(_ROUND), WithJsonSchema(_ROUND.schema)]
RulesName = Annotated[str, AfterValidator(_RULES), WithJsonSchema(_RULES.schema)]


class CreateIn(UpdateIn):
    """`rounds`: to ask for, where the provider has no answer for all of them at once."""

    rounds: tuple[RoundSlug, ...] = Field(default=(), max_length=100)


class RunAgainIn(Input):
    """`source`: raw reads the kept answers again, provider asks anew."""

    source: Literal["raw", "provider"] = "provider"


class ImportQuery(Input):
    """Of an import. `name`, `season`, `timezone`, `rules`: of the tournament when it is made."""

    provider: ProviderName = "openfootball"
    rules: RulesName | None = None
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    season: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    timezone: Annotated[str, Field(min_length=1, max_length=64)] | None = None


def execution_resource(row: Row, base_url: str = "") -> dict[str, Any]:
    """`base_url`: of this service, in front of the addresses of the reports."""
    ended_us = row["ended_us"]
    report = f"{base_url}{BASE}/reports/{row['id']}"
    return {
        "id": row["id"],
        "operation": row["operation"],
        "tournament_id": row["tournament_id"],
        "round": row["round"] or None,
        "status": row["status"],
        "stage": row["stage"] or None,
        "started_at": to_rfc3339(row["started_us"]),
        "ended_at": optional_rfc3339(ended_us),
        "duration_ms": None if ended_us is None else (ended_us - row["started_us"]) // 1000,
        "failures": row["failures"],
        "summary": _stored(row["summary"]),
        "error": row["error"],
        "warnings": _stored(row["warnings"]) or [],
        "report": {kind: f"{report}.{end}" for kind, end in (("json", "json"), ("markdown", "md"))}
        if row["report_key"]
        else None,
        "repeats": row["repeats"],
        "attempt": row["attempt"],
        "request_id": row["request_id"],
        "created_by": row["created_by"],
        "rev": row["rev"],
    }


def done_resource(row: Row) -> dict[str, Any]:
    """The body of 200 or 202."""
    answer: dict[str, Any] = {"executionId": row["id"], "status": row["status"]}
    if row["status"] == "in_progress":
        return answer
    answer["summary"] = _stored(row["summary"]) or {}
    if row["error"]:
        answer["error"] = row["error"]
    if warnings := _stored(row["warnings"]):
        answer["warnings"] = warnings
    return answer


def round_resource(row: Row) -> dict[str, Any]:
    return {
        "round": row["round"],
        "provider": row["provider"] or None,
        "address": row["address"] or None,
        "raw": row["raw_key"],
        "error": row["error"],
    }


def _stored(text: str | None) -> Any:
    return None if text is None else json.decode_stored(text)
