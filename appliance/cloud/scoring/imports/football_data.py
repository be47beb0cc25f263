"""Matches of football-data.org, version 4: `matches` of a competition."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from appliance.cloud.scoring.imports.checks import duplicates, settle
from appliance.cloud.scoring.imports.model import FileMatch, SeasonFile, named_rounds
from appliance.cloud.scoring.imports.naming import RoundName, round_name
from appliance.cloud.scoring.imports.provider_scores import football_data
from appliance.cloud.scoring.imports.statuses import status_of

_LEAGUES: Final = frozenset({"REGULAR_SEASON", "LEAGUE_STAGE", "LEAGUE", ""})
_ROUNDS: Final = {
    "FINAL": "Final",
    "THIRD_PLACE": "Third place",
    "SEMI_FINALS": "Semi-finals",
    "QUARTER_FINALS": "Quarter-finals",
    "LAST_16": "Round of 16",
    "LAST_32": "Round of 32",
    "LAST_64": "Round of 64",
}


def read_football_data(whole: Any) -> SeasonFile | None:
    """`whole`: the decoded answer; None: it has no list of matches. `line` counts its matches from 1."""
    given = whole.get("matches") if isinstance(whole, Mapping) else None
    if not isinstance(given, list):
        return None
    competition = whole.get("competition")
    file = SeasonFile(name=str(competition.get("name") or "") if isinstance(competition, Mapping) else "")
    matches = []
    for line, each in enumerate(given, start=1):
        file.found += 1
        match = _match(line, each, file)
        if match is not None:
            matches.append(settle(match, file))
    file.matches = duplicates(named_rounds(matches), file)
    return file


def _match(line: int, given: Any, file: SeasonFile) -> FileMatch | None:
    if not isinstance(given, Mapping):
        file.defect(line, "not_a_match", "an entry is not a match", "it is left out")
        return None
    home, away = _team(given.get("homeTeam")), _team(given.get("awayTeam"))
    if not home or not away:
        file.defect(line, "no_team", f"{home or '?'} - {away or '?'}: not drawn yet", "it is left out")
        return None
    named = _round(given)
    status, detail = status_of(str(given.get("status") or "").lower() or "unknown")
    day, kickoff = _instant(given.get("utcDate"), has_time=detail != "scheduled")
    if day is None:
        file.defect(line, "no_date", f"{home} - {away}: utcDate {given.get('utcDate')!r} is no time")
    score = given.get("score")
    scores = football_data(score if isinstance(score, Mapping) else {})
    match = FileMatch(
        line,
        home,
        away,
        kind=named.kind,
        stage=named.stage,
        group=named.group,
        round=named.round,
        slug=named.slug,
        date=day,
        kickoff=kickoff,
        status=status,
        detail=detail,
        reference=str(given["id"]) if isinstance(given.get("id"), int | str) else "",
    )
    return replace(match, **scores._asdict()) if _counts(status, detail) else match


def _counts(status: str, detail: str) -> bool:
    """A match that has not begun has no score, whatever its fields hold."""
    return status == "ended" or detail not in ("scheduled", "timed", "postponed", "cancelled")


def _round(given: Mapping[str, Any]) -> RoundName:
    stage, day = str(given.get("stage") or ""), given.get("matchday")
    group = re.sub(r"^GROUP_", "Group ", str(given.get("group") or ""))
    if stage in _ROUNDS:
        return round_name(_ROUNDS[stage])
    name = f"Matchday {day}" if isinstance(day, int) else ""
    if stage in _LEAGUES:
        return round_name(name)
    words = stage.replace("_", " ").capitalize()
    return round_name(name, stage=words, group=group) if name or group else round_name(words)


def _team(given: Any) -> str:
    name = given.get("name") if isinstance(given, Mapping) else None
    return " ".join(name.split()) if isinstance(name, str) else ""


def _instant(text: Any, *, has_time: bool) -> tuple[str | None, str | None]:
    """(day, kick-off), UTC. A match that is only scheduled has a day: its time is a placeholder."""
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        at = None
    if at is None:
        return None, None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return f"{at:%Y-%m-%d}", f"{at:%Y-%m-%dT%H:%M:%SZ}" if has_time else None
