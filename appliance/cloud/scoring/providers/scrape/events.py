"""Matches of SofaScore: `events` of a round."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from appliance.cloud.scoring.imports.checks import duplicates, settle
from appliance.cloud.scoring.imports.model import FileMatch, SeasonFile, named_rounds
from appliance.cloud.scoring.imports.naming import RoundName, round_name
from appliance.cloud.scoring.imports.provider_scores import ProviderScore, sofascore
from appliance.cloud.scoring.imports.statuses import status_of

_MAX_S: Final = 253_402_300_800  # the end of the year 9999


def read_sofascore(whole: Any, zone: tzinfo | None) -> SeasonFile | None:
    """`whole`: the decoded answer; None: it has no events. `zone`: in which a match's day is counted, None:
    UTC. `line` counts the events from 1."""
    given = whole.get("events") if isinstance(whole, Mapping) else None
    if not isinstance(given, list):
        return None
    file, matches = SeasonFile(), []
    for line, each in enumerate(given, start=1):
        file.found += 1
        match = _match(line, each, zone or UTC, file)
        if match is not None:
            matches.append(settle(match, file))
    file.matches = duplicates(named_rounds(matches), file)
    return file


def _match(line: int, given: Any, zone: tzinfo, file: SeasonFile) -> FileMatch | None:
    if not isinstance(given, Mapping):
        file.defect(line, "not_a_match", "an entry is not a match", "it is left out")
        return None
    home, away = _team(given.get("homeTeam")), _team(given.get("awayTeam"))
    if not home or not away:
        file.defect(line, "no_team", f"{home or '?'} - {away or '?'}: a team is missing", "it is left out")
        return None
    named = _round(given)
    word = _word(given.get("status"))
    status, detail = status_of(word)
    day, kickoff = _instant(given.get("startTimestamp"), zone)
    if day is None:
        file.defect(line, "no_date", f"{home} - {away}: no startTimestamp")
    scores = _scores(given) if word != "notstarted" else ProviderScore()
    return FileMatch(
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
        score=scores.score,
        half_time=scores.half_time,
        extra_time=scores.extra_time,
        shoot_out=scores.shoot_out,
        reference=str(given["id"]) if isinstance(given.get("id"), int | str) else "",
    )


def _scores(given: Mapping[str, Any]) -> ProviderScore:
    home, away = given.get("homeScore"), given.get("awayScore")
    if not isinstance(home, Mapping) or not isinstance(away, Mapping):
        return ProviderScore()
    return sofascore(home, away)


def _word(status: Any) -> str:
    """`type`, and `description` where it says more: AET, AP, Abandoned, Walkover."""
    if not isinstance(status, Mapping):
        return "unknown"
    kind, words = str(status.get("type") or "unknown"), str(status.get("description") or "")
    is_special = words.casefold() in ("abandoned", "awarded", "walkover", "aet", "ap", "suspended")
    return words if is_special else kind


def _round(given: Mapping[str, Any]) -> RoundName:
    about = given.get("roundInfo")
    about = about if isinstance(about, Mapping) else {}
    name, number = about.get("name"), about.get("round")
    if isinstance(name, str) and name:
        return round_name(name)
    return round_name(f"Matchday {number}" if isinstance(number, int) else "")


def _team(given: Any) -> str:
    name = given.get("name") if isinstance(given, Mapping) else None
    return " ".join(name.split()) if isinstance(name, str) else ""


def _instant(given: Any, zone: tzinfo) -> tuple[str | None, str | None]:
    """(day in the zone, kick-off UTC) of seconds since 1970."""
    if type(given) is not int or not 0 < given < _MAX_S:
        return None, None
    at = datetime.fromtimestamp(given, UTC)
    return f"{at.astimezone(zone):%Y-%m-%d}", f"{at:%Y-%m-%dT%H:%M:%SZ}"
