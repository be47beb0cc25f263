"""Answers of the public API, as models."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from appliance.cloud.scoring.model import Mode, Sport


class Curtailed(BaseModel):
    method: str
    on: str


class ExcludedTeam(BaseModel):
    team_id: str
    mode: str
    on: str


class TournamentShown(BaseModel):
    id: str
    name: str
    season: str | None
    sport: Sport
    timezone: str
    rules: str
    mode: Mode | None
    league_id: str | None
    season_id: str | None
    providers: dict[str, str]
    curtailed: Curtailed | None
    excluded_teams: list[ExcludedTeam]
    created_at: str
    created_by: str
    updated_at: str
    rev: int


class Side(BaseModel):
    """`team_id` is null while only the slot is known, such as W49."""

    team_id: str | None
    name: str | None
    slot: str | None


class Score(BaseModel):
    home: int
    away: int


class Official(Score):
    """`reason`, `on` and `by` are null where a provider gave it."""

    on: str | None
    reason: str | None
    by: str | None


class MatchShown(BaseModel):
    """`home_score`, `away_score`: after the regular time, on the pitch. `official` counts instead of it.
    `source`: a provider, or `site`: the stadium's box observed the score."""

    id: str
    tournament_id: str
    event_id: str | None
    round: str
    round_name: str
    kind: str
    stage: str
    group: str
    number: int | None
    leg: int | None
    kickoff: str | None
    date: str | None
    home: Side
    away: Side
    status: Literal["open", "ended", "not-defined"]
    detail: str
    home_score: int | None
    away_score: int | None
    home_penalty_score: int | None
    away_penalty_score: int | None
    half_time: Score | None
    extra_time: Score | None
    decided_by: str | None
    official: Official | None
    provisional: bool
    is_neutral: bool
    is_replay: bool
    source: str
    updated_at: str
    rev: int


class Round(BaseModel):
    """`round`: its name in addresses."""

    round: str
    name: str
    stage: str
    kind: str
    matches: int
    ended: int
    first_date: str | None
    last_date: str | None


class Rounds(BaseModel):
    items: list[Round]


class TableRow(BaseModel):
    """`tie_break`: the criterion that separated the team; `best`, `worst`: places it can still reach."""

    position: int
    shared: bool
    stage: str
    group: str
    team_id: str
    team: str
    played: int
    won: int
    drawn: int
    lost: int
    goals_for: int
    goals_against: int
    goal_difference: int
    points: int
    adjustment: int
    points_per_game: float | None
    zone: str | None
    clinched: bool
    eliminated: bool
    tie_break: str | None
    tie_unresolved: bool
    form: str
    best: int | None
    worst: int | None


class ZoneShown(BaseModel):
    """Positions `first` to `last`; negative ones count from the bottom, -1 is the last place."""

    name: str
    kind: str
    first: int
    last: int


class Standings(BaseModel):
    """The tables that were asked for, one after the other. `provisional`: a match counts that is not over."""

    items: list[TableRow]
    as_of: str | None
    provisional: bool
    rules: str
    zones: list[ZoneShown]


class TieShown(BaseModel):
    """`feeds`: the tie that the winner goes to."""

    id: str
    home: Side
    away: Side
    legs: list[str]
    aggregate: Score | None
    decided_by: str | None
    winner_team_id: str | None
    feeds: str | None


class BracketRound(BaseModel):
    round: str
    name: str
    stage: str
    ties: list[TieShown]


class BracketNote(BaseModel):
    """What a person should look at: `tie` is its id."""

    tie: str
    code: str
    detail: str


class BracketShown(BaseModel):
    rounds: list[BracketRound]
    as_of: str | None
    notes: list[BracketNote]


class Discrepancy(BaseModel):
    """Two sources on a match that has ended: `source` counts, `other_source` contradicts it."""

    id: str
    tournament_id: str
    match_id: str
    source: str
    value: str
    other_source: str
    other_value: str
    created_at: str
    resolved_at: str | None
    rev: int


class Discrepancies(BaseModel):
    items: list[Discrepancy]


class Decision(BaseModel):
    """What a person decided. The other fields are those of its kind."""

    model_config = ConfigDict(extra="allow")

    kind: Literal["adjustment", "official", "tie", "winner", "fact"]
    id: str
    on: str
    reason: str
    created_by: str
    created_at: str


class Decisions(BaseModel):
    items: list[Decision]
