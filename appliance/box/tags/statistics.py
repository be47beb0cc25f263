"""The session's figures (V19): computed from clips and tags only.

Owns: the definitions. Must not know: the database, the API's names of rows.

A play is COALESCE(play_id, clip_id) and counts once. Its quarter, down, result ... each come from the newest
tag of any of its clips that has the field. Words are compared without case, '_' and '-' are spaces: "First
Down", "first_down" and "1st Down" are the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MERGED = ("quarter", "down", "distance", "play_type", "result", "yards_gained")

FIRST_DOWN = {"first down", "1st down", "firstdown", "1st"}
TOUCHDOWN = {"touchdown", "td"}
DENIALS = ("no", "not", "short")  # "No first down", "Short of first down"
TURNOVER = {"interception", "int", "fumble"}  # "Interception, TD" is the other team's touchdown


@dataclass(frozen=True, slots=True)
class ClipFact:
    """A clip that is not deleted. `is_favorite`: it, or its play."""

    id: str
    play_id: str | None
    start_us: int
    is_favorite: bool


@dataclass(frozen=True, slots=True)
class TagFact:
    """A tag that is not deleted. `order` sorts oldest first; `fields` maps MERGED names to values or None."""

    clip_id: str
    order: tuple[int, str]
    fields: Mapping[str, Any]
    is_important: bool


@dataclass(frozen=True, slots=True)
class TaggedPlay:
    """One play: its clips, and the merged fields of its tags."""

    id: str
    clip_ids: tuple[str, ...]
    fields: Mapping[str, Any]
    is_key: bool
    is_tagged: bool


def plays_of(clips: Sequence[ClipFact], tags: Sequence[TagFact]) -> list[TaggedPlay]:
    """Plays by start time. Tags of clips that are not passed are left out."""
    in_order = sorted(clips, key=lambda clip: (clip.start_us, clip.id))
    play_of = {clip.id: clip.play_id or clip.id for clip in in_order}
    grouped: dict[str, list[ClipFact]] = {}
    for clip in in_order:
        grouped.setdefault(play_of[clip.id], []).append(clip)
    tags_by_play: dict[str, list[TagFact]] = {play_id: [] for play_id in grouped}
    for tag in sorted(tags, key=lambda tag: tag.order):
        if tag.clip_id in play_of:
            tags_by_play[play_of[tag.clip_id]].append(tag)
    return [_play(play_id, members, tags_by_play[play_id]) for play_id, members in grouped.items()]


def _play(play_id: str, clips: Sequence[ClipFact], tags: Sequence[TagFact]) -> TaggedPlay:
    fields: dict[str, Any] = dict.fromkeys(MERGED)
    for tag in tags:  # oldest first: the newest tag that has a field wins
        fields.update({name: tag.fields[name] for name in MERGED if tag.fields.get(name) is not None})
    is_key = any(clip.is_favorite for clip in clips) or any(tag.is_important for tag in tags)
    return TaggedPlay(play_id, tuple(clip.id for clip in clips), fields, is_key, bool(tags))


def session_stats(clips: Sequence[ClipFact], tags: Sequence[TagFact]) -> dict[str, Any]:
    """All figures of a session except its id: model.Stats defines each."""
    plays = plays_of(clips, tags)
    scored = [play for play in plays if is_touchdown(play.fields["result"])]
    return {
        "total_plays": len(plays),
        "tagged_plays": sum(play.is_tagged for play in plays),
        "run_pass": run_pass(plays),
        "third_down": third_down(plays),
        "key_plays": [play.id for play in plays if play.is_key],
        "touchdowns": [clip_id for play in scored for clip_id in play.clip_ids],
        "touchdown_plays": [play.id for play in scored],
        "by_quarter": _by_quarter(plays),
        "by_play_type": _count_words(play.fields["play_type"] for play in plays),
        "by_result": _count_words(play.fields["result"] for play in plays),
    }


def run_pass(plays: Iterable[TaggedPlay]) -> dict[str, Any]:
    """Share of plays tagged Run or Pass."""
    kinds = Counter(plain(play.fields["play_type"]) for play in plays)
    run, passed = kinds["run"], kinds["pass"]
    if not run + passed:
        return {"run": None, "pass": None, "run_share": None, "pass_share": None}
    both = run + passed
    return {"run": run, "pass": passed, "run_share": run / both, "pass_share": passed / both}


def third_down(plays: Iterable[TaggedPlay]) -> dict[str, Any]:
    """Third downs with a known outcome, and how many of them were converted."""
    outcomes = [is_converted(play.fields) for play in plays if play.fields["down"] == 3]
    known = [outcome for outcome in outcomes if outcome is not None]
    if not known:
        return {"attempts": None, "conversions": None, "pct": None}
    conversions = sum(known)
    return {"attempts": len(known), "conversions": conversions, "pct": 100 * conversions / len(known)}


def is_converted(fields: Mapping[str, Any]) -> bool | None:
    """Gained the distance, or the result is a first down or touchdown; None: neither is known.

    A result without either counts as "not converted": the analyst tagged "Complete" where "First Down" was
    possible.
    """
    gained, distance, result = fields["yards_gained"], fields["distance"], fields["result"]
    has_yards = gained is not None and distance is not None
    if not has_yards and result is None:
        return None
    return (has_yards and gained >= distance) or _is_gain(result)


def _is_gain(result: str | None) -> bool:
    words = set(re.findall(r"\w+", plain(result) or ""))
    return bool(_parts(result) & FIRST_DOWN) or (is_touchdown(result) and not words & TURNOVER)


def is_touchdown(result: str | None) -> bool:
    """ "Touchdown", "TD", and Hudl's "Rush, TD" or "Complete TD": a touchdown of either team."""
    return bool(_parts(result) & TOUCHDOWN)


def plain(word: str | None) -> str | None:
    """The word in the form in which it is compared."""
    return None if word is None else " ".join(re.split(r"[\s_-]+", word.casefold().strip()))


def _parts(result: str | None) -> set[str]:
    """The parts of a result: its whole, its parts at commas and slashes, a closing "TD" or "first down"."""
    whole = plain(result) or ""
    parts = {part.strip() for part in re.split(r"[,;/+]", whole)} | {whole}
    for part in list(parts):
        for ending in TOUCHDOWN | FIRST_DOWN:
            if part.endswith(" " + ending) and part.split()[0] not in DENIALS:
                parts.add(ending)
    return parts - {""}


def _by_quarter(plays: Sequence[TaggedPlay]) -> list[dict[str, Any]]:
    quarters: dict[int, list[TaggedPlay]] = {}
    for play in plays:
        if play.fields["quarter"] is not None:
            quarters.setdefault(play.fields["quarter"], []).append(play)
    return [_quarter(number, quarters[number]) for number in sorted(quarters)]


def _quarter(number: int, plays: Sequence[TaggedPlay]) -> dict[str, Any]:
    return {
        "quarter": number,
        "total_plays": len(plays),
        "run_pass": run_pass(plays),
        "third_down": third_down(plays),
    }


def _count_words(words: Iterable[str | None]) -> dict[str, int] | None:
    """How often each word occurs, most frequent first, in its most frequent spelling; None: no words."""
    spellings: dict[str, Counter[str]] = {}
    for word in words:
        if word is not None:
            spellings.setdefault(plain(word) or "", Counter())[word] += 1
    counted = [
        (min(each.items(), key=lambda item: (-item[1], item[0]))[0], each.total())
        for each in spellings.values()
    ]
    return dict(sorted(counted, key=lambda item: (-item[1], item[0]))) or None
