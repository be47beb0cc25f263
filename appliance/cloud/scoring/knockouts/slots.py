"""Placeholders of teams that are not known yet: W49, L61, 1A, 2B, 3A/B/C/D/F. They are slots, not teams."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Slot:
    """`winner`, `loser`: of the match with this number. `placed`: in this place of one of these groups.
    `unknown`: the text does not say which team it will be."""

    kind: Literal["winner", "loser", "placed", "unknown"]
    number: int = 0
    place: int = 0
    groups: tuple[str, ...] = ()


_UNKNOWN: Final = frozenset({"tbd", "tba", "n.n.", "?", "-", "to be decided", "to be determined"})
_OF_MATCH: Final = re.compile(r"(w|l|winner|loser)s?(?: of)?(?: match)? ?#?(\d{1,3})")
_PLACED: Final = re.compile(r"([1-4])(?:st|nd|rd|th)?(?: group)? ?([a-z](?:\s*/?\s*[a-z])*)")
_NAMED: Final = re.compile(r"(winners?|runners?-up|runner-up|third place|3rd place) (?:of )?group ([a-z])")
_PLACES: Final = {"w": 1, "r": 2, "t": 3, "3": 3}


def slot(name: str) -> Slot | None:
    """What a placeholder stands for; None for the name of a team."""
    text = " ".join(name.casefold().split())
    if not text or text in _UNKNOWN:
        return Slot("unknown")
    if (match := _OF_MATCH.fullmatch(text)) is not None:
        return Slot("winner" if match[1].startswith("w") else "loser", number=int(match[2]))
    if (match := _PLACED.fullmatch(text)) is not None:
        return Slot("placed", place=int(match[1]), groups=tuple(re.findall(r"[a-z]", match[2])))
    if (match := _NAMED.fullmatch(text)) is not None:
        return Slot("placed", place=_PLACES[match[1][0]], groups=(match[2],))
    return None


def assign(groups: list[str], slots: Mapping[str, Sequence[str]]) -> dict[str, str] | None:
    """Each slot's group, when the groups of the best thirds fit into the slots in exactly one way; else None:
    the organiser's table decides, and no guess is made."""
    found: list[dict[str, str]] = []
    names = sorted(slots, key=lambda name: len(slots[name]))

    def fill(at: int, taken: dict[str, str]) -> None:
        if len(found) > 1:
            return
        if at == len(names):
            found.append(dict(taken))
            return
        for group in slots[names[at]]:
            if group in groups and group not in taken.values():
                taken[names[at]] = group
                fill(at + 1, taken)
                del taken[names[at]]

    fill(0, {})
    return found[0] if len(found) == 1 else None
