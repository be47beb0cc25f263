"""A tag's fields (V24), their bounds, and a tag as API resource.

Bounds and signs are those of Hudl's breakdown data, the format of the exports.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from appliance.kernel import json
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.fields import Input, Uuid
from appliance.kernel.paging import Page
from appliance.kernel.tx import Row

FIELDS = (
    "quarter",
    "down",
    "distance",
    "yard_line",
    "play_type",
    "formation",
    "result",
    "yards_gained",
    "players",
    "labels",
    "notes",
    "coach_notes",
    "is_important",
    "is_reviewed",
)
LISTS = ("players", "labels")
FLAGS = ("is_important", "is_reviewed")


def _whole(low: int, high: int) -> Any:
    return Field(ge=low, le=high, strict=True)


def _blank_is_none(value: Any) -> Any:
    """A cleared text box sends "" instead of null."""
    return (value.strip() or None) if isinstance(value, str) else value


def _number_is_text(value: Any) -> Any:
    """A player's jersey number may be sent as a number."""
    return str(value) if type(value) is int else value


def _once_each(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


Quarter = Annotated[int, _whole(1, 5)]
"""1 to 4, 5 is any overtime."""
Down = Annotated[int, _whole(1, 4)]
Distance = Annotated[int, _whole(1, 99)]
YardLine = Annotated[int, _whole(-50, 50)]
"""Own half -1 to -49, midfield 50, opponent's half 49 to 1, goal line 0."""
Yards = Annotated[int, _whole(-99, 109)]
"""A return from deep in the team's own end zone may gain more than the length of the field."""
Word = Annotated[Annotated[str, Field(max_length=100)] | None, BeforeValidator(_blank_is_none)]
Note = Annotated[Annotated[str, Field(max_length=4000)] | None, BeforeValidator(_blank_is_none)]
Item = Annotated[
    str, BeforeValidator(_number_is_text), Field(min_length=1, max_length=100, pattern=r"\S", strict=True)
]
Items = Annotated[list[Item], Field(max_length=50), AfterValidator(_once_each)]
Flag = Annotated[bool, Field(strict=True)]


class TagFields(Input):
    """V24 without the ids. In a PATCH only the fields sent change; null clears."""

    quarter: Quarter | None = None
    down: Down | None = None
    distance: Distance | None = None
    yard_line: YardLine | None = None
    play_type: Word = None
    formation: Word = None
    result: Word = None
    yards_gained: Yards | None = None
    players: Items | None = None
    labels: Items | None = None
    notes: Note = None
    coach_notes: Note = None
    is_important: Flag | None = None
    is_reviewed: Flag | None = None


class TagIn(TagFields):
    """POST /tags. session_id and play_id are the clip's."""

    id: Uuid | None = None
    clip_id: Uuid


class TagPatch(TagFields):
    """PATCH /tags/{id}."""


class TagPage(Page):
    """Query of GET /sessions/{id}/tags."""


class TagQuery(TagPage):
    """Query of GET /tags."""

    session_id: Uuid | None = None
    clip_id: Uuid | None = None
    play_id: Uuid | None = None


class Tag(BaseModel):
    """A tag as the API shows it."""

    id: str
    tag_id: str
    clip_id: str
    session_id: str
    play_id: str | None
    quarter: int | None
    down: int | None
    distance: int | None
    yard_line: int | None
    play_type: str | None
    formation: str | None
    result: str | None
    yards_gained: int | None
    players: list[str]
    labels: list[str]
    notes: str | None
    coach_notes: str | None
    is_important: bool
    is_reviewed: bool
    created_at: str
    updated_at: str
    created_by: str
    rev: int


def tag_columns(fields: dict[str, Any]) -> dict[str, Any]:
    """Validated fields as columns of the row: lists are JSON, flags 0 or 1, null clears both."""
    columns = dict(fields)
    for name in LISTS:
        if name in columns:
            columns[name] = json.encode(columns[name] or []).decode()
    for name in FLAGS:
        if name in columns:
            columns[name] = int(bool(columns[name]))
    return columns


def tag_resource(row: Row) -> dict[str, Any]:
    """The tag as the API shows it."""
    shown = {name: row[name] for name in FIELDS}
    for name in LISTS:
        shown[name] = json.decode_stored(row[name])
    for name in FLAGS:
        shown[name] = bool(row[name])
    return {
        "id": row["id"],
        "tag_id": row["id"],
        **{key: row[key] for key in ("clip_id", "session_id", "play_id")},
        **shown,
        "created_at": to_rfc3339(row["created_us"]),
        "updated_at": to_rfc3339(row["updated_us"]),
        "created_by": row["created_by"],
        "rev": row["rev"],
    }


# -- statistics (V19) ------------------------------------------------------------------------------


class RunPass(BaseModel):
    """Plays tagged Run or Pass, and their shares of both together (0 to 1). All null: there is none."""

    run: int | None
    pass_: int | None = Field(serialization_alias="pass", validation_alias="pass")
    run_share: float | None
    pass_share: float | None


class ThirdDown(BaseModel):
    """attempts: plays with down 3 and a known outcome. pct: 0 to 100. All null: there is none."""

    attempts: int | None
    conversions: int | None
    pct: float | None


class QuarterStats(BaseModel):
    """The same figures over the plays tagged with one quarter. Quarters without plays are left out."""

    quarter: int
    total_plays: int
    run_pass: RunPass
    third_down: ThirdDown


class Stats(BaseModel):
    """GET /sessions/{id}/stats.

    One play counts once, however many cameras and tags it has. Ids of plays are play_id, or clip_id
    where a clip was marked alone. null, never 0, where nothing is tagged; lists are then empty.
    """

    session_id: str
    total_plays: int = Field(description="every play of the session, tagged or not")
    tagged_plays: int
    run_pass: RunPass
    third_down: ThirdDown
    key_plays: list[str] = Field(description="plays that are important or a favourite, by start time")
    touchdowns: list[str] = Field(description="clip ids, every angle, of plays with a touchdown")
    touchdown_plays: list[str]
    by_quarter: list[QuarterStats]
    by_play_type: dict[str, int] | None = Field(description="plays for each play_type, commonest spelling")
    by_result: dict[str, int] | None = Field(description="plays for each result, commonest spelling")
    as_of_seq: int
