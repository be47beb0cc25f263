"""Rows of matches as the pure records of match.py, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from appliance.cloud.scoring.imports.model import FileMatch
from appliance.cloud.scoring.knockouts.slots import slot
from appliance.cloud.scoring.match import Kind, Match, Pair, Status
from appliance.kernel.clock import from_rfc3339
from appliance.kernel.tx import Row

_PAIRS: Final = {
    "score": "score",
    "half_time": "at_half",
    "extra_time": "after_extra",
    "shoot_out": "penalty_score",
    "official": "awarded",
}
"""Fields of a match with a value of each side: the ending of their two columns."""
FAR_US: Final = 10**17
"""Later than every kick-off: in the year 5138."""
_NAMES: Final = {"group": "group_name", "date": "day"}
"""Fields whose column has another name."""


def as_match(row: Row) -> Match:
    """What providers say of it."""
    return Match(
        id=row["id"],
        home=side(row, "home"),
        away=side(row, "away"),
        kind=cast(Kind, row["kind"]),
        stage=row["stage"],
        group=row["group_name"],
        round=row["round"],
        number=row["number"],
        leg=row["leg"],
        date=row["day"],
        status=cast(Status, row["status"]),
        detail=row["detail"],
        score=pair(row, "score"),
        half_time=pair(row, "at_half"),
        extra_time=pair(row, "after_extra"),
        shoot_out=pair(row, "penalty_score"),
        official=pair(row, "awarded"),
        tie=_tie_name(row),
        is_neutral=bool(row["is_neutral"]),
        is_replay=bool(row["is_replay"]),
    )


def _tie_name(row: Row) -> str:
    """By its slots, so that it keeps its name when a provider names the teams."""
    if row["home_slot"] is None and row["away_slot"] is None:
        return ""
    sides = [str(row[f"{which}_slot"] or row[f"{which}_team_id"]) for which in ("home", "away")]
    return "-".join(sorted(sides))


def side(row: Row, which: str) -> str:
    """Of `home` or `away`: the team's id, else the slot."""
    return str(row[f"{which}_team_id"] or row[f"{which}_slot"])


def pair(row: Row, ending: str) -> Pair | None:
    """The values of both sides; None without them."""
    home, away = row[f"home_{ending}"], row[f"away_{ending}"]
    return None if home is None or away is None else (home, away)


def order_us(day: str | None, kickoff: int | None) -> int:
    """Where the match is in lists."""
    if kickoff is not None:
        return kickoff
    return FAR_US if day is None else from_rfc3339(f"{day}T00:00:00Z")


def kickoff_us(given: FileMatch) -> int | None:
    return None if given.kickoff is None else from_rfc3339(given.kickoff)


def new_row(given: FileMatch, home: str, away: str) -> dict[str, Any]:
    """The columns of a new match as a file gives it; `home`, `away`: team ids or slots."""
    names = ("kind", "stage", "group", "round", "number", "leg", "date", "is_replay", "is_neutral")
    fields = {name: getattr(given, name) for name in (*names, "status", "detail", *_PAIRS)}
    return columns(fields) | {
        "slug": given.slug,
        "kickoff_us": kickoff_us(given),
        "order_us": order_us(given.date, kickoff_us(given)),
        **_side_columns("home", home),
        **_side_columns("away", away),
    }


def named_sides(row: Row, home: str, away: str) -> dict[str, Any]:
    """Columns of the teams that a file names where the match has only a slot so far."""
    given = {"home": home, "away": away}
    return {
        f"{which}_team_id": name
        for which, name in given.items()
        if row[f"{which}_team_id"] != name and row[f"{which}_slot"] is not None and slot(name) is None
    }


def columns(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a match as columns."""
    own: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _PAIRS:
            own[f"home_{_PAIRS[name]}"], own[f"away_{_PAIRS[name]}"] = value or (None, None)
        else:
            own[_NAMES.get(name, name)] = int(value) if isinstance(value, bool) else value
    return own


def _side_columns(which: str, name: str) -> dict[str, Any]:
    is_slot = slot(name) is not None
    return {f"{which}_team_id": None if is_slot else name, f"{which}_slot": name if is_slot else None}
