"""Dataset runs as requests and resources of the API."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from appliance.box.datasets.model import Mode
from appliance.box.datasets.plays.prompts import BOX_TEMPLATE
from appliance.box.datasets.plays.split import SplitUnit
from appliance.box.datasets.runs.spec import Format
from appliance.kernel.fields import Input
from appliance.kernel.paging import Page

GameId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_-]+$")]


class TriggerIn(Input):
    """POST /: the trigger of the first pipeline. Without game_id it is 400, as there."""

    game_id: GameId | None = None


class DatasetRunIn(Input):
    """POST /dataset-runs. On a box without other settings a game is a session."""

    game_ids: Annotated[list[GameId], Field(min_length=1, max_length=1000)]
    mode: Mode = "transcode"
    formats: Annotated[list[Format], Field(min_length=1, max_length=4)] = Field(default=["seed"])
    split_seed: Annotated[str, Field(max_length=200)] = "0"
    split_unit: SplitUnit = "play"
    template: Annotated[str, Field(max_length=4000)] = BOX_TEMPLATE


class DatasetRunPage(Page):
    """Query of GET /dataset-runs."""


class GameAnswer(BaseModel):
    """A game of a run. `error` and `reason`: why it failed."""

    game_id: str
    status: Literal["waiting", "processing", "completed", "failed"]
    message: str
    total_plays: int
    successful_clips: int
    failed_clips: int
    jsonl_files: dict[str, str] | None
    error: str | None = None
    reason: str | None = None
    training_plays: int = 0
    validation_plays: int = 0
    failures: list[dict[str, Any]] = Field(default=[], description="the first 100, with their reasons")


class DatasetRun(BaseModel):
    """A run, with the fields of the first pipeline's three answers: those of the whole run, and of its game
    where it has one alone."""

    id: str
    run_id: str
    status: Literal["processing", "completed", "failed", "canceled"]
    message: str
    game_id: str | None
    total_plays: int
    successful_clips: int
    failed_clips: int
    jsonl_files: dict[str, str] | None
    clips: int
    clips_wanted: int
    games: list[GameAnswer]
    problem: str | None
    request: dict[str, Any]
    created_at: str
    updated_at: str
    created_by: str
