"""What is wrong with a match as a file gives it. Nothing is corrected and nothing is left out in silence.

A result that contradicts itself is kept where it says something (a level shoot-out: the goals) and named.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from appliance.cloud.scoring.imports.model import FileMatch, SeasonFile
from appliance.cloud.scoring.match import ABANDONED

NAME_MAX: Final = 200


def settle(match: FileMatch, file: SeasonFile) -> FileMatch:
    """The status from what is there, then every contradiction as a defect."""
    match = _with_status(match)
    line = match.line
    what = f"{match.home} - {match.away}"
    if match.home == match.away:
        file.defect(line, "same_team", f"{match.home} plays against itself")
    if match.shoot_out is not None and match.shoot_out[0] == match.shoot_out[1]:
        kicks = f"{match.shoot_out[0]}-{match.shoot_out[1]}"
        file.defect(line, "equal_shoot_out", f"{what}: the shoot-out is level, {kicks}", "there is no winner")
    if match.half_time is not None and match.score is not None and _falls(match.half_time, match.score):
        file.defect(line, "half_time_above_score", f"{what}: more goals at half time than at the end")
    if match.extra_time is not None and match.score is not None and _falls(match.score, match.extra_time):
        hint = "the score after extra time is the running total"
        file.defect(line, "extra_time_below_score", f"{what}: fewer goals after extra time than before", hint)
    if (
        match.status == "ended"
        and match.score is None
        and match.official is None
        and match.extra_time is None
    ):
        file.defect(
            line, "no_score", f"{what}: ended without a score", "it counts in no table until it has one"
        )
    return match


def _falls(before: tuple[int, int], after: tuple[int, int]) -> bool:
    return before[0] > after[0] or before[1] > after[1]


def _with_status(match: FileMatch) -> FileMatch:
    """Awarded: the score is the official one, and what was played is unknown. Abandoned: it is kept, and
    does not count before an office says so."""
    played = match.score is not None or match.extra_time is not None
    if match.detail == "awarded" and match.official is None:
        return replace(
            match, status="ended", official=match.extra_time or match.score, score=None, extra_time=None
        )
    if match.detail in ABANDONED:
        return replace(match, status="not-defined")
    if not match.detail:
        return replace(match, status="ended" if played else "open")
    return match


def duplicates(matches: Iterable[FileMatch], file: SeasonFile) -> list[FileMatch]:
    """Without matches that the file has twice: the same teams, stage, round and day; and without those of
    rounds whose name cannot be stored."""
    seen: dict[tuple[str, ...], FileMatch] = {}
    kept: list[FileMatch] = []
    for match in matches:
        if (wrong := _bad_name(match)) is not None:
            hint = f"a name has at most {NAME_MAX} characters, all printable; the match is left out"
            file.defect(match.line, "bad_name", f"{match.home} - {match.away}: {wrong}", hint)
            continue
        key = (match.stage, match.group, match.round, match.home, match.away, match.date or "")
        first = seen.setdefault(key, match)
        if first is match:
            kept.append(match)
            continue
        same = replace(match, line=first.line) == first
        detail = "the same again" if same else "again, with other values"
        hint = f"the one of line {first.line} is taken"
        file.defect(match.line, "duplicate", f"{match.home} - {match.away}: {detail}", hint)
    return kept


def _bad_name(match: FileMatch) -> str | None:
    for what in ("round", "stage", "group"):
        name = getattr(match, what)
        if len(name) > NAME_MAX or not name.isprintable():
            return f"{name[:80]!r} is no name of a {what}"
    return None
