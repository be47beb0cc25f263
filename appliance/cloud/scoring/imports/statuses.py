"""The words that providers use for the state of a match: ours, and what is kept of theirs."""

from __future__ import annotations

from typing import Final

from appliance.cloud.scoring.match import Status

_ENDED: Final = frozenset(
    {
        "finished",
        "ended",
        "closed",
        "ft",
        "ap",
        "aet",
        "pen",
        "awarded",
        "after extra time",
        "after penalties",
    }
    | {"completed", "played", "walkover", "w/o"}
)
_OPEN: Final = frozenset(
    {"notstarted", "not started", "scheduled", "timed", "created", "upcoming", "live"}
    | {
        "inprogress",
        "in_play",
        "paused",
        "halftime",
        "extra time",
        "extra_time",
        "shoot-out",
        "penalty_shootout",
    }
)
_WORDS: Final = {
    "canceled": "cancelled",
    "annulled": "cancelled",
    "abd": "abandoned",
    "abd.": "abandoned",
    "w/o": "walkover",
    "wo": "walkover",
    "in_play": "inprogress",
    "in progress": "inprogress",
    "awd": "awarded",
    "awd.": "awarded",
    "ppd": "postponed",
}


def status_of(word: str) -> tuple[Status, str]:
    """(our status, their word in lower case): postponed, cancelled, abandoned, suspended and unknown
    words are not-defined."""
    text = " ".join(word.casefold().split())
    detail = _WORDS.get(text, text)
    if text in _ENDED or detail in _ENDED:
        return "ended", detail
    return ("open", detail) if text in _OPEN or detail in _OPEN else ("not-defined", detail)
