"""Rows become plays, or rejections with a reason: one bad row never stops a game.

Owns: what a usable row is. Must not know: the length of a video (the cutting core finds plays beyond it).
Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import Field

from appliance.box.datasets.model import Play, Record, cameras_of
from appliance.box.datasets.plays.rows import COLUMNS, Row, is_id

RejectionCode = Literal[
    "bad_id", "duplicate_id", "missing", "bad_time", "negative", "bad_range", "unknown_angle"
]
LATEST_S: Final = 7 * 86_400.0  # no video is longer than a week: a date in place of seconds is noticed


class Rejection(Record):
    """A row that is no play. `play_id`: as far as it has one."""

    play_id: str
    game_id: str
    code: RejectionCode
    reason: str


class GamePlays(Record):
    """The plays of one game by (start, id), and its rows that are none. `rows` counts both. `is_known`: the
    source has rows of this game. `cameras`: of each play, where its angle does not say it."""

    game_id: str
    plays: tuple[Play, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    is_known: bool = True
    cameras: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @property
    def rows(self) -> int:
        return len(self.plays) + len(self.rejections)

    def cameras_of(self, play: Play) -> tuple[str, ...]:
        return self.cameras[play.id] if play.id in self.cameras else cameras_of(play.angle)


def plays_of_games(rows: Iterable[Row], game_ids: Sequence[str]) -> list[GamePlays]:
    """The plays of these games, in the order of `game_ids`. Rows of other games are left out."""
    by_game: dict[str, list[Row]] = {game_id: [] for game_id in game_ids}
    for row in rows:
        game_id = str(row.get("game_id") or "")
        if game_id in by_game:
            by_game[game_id].append(row)
    return [checked_plays(game_id, by_game[game_id]) for game_id in game_ids]


def checked_plays(game_id: str, rows: Sequence[Row]) -> GamePlays:
    """All rows of one game. Of rows with one id the first is kept."""
    plays: list[Play] = []
    rejections: list[Rejection] = []
    known: set[str] = set()
    for row in rows:
        play_id = str(row.get("id") or "")
        problem = _problem(row, play_id, known)
        if problem is None:
            known.add(play_id)
            plays.append(_play(game_id, play_id, row))
        else:
            code, reason = problem
            shown = play_id[:128]
            rejections.append(Rejection(play_id=shown, game_id=game_id, code=code, reason=reason))
    plays.sort(key=lambda play: (play.start_s, play.id))
    return GamePlays(game_id=game_id, plays=tuple(plays), rejections=tuple(rejections), is_known=bool(rows))


def _problem(row: Row, play_id: str, known: set[str]) -> tuple[RejectionCode, str] | None:
    if not is_id(play_id):
        return "bad_id", f"{play_id[:80]!r} is no id of a play (letters, digits, - and _; 128 at most)"
    if play_id in known:
        return "duplicate_id", "an earlier row has the same id"
    return _time_problem(row) or _angle_problem(row)


def _time_problem(row: Row) -> tuple[RejectionCode, str] | None:
    times = []
    for name in ("start_timestamp", "end_timestamp"):
        if row.get(name) in (None, ""):
            return "missing", f"{name} is empty"
        seconds = _seconds(row[name])
        if seconds is None or seconds > LATEST_S:
            return "bad_time", f"{name}: {str(row[name])[:40]!r} is no time in seconds of a video"
        times.append(seconds)
    start_s, end_s = times
    if start_s < 0:
        return "negative", f"it starts at {start_s:g} s, before the video"
    if end_s <= start_s:
        return "bad_range", f"it ends at {end_s:g} s and starts at {start_s:g} s"
    return None


def _angle_problem(row: Row) -> tuple[RejectionCode, str] | None:
    try:
        cameras_of(str(row.get("angle") or ""))
    except ValueError as error:
        return "unknown_angle", str(error)
    return None


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None


def _play(game_id: str, play_id: str, row: Row) -> Play:
    start_s, end_s = _seconds(row["start_timestamp"]), _seconds(row["end_timestamp"])
    assert start_s is not None and end_s is not None
    fields: Mapping[str, Any] = {
        name: value for name, value in row.items() if name not in COLUMNS and value not in (None, "")
    }
    return Play(
        id=play_id,
        game_id=game_id,
        angle=str(row["angle"]),
        start_s=start_s,
        end_s=end_s,
        fields=dict(fields),
    )
