"""What goes down to boxes: a record for each kind of resource. A new kind is a new record in KINDS.

Owns: which resources concern a site, what a box gets of each, and which rows of other domains it shows. Reads
tables of any domain, writes none. Must not know: cursors, who has been sent what.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from appliance.cloud.fleet.changes import tournaments
from appliance.kernel.clock import DAY_US, optional_rfc3339, to_rfc3339
from appliance.kernel.tx import ReadTx, Row

WINDOW_US: Final = 14 * DAY_US  # events so long ahead, and so long ago
ROSTER_MAX: Final = 1000  # athletes
EVENT, TEAM, ROSTER, TOURNAMENT = "event", "team", "roster", "tournament"
LOCAL_COPY_WANTED: Final = "local_copy_wanted"

_SITES_EVENTS: Final = (
    "SELECT subject_id FROM site_scope WHERE site_id = :site AND kind = 'event' AND is_removed = 0"
)
_SITES_TEAMS: Final = (
    f"SELECT home_team_id AS id FROM events WHERE id IN ({_SITES_EVENTS})"
    f" UNION SELECT away_team_id AS id FROM events WHERE id IN ({_SITES_EVENTS})"
)
SELF: Final = "subject_id = ?"
# the event's videos are all unusable: what its own box recorded is needed
_NEEDED: Final = (
    "state IN ('failed', 'corrupt', 'lost') AND NOT EXISTS (SELECT 1 FROM sources others"
    " WHERE others.event_id = sources.event_id AND others.state IN ('pending', 'accepted', 'locked'))"
)
_WANTED_COPIES: Final = (
    f"SELECT DISTINCT event_id AS id FROM sources WHERE event_id IN ({_SITES_EVENTS}) AND {_NEEDED}"
)
_IS_ASKED: Final = (
    "EXISTS (SELECT 1 FROM site_scope asked WHERE asked.site_id = site_scope.site_id AND asked.is_removed = 0"
    " AND asked.kind = 'local_copy_wanted' AND asked.subject_id = site_scope.subject_id)"
)
_IS_NEEDED: Final = f"site_scope.subject_id IN (SELECT event_id FROM sources WHERE {_NEEDED})"
SITES_OF_COPIES: Final = (
    "SELECT DISTINCT site_scope.site_id FROM site_scope"
    " WHERE site_scope.kind = 'event' AND site_scope.is_removed = 0"
    f" AND (({_IS_NEEDED} AND NOT {_IS_ASKED}) OR (NOT {_IS_NEEDED} AND {_IS_ASKED}))"
    " ORDER BY site_scope.site_id"
)
"""`site_id` of sites that are to be asked for a Local Copy, or need no longer be."""


@dataclass(frozen=True, slots=True)
class Shows:
    """The resource shows a row of another kind: when that changes, those for which the SQL condition on
    `subject_id` holds have changed. Each `?` in it stands for the row's `column`."""

    column: str
    condition: str


@dataclass(frozen=True, slots=True)
class Kind:
    """`members`: SQL, the `id` of every resource that concerns the site `:site` now (parameters `:since` and
    `:until` limit kick-offs, microseconds). Later kinds may build on the site_scope of earlier ones. `read`:
    the whole resource; None: it does not exist. `shows`: by the kind of the changed row."""

    name: str
    members: str
    read: Callable[[ReadTx, str], dict[str, Any] | None]
    shows: Mapping[str, Shows] = field(default_factory=dict)


def _event(tx: ReadTx, event_id: str) -> dict[str, Any] | None:
    row = tx.one(
        "SELECT events.*, leagues.name AS league, leagues.sport, leagues.timezone, seasons.name AS season"
        " FROM events JOIN leagues ON leagues.id = events.league_id"
        " JOIN seasons ON seasons.id = events.season_id"
        " WHERE events.id = ? AND events.deleted_us IS NULL",
        (event_id,),
    )
    if row is None:
        return None
    names = ("id", "league_id", "league", "season_id", "season", "sport", "timezone", "venue", "site_id")
    return {
        **{name: row[name] for name in names},
        "home": _side(tx, row["home_team_id"]),
        "away": _side(tx, row["away_team_id"]),
        "kickoff": optional_rfc3339(row["kickoff_us"]),
        "status": row["status"],
        **_version(row),
    }


def _side(tx: ReadTx, team_id: str) -> dict[str, Any]:
    row = tx.one("SELECT name, short_name FROM teams WHERE id = ?", (team_id,))
    assert row is not None  # a foreign key
    return {"team_id": team_id, **row}


def _team(tx: ReadTx, team_id: str) -> dict[str, Any] | None:
    row = tx.one("SELECT * FROM teams WHERE id = ? AND deleted_us IS NULL", (team_id,))
    if row is None:
        return None
    return {**{name: row[name] for name in ("id", "league_id", "name", "short_name")}, **_version(row)}


def _roster(tx: ReadTx, team_id: str) -> dict[str, Any] | None:
    """The athletes of a team, in the order of their numbers."""
    columns = "id, name, number, position"
    rows = tx.all(
        f"SELECT {columns} FROM athletes WHERE team_id = ? AND deleted_us IS NULL"
        f" ORDER BY name, id LIMIT {ROSTER_MAX}",
        (team_id,),
    )
    return {"id": team_id, "team_id": team_id, "athletes": sorted(rows, key=_jersey)}


def _wanted_copy(tx: ReadTx, event_id: str) -> dict[str, Any]:
    """That the box is to send its Local Copy of this event."""
    return {"id": event_id, "event_id": event_id}


def _jersey(athlete: Row) -> tuple[int, str]:
    number = athlete["number"] or ""
    return int(number) if number.isdecimal() and len(number) < 9 else 1_000_000_000, number


def _version(row: Row) -> dict[str, Any]:
    return {"rev": row["rev"], "updated_at": to_rfc3339(row["updated_us"])}


KINDS: Final[tuple[Kind, ...]] = (
    Kind(
        EVENT,
        members="SELECT id FROM events WHERE site_id = :site AND deleted_us IS NULL"
        " AND kickoff_us >= :since AND kickoff_us < :until",
        read=_event,
        shows={
            "event": Shows("id", SELF),
            "league": Shows("id", "subject_id IN (SELECT id FROM events WHERE league_id = ?)"),
            "season": Shows("id", "subject_id IN (SELECT id FROM events WHERE season_id = ?)"),
            "team": Shows(
                "id", "subject_id IN (SELECT id FROM events WHERE home_team_id = ? OR away_team_id = ?)"
            ),
        },
    ),
    Kind(TEAM, members=_SITES_TEAMS, read=_team, shows={"team": Shows("id", SELF)}),
    Kind(ROSTER, members=_SITES_TEAMS, read=_roster, shows={"athlete": Shows("team_id", SELF)}),
    Kind(LOCAL_COPY_WANTED, members=_WANTED_COPIES, read=_wanted_copy),
    Kind(
        TOURNAMENT,
        members=tournaments.MEMBERS,
        read=tournaments.read_tournament,
        shows={"tournament": Shows("id", SELF), "team": Shows("id", tournaments.OF_TEAM)},
    ),
)
KIND: Final[Mapping[str, Kind]] = {kind.name: kind for kind in KINDS}

DECIDES: Final[Mapping[str, str]] = {"event": "site_id"}
"""Rows that decide what concerns a site: by kind, the column that names the site."""

CONCERNS: Final[Mapping[str, str]] = {TOURNAMENT: tournaments.SITES_WITHOUT}
"""By the kind of a row that changed (`:id`): the `site_id` of sites that it concerns from now on."""
