"""Seasons that are made up: a league or a cup, with every result, from a reference alone. Pure.

The same reference gives the same season on every machine, so that a demo and its tests need no file and no
network. Written as openfootball's JSON, which the importer reads like a real one.

    league-10@2026-08-15        ten clubs, a round a week from that day, 15:00 UTC
    cup-8@2026-11-01T18:30      eight clubs, a knockout round a week
    league-4@2026-11-30T12:00/5 results are there 5 minutes after each kick-off, instead of 105
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

CLUBS: Final = [
    "Rovers",
    "United",
    "Wanderers",
    "Athletic",
    "Albion",
    "City",
    "Town",
    "County",
    "Rangers",
    "Harriers",
] + ["Victoria", "Orient", "Wednesday", "Forest", "Borough", "Argyle", "Alexandra", "Park", "Vale", "Villa"]
MATCH_MIN: Final = 105
_REFERENCE: Final = re.compile(
    r"(league|cup)-(\d{1,2})@(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}))?(?:/(\d{1,4}))?", re.ASCII
)
_ROUNDS: Final = {2: "Final", 4: "Semi-finals", 8: "Quarter-finals", 16: "Round of 16"}
_WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Recipe:
    """`first`: the first kick-off. `ends_min`: how long after its kick-off a match has a result."""

    kind: str
    clubs: int
    first: datetime
    ends_min: int


def recipe(reference: str) -> Recipe | None:
    """None: the reference is none of this form."""
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        return None
    clubs = int(found[2])
    is_possible = clubs in _ROUNDS if found[1] == "cup" else 2 <= clubs <= len(CLUBS) and clubs % 2 == 0
    try:
        first = datetime.fromisoformat(f"{found[3]}T{found[4] or '15:00'}").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Recipe(found[1], clubs, first, int(found[5] or MATCH_MIN)) if is_possible else None


def season(given: Recipe, now: datetime) -> dict[str, Any]:
    """The season as it is known at that time, as openfootball's JSON."""
    matches = _league(given, now) if given.kind == "league" else _cup(given, now)
    return {"name": f"Invented {given.kind} {given.first:%Y}", "matches": matches}


def _league(given: Recipe, now: datetime) -> list[dict[str, Any]]:
    """Every club twice against every other, by the circle method."""
    clubs, made = list(CLUBS[: given.clubs]), list[dict[str, Any]]()
    half = len(clubs) - 1
    for number in range(2 * half):
        for at in range(len(clubs) // 2):
            pair = (clubs[at], clubs[-1 - at])
            home, away = pair if (number + (at == 0) * (number % half)) % 2 == 0 else pair[::-1]
            if number >= half:  # the second half of the season is the first with the grounds changed
                home, away = _sides(made[(number - half) * (len(clubs) // 2) + at])[::-1]
            kickoff = given.first + number * _WEEK + timedelta(hours=2 * (at % 2))
            match = _match(f"Matchday {number + 1}", home, away, kickoff)
            made.append(_with_score(match, given, kickoff, now))
        clubs.insert(1, clubs.pop())
    return made


def _sides(match: dict[str, Any]) -> tuple[str, str]:
    return match["team1"], match["team2"]


def _cup(given: Recipe, now: datetime) -> list[dict[str, Any]]:
    """Ties of one match; extra time and a shoot-out where they are level. Who plays the next round is known
    once both matches before are over: until then W and the number of the match."""
    entrants: list[str] = list(CLUBS[: given.clubs])
    made: list[dict[str, Any]] = []
    week = 0
    while len(entrants) > 1:
        following = []
        for at in range(0, len(entrants), 2):
            kickoff = given.first + week * _WEEK + timedelta(hours=at)
            match = _match(_ROUNDS[len(entrants)], entrants[at], entrants[at + 1], kickoff)
            match["num"] = len(made) + 1
            is_drawn = not any(re.fullmatch(r"W\d+", each) for each in _sides(match))
            made.append(_with_score(match, given, kickoff, now, is_cup=True) if is_drawn else match)
            following.append(_winner(match) or f"W{len(made)}")
        entrants, week = following, week + 1
    return made


def _match(name: str, home: str, away: str, kickoff: datetime) -> dict[str, Any]:
    time = f"{kickoff:%H:%M} UTC"
    return {"round": name, "date": f"{kickoff:%Y-%m-%d}", "time": time, "team1": home, "team2": away}


def _with_score(
    match: dict[str, Any], given: Recipe, kickoff: datetime, now: datetime, *, is_cup: bool = False
) -> dict[str, Any]:
    if now < kickoff + timedelta(minutes=given.ends_min):
        return match
    seed = "|".join(str(match[key]) for key in ("round", "date", "team1", "team2"))
    dice = hashlib.sha256(seed.encode()).digest()
    goals = [_goals(dice[0], at_home=True), _goals(dice[1], at_home=False)]
    score: dict[str, Any] = {"ht": [goals[0] // 2, goals[1] // 2], "ft": goals}
    if is_cup and goals[0] == goals[1]:
        score["et"] = [goals[0] + dice[2] % 2, goals[1] + dice[3] % 2]
        if score["et"][0] == score["et"][1]:
            score["p"] = [4, 3] if dice[4] % 2 else [2, 4]
    match["score"] = score
    return match


def _goals(die: int, *, at_home: bool) -> int:
    """As often as real teams score: at home 1.5 a match, away 1.2."""
    bounds = (57, 142, 206, 238, 252) if at_home else (77, 169, 225, 248, 255)
    return sum(die >= bound for bound in bounds)


def _winner(match: dict[str, Any]) -> str | None:
    score = match.get("score")
    if score is None:
        return None
    decisive = score.get("p") or score.get("et") or score["ft"]
    return str(match["team1"] if decisive[0] > decisive[1] else match["team2"])
