"""What scoring asks of the reference data: teams by the names that a provider uses.

A provider's name leads to one team, wherever it occurs: the club of the league is the club of the cup. Teams
of another sport are no candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from appliance.cloud.competitions import store
from appliance.cloud.competitions.kinds import KINDS
from appliance.cloud.competitions.model import AliasIn
from appliance.kernel.operation import Caller
from appliance.kernel.tx import ReadTx, Row, Tx

_AT_ONCE: Final = 500  # values in one statement


def find_league(tx: ReadTx, league_id: str) -> dict[str, Any] | None:
    """The row of a league that is not deleted."""
    return tx.one("SELECT * FROM leagues WHERE id = ? AND deleted_us IS NULL", (league_id,))


def find_season(tx: ReadTx, season_id: str) -> dict[str, Any] | None:
    """The row of a season that is not deleted."""
    return tx.one("SELECT * FROM seasons WHERE id = ? AND deleted_us IS NULL", (season_id,))


def find_event(tx: ReadTx, event_id: str) -> dict[str, Any] | None:
    """The row of an event that is not deleted."""
    return tx.one("SELECT * FROM events WHERE id = ? AND deleted_us IS NULL", (event_id,))


def league_named(tx: Tx, caller: Caller, name: str, sport: str, timezone: str) -> str:
    """The id of the first league with this name and sport; it is made if there is none."""
    sql = "SELECT id FROM leagues WHERE name = ? AND sport = ? AND deleted_us IS NULL ORDER BY created_us, id"
    known = tx.value(sql, (name, sport))
    return (
        str(known)
        if known is not None
        else _make(tx, caller, "league", name=name, sport=sport, timezone=timezone)
    )


def map_names(
    tx: ReadTx, provider: str, names: Sequence[str], league_id: str | None, sport: str
) -> dict[str, str]:
    """Ids of teams by these names: those of the provider's aliases, else a team of the league with just this
    name."""
    found = list[Row]()
    for some in _parts(names):
        found += tx.all(
            "SELECT a.name, t.id FROM team_aliases a JOIN teams t ON t.id = a.team_id"
            " JOIN leagues l ON l.id = t.league_id WHERE a.provider = ? AND l.sport = ?"
            f" AND t.deleted_us IS NULL AND a.name IN ({_marks(some)})",
            (provider, sport, *some),
        )
    mapped = _first_ids(found)
    if league_id is None:
        return mapped
    found = []
    for some in _parts(name for name in names if name not in mapped):
        found += tx.all(
            "SELECT name, id FROM teams WHERE league_id = ? AND deleted_us IS NULL"
            f" AND name IN ({_marks(some)})",
            (league_id, *some),
        )
    return mapped | _first_ids(found)


def _first_ids(rows: Iterable[Row]) -> dict[str, str]:
    """Of each name the id that was made first."""
    found: dict[str, str] = {}
    for row in sorted(rows, key=lambda each: str(each["id"])):
        found.setdefault(row["name"], row["id"])
    return found


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def make_team(tx: Tx, caller: Caller, league_id: str, name: str) -> str:
    """The id of a new team of the league."""
    return _make(tx, caller, "team", league_id=league_id, name=name)


def remember_name(tx: Tx, caller: Caller, provider: str, name: str, team_id: str) -> None:
    """From now on the provider's name leads to this team, whatever the team is called later; nothing when the
    provider has the name for a team already."""
    if tx.value("SELECT 1 FROM team_aliases WHERE provider = ? AND name = ?", (provider, name)) is None:
        store.add_alias(tx, caller, team_id, AliasIn(provider=provider, name=name))


def team_names(tx: ReadTx, team_ids: Iterable[str]) -> dict[str, str]:
    """Names by id, also of deleted teams."""
    names: dict[str, str] = {}
    for some in _parts(team_ids):
        names.update(
            (row["id"], row["name"])
            for row in tx.all(f"SELECT id, name FROM teams WHERE id IN ({_marks(some)})", some)
        )
    return names


def _parts(values: Iterable[str]) -> Iterator[list[str]]:
    listed = list(values)
    return (listed[at : at + _AT_ONCE] for at in range(0, len(listed), _AT_ONCE))


def _make(tx: Tx, caller: Caller, what: str, **fields: Any) -> str:
    kind = KINDS[what]
    return str(store.create(tx, caller, kind, kind.takes.model_validate(fields)).resource["id"])
