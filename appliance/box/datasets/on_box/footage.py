"""The box as source: its marked plays with their tags, and the clips that it has planned. Nothing is copied.

Owns: which rows become plays and planned spans. A game is a session, a camera is a channel. A clip is read
as it is served: header and ranges of its plan, from its own file where it has one, else from the
recordings.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from appliance.box.datasets.model import ErrorCode, Piece, PlannedSpan, Play
from appliance.box.datasets.plays.checked import GamePlays
from appliance.box.datasets.runs.sources import Footage, OpenVideo
from appliance.kernel import json
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Row

TAG_COLUMNS: Final = (
    "quarter",
    "down",
    "distance",
    "yard_line",
    "play_type",
    "formation",
    "result",
    "yards_gained",
    "players",
    "labels",
    "notes",
)
"""Of a tag. Coaches' notes stay on the box."""
_LISTS: Final = ("players", "labels")


class BoxPlays:
    """Plays that have ended, in seconds from the first one of the session; a clip that was marked alone is
    a play of one camera."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def plays(self, game_id: str) -> GamePlays:
        return await self._store.read(lambda tx: read_plays(tx, game_id))


class BoxVideos:
    """`recordings` and `clips`: the folders that plans name files in."""

    def __init__(self, store: Store, recordings: Path, clips: Path) -> None:
        self._store, self._recordings, self._clips = store, recordings, clips

    async def look(self, game_id: str, camera: str, plays: Sequence[Play]) -> Footage:
        rows = await self._store.read(lambda tx: read_plans(tx, game_id, camera))
        spans: list[PlannedSpan] = []
        span_of: dict[str, int] = {}
        errors: dict[str, tuple[ErrorCode, str]] = {}
        for play in plays:
            row = rows.get(play.id)
            if row is None:
                errors[play.id] = ("no_footage", "the box has no clip of this camera that plays")
            else:
                span_of[play.id] = len(spans)
                spans.append(self._span(row))
        return Footage(
            bytes=sum(row["size"] for row in rows.values()),
            errors=errors,
            spans=tuple(spans),
            span_of=span_of,
        )

    @asynccontextmanager
    async def opened(self, game_id: str, camera: str, work: Path) -> AsyncIterator[OpenVideo]:
        yield OpenVideo("")

    def _span(self, row: Row) -> PlannedSpan:
        header = bytes(row["header"])
        if row["file_path"] is not None:
            rest = row["size"] - len(header)
            pieces = [Piece(path=str(self._clips / row["file_path"]), offset=len(header), length=rest)]
        else:
            ranges = json.decode_stored(row["ranges"])
            pieces = [
                Piece(path=str(self._recordings / name), offset=offset, length=length)
                for name, offset, length in ranges
            ]
        return PlannedSpan(
            header=base64.b64encode(header).decode(),
            pieces=tuple(pieces),
            begin=0,  # of each clip alone: nothing is measured against it
            frames=row["frames"],
            duration_s=row["duration_us"] / 1e6,
        )


def read_plays(tx: ReadTx, session_id: str) -> GamePlays:
    """Raises nothing: an unknown session has no plays and is not known."""
    clips = tx.all(
        "SELECT id, coalesce(play_id, id) AS play_id, channel_id FROM clips"
        " WHERE session_id = ? AND deleted_us IS NULL AND duration_us > 0 ORDER BY channel_id",
        (session_id,),
    )
    cameras: dict[str, tuple[str, ...]] = {}
    for clip in clips:
        known = cameras.get(clip["play_id"], ())
        if clip["channel_id"] not in known:
            cameras[clip["play_id"]] = (*known, clip["channel_id"])
    rows = tx.all(
        "SELECT id, start_us, duration_us FROM plays"
        " WHERE session_id = ? AND deleted_us IS NULL AND duration_us > 0"
        " UNION ALL SELECT id, start_us, duration_us FROM clips"
        " WHERE session_id = ? AND play_id IS NULL AND deleted_us IS NULL AND duration_us > 0"
        " ORDER BY start_us, id",
        (session_id, session_id),
    )
    tags = _tags(tx, session_id)
    begin_us = rows[0]["start_us"] if rows else 0
    plays = [
        Play(
            id=row["id"],
            game_id=session_id,
            angle="",
            start_s=(row["start_us"] - begin_us) / 1e6,
            end_s=(row["start_us"] - begin_us + row["duration_us"]) / 1e6,
            fields=tags.get(row["id"], {}),
        )
        for row in rows
        if row["id"] in cameras
    ]
    is_known = (
        tx.value("SELECT 1 FROM sessions WHERE id = ? AND deleted_us IS NULL", (session_id,)) is not None
    )
    return GamePlays(game_id=session_id, plays=tuple(plays), is_known=is_known, cameras=cameras)


def read_plans(tx: ReadTx, session_id: str, channel_id: str) -> dict[str, Row]:
    """The newest plan that plays, by play."""
    rows = tx.all(
        "SELECT coalesce(clips.play_id, clips.id) AS play_id, clips.duration_us, plans.*"
        " FROM clips JOIN plans ON plans.clip_id = clips.id AND plans.media_rev = clips.ready_media_rev"
        " WHERE clips.session_id = ? AND clips.channel_id = ? AND clips.deleted_us IS NULL"
        " ORDER BY clips.created_us, clips.id",
        (session_id, channel_id),
    )
    return {row["play_id"]: row for row in rows}


def _tags(tx: ReadTx, session_id: str) -> dict[str, dict[str, Any]]:
    """What the tags of a play say together, by play: a later tag's fields over those of earlier ones."""
    if not tx.value("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'tags'"):
        return {}  # a box without the domain
    results: dict[str, dict[str, Any]] = {}
    for row in tx.all(
        "SELECT * FROM tags WHERE session_id = ? AND deleted_us IS NULL ORDER BY created_us, id",
        (session_id,),
    ):
        fields = {
            name: json.decode_stored(row[name]) if name in _LISTS else row[name] for name in TAG_COLUMNS
        }
        results.setdefault(row["play_id"] or row["clip_id"], {}).update(
            {name: value for name, value in fields.items() if value not in (None, [], "")}
        )
    return results
