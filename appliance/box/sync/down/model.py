"""What the cloud answers, checked before anything is stored, and what the box's API shows of it.

Owns: the limits of an answer, and what a resource of each kind must have. Pure. Must not know: HTTP, SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.kernel import json
from appliance.kernel.fields import Instant, Uuid
from appliance.kernel.paging import Page

FORMAT: Final = 3
"""Of what is stored. A release that reads more kinds or fields has a higher one, and takes a snapshot."""
RESOURCE_MAX: Final = 256 * 1024  # bytes
CHANGES_MAX: Final = 2000  # in one answer

Kind = Literal["event", "team", "roster", "tournament", "local_copy_wanted"]


class BadAnswer(Exception):
    """What the cloud sent cannot be used. The message is for people."""


class _Seen(BaseModel):
    """Fields that a newer cloud adds are kept and not read."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, str_max_length=4000)


class Side(_Seen):
    team_id: Uuid
    name: str
    short_name: str | None = None


class Event(_Seen):
    """`status`: scheduled, cancelled, or one of a newer cloud."""

    id: Uuid
    league: str
    season: str
    sport: str
    home: Side
    away: Side
    kickoff: Instant | None
    venue: str | None
    site_id: str
    status: str


class Team(_Seen):
    id: Uuid
    name: str
    short_name: str | None = None


class Athlete(_Seen):
    id: Uuid
    name: str
    number: str | None
    position: str | None


class Roster(_Seen):
    team_id: Uuid
    athletes: Annotated[list[Athlete], Field(max_length=1000)]


class Standing(_Seen):
    """A row of a table."""

    team: str
    position: int
    played: int
    won: int
    drawn: int
    lost: int
    goals_for: int
    goals_against: int
    points: int


class Table(_Seen):
    stage: str
    group: str | None
    rows: Annotated[list[Standing], Field(max_length=200)]


class Match(_Seen):
    """`home`, `away`: names of teams, or of places of the bracket; null: not known yet."""

    home: str | None
    away: str | None
    home_score: int | None
    away_score: int | None
    day: str | None
    kickoff: Instant | None
    status: str


class Tournament(_Seen):
    id: str
    name: str
    season: str | None
    tables: Annotated[list[Table], Field(max_length=100)]
    matches: Annotated[list[Match], Field(max_length=100)]


class LocalCopyWanted(_Seen):
    """The cloud has no usable video of this event: it wants the box's."""

    id: Uuid
    event_id: Uuid


KINDS: Final[Mapping[str, type[_Seen]]] = {
    "event": Event,
    "team": Team,
    "roster": Roster,
    "tournament": Tournament,
    "local_copy_wanted": LocalCopyWanted,
}


class _Change(_Seen):
    seq: Annotated[int, Field(ge=0, lt=2**63)]
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    id: Annotated[str, Field(min_length=1, max_length=200)]
    resource: dict[str, Any] | None


class _Answer(_Seen):
    site_id: str
    changes: Annotated[list[_Change], Field(max_length=CHANGES_MAX)]
    cursor: Annotated[str, Field(min_length=1, max_length=200)]
    more: bool = False
    next: Annotated[str | None, Field(max_length=300)] = None


@dataclass(frozen=True, slots=True)
class Change:
    """`resource`: JSON text; None: a tombstone. `refused`: why it is not stored; "" for one that is."""

    seq: int
    kind: str
    id: str
    resource: str | None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """`more`: there are changes after `cursor`. `next`: the following page of a snapshot; None: the last."""

    changes: tuple[Change, ...]
    cursor: str
    more: bool
    next: str | None


def read_answer(value: Mapping[str, Any], site_id: str) -> Answer:
    """The answer for this site: of changes or of a snapshot. Kinds that this release does not know are left
    out. Raises BadAnswer: nothing of it may be stored."""
    try:
        answer = _Answer.model_validate(value)
    except ValidationError as error:
        raise BadAnswer(f"the cloud's answer cannot be read: {_problem(error)}") from None
    if answer.site_id != site_id:
        raise BadAnswer(f"the cloud sent what is for site {answer.site_id[:80]!r}, not for this one")
    changes = tuple(_read_change(change, site_id) for change in answer.changes if change.kind in KINDS)
    return Answer(changes, answer.cursor, answer.more, answer.next)


def _read_change(change: _Change, site_id: str) -> Change:
    """Raises BadAnswer for the resource of another site; one that cannot be read refuses itself alone."""
    if change.resource is None:
        return Change(change.seq, change.kind, change.id, None)
    if change.resource.get("site_id", site_id) != site_id:
        other = str(change.resource["site_id"])[:80]
        raise BadAnswer(f"the cloud sent {change.kind} {change.id}, which is of site {other!r}")
    try:
        KINDS[change.kind].model_validate(change.resource)
    except ValidationError as error:
        return Change(change.seq, change.kind, change.id, None, _problem(error))
    if change.resource.get("id") != change.id:
        return Change(change.seq, change.kind, change.id, None, "id: is another one in the resource")
    text = json.encode(change.resource).decode()
    if len(text) > RESOURCE_MAX:
        return Change(change.seq, change.kind, change.id, None, f"longer than {RESOURCE_MAX} bytes")
    return Change(change.seq, change.kind, change.id, text)


def _problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}"[:300]


# -- what the box's API shows --------------------------------------------------------------------------------


class ReplicasQuery(Page):
    """Query of GET /replicas."""

    kind: Kind | None = None


class Replica(BaseModel):
    """`resource`: as the cloud sent it. `session_id`: of an event, the session that films it."""

    kind: str
    id: str
    resource: dict[str, Any]
    session_id: str | None
    changed_at: str
