"""Matches for tests, written as people do: "A 2-1 B"."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from appliance.cloud.scoring.match import Match
from appliance.cloud.scoring.rules.model import Points, RuleSet
from appliance.cloud.scoring.rules.reader import load_rules
from appliance.cloud.scoring.tables.model import Row, Season, View
from appliance.cloud.scoring.tables.standings import standings

_MATCH = re.compile(r"(\S+) (?:(\d+)-(\d+)|v) (\S+)")


def played(text: str, **fields: Any) -> Match:
    """`A 2-1 B` has ended, `A v B` is open. Other fields of the match by name."""
    match = _MATCH.fullmatch(text)
    assert match is not None, text
    home, home_goals, away_goals, away = match.groups()
    score = (int(home_goals), int(away_goals)) if home_goals else None
    base = Match(text, home, away, status="ended" if score else "open", score=score, date="2026-01-01")
    return replace(base, **{"id": text, **fields})


def season(
    *texts: str | Match, rules: RuleSet | str = "default", year: str | None = None, **fields: Any
) -> Season:
    """A match a day, in this order."""
    matches = [
        played(each, id=f"m{at:03}", date=f"2026-{1 + at // 28:02}-{1 + at % 28:02}")
        if isinstance(each, str)
        else each
        for at, each in enumerate(texts)
    ]
    return Season(load_rules(rules, year) if isinstance(rules, str) else rules, matches, **fields)


def rows(of: Season, **view: Any) -> tuple[Row, ...]:
    return standings(of, View(**view)).rows


def order(of: Season, **view: Any) -> list[str]:
    return [row.team for row in rows(of, **view)]


def by_team(of: Season, **view: Any) -> dict[str, Row]:
    return {row.team: row for row in rows(of, **view)}


def plain_rules(*criteria: Any, win: int = 3, **fields: Any) -> RuleSet:
    return RuleSet("test", None, Points(win, 1), tuple(criteria), **fields)


def shown(table: Iterable[Row]) -> list[tuple[int, str, int]]:
    return [(row.position, row.team, row.points) for row in table]
