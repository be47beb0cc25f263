"""The box as source: plays with their tags, cameras, and the bytes that it serves for a clip."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from appliance.box.datasets.on_box.footage import BoxPlays, BoxVideos
from appliance.box.datasets.plays.prompts import BOX_TEMPLATE, Template
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.kit.box import add_channel, add_session, sim_store
from tests.kit.clock import HandClock

START_US = 1_700_000_000_000_000


def add_play(tx: Tx, session_id: str, number: int, start_s: float, duration_s: float, **more: Any) -> str:
    common = {
        "session_id": session_id,
        "request_hash": "",
        "created_by": "coach",
        "created_us": 1,
        "updated_us": 1,
    }
    start_us, duration_us = START_US + round(start_s * 1e6), round(duration_s * 1e6)
    row = {"id": f"play{number}", "number": number, "start_us": start_us, "duration_us": duration_us}
    tx.create("plays", {**row, **common, **more})
    return f"play{number}"


def add_clip(tx: Tx, session_id: str, channel_id: str, play_id: str | None, **more: Any) -> str:
    clip_id = f"clip-{play_id}-{channel_id}"
    row: dict[str, Any] = {
        "id": clip_id,
        "session_id": session_id,
        "channel_id": channel_id,
        "play_id": play_id,
        "start_us": START_US,
        "duration_us": 4_000_000,
        "latency_ms": 0,
        "mode": "instant",
        "status": "ready",
        "ready_media_rev": 1,
        "request_hash": "",
        "created_by": "coach",
        "created_us": 1,
        "updated_us": 1,
    }
    tx.create("clips", {**row, **more})
    return clip_id


def add_plan(tx: Tx, clip_id: str, *, file_path: str | None = None) -> None:
    tx.insert(
        "plans",
        {
            "clip_id": clip_id,
            "media_rev": 1,
            "header": b"header",
            "ranges": '[["cam1/a.mp4", 100, 50], ["cam1/b.mp4", 0, 25]]',
            "size": 81,
            "media_spans": "[]",
            "frames": 100,
            "width": 640,
            "height": 360,
            "codec": "avc1",
            "file_path": file_path,
            "created_us": 1,
        },
    )


def game(tx: Tx) -> str:
    add_channel(tx, "cam1")
    add_channel(tx, "cam2")
    session_id = add_session(tx)
    add_play(tx, session_id, 2, 30, 4)
    add_play(tx, session_id, 1, 10, 4.5)
    add_play(tx, session_id, 3, 40, 0)  # still open
    for play_id in ("play1", "play2"):
        for channel_id in ("cam1", "cam2"):
            add_clip(tx, session_id, channel_id, play_id)
    add_plan(tx, "clip-play1-cam1")
    add_plan(tx, "clip-play2-cam1", file_path="s/clip.mp4")
    tags = {"session_id": session_id, "request_hash": "", "created_by": "a", "created_us": 1, "updated_us": 1}
    first = {"id": "t1", "clip_id": "clip-play1-cam1", "play_id": "play1", "down": 3, "players": '["7"]'}
    tx.create("tags", {**first, **tags, "coach_notes": "private"})
    second = {"id": "t2", "clip_id": "clip-play1-cam2", "play_id": "play1", "play_type": "Pass"}
    tx.create("tags", {**second, **tags, "created_us": 2})
    return session_id


async def made(store: Store) -> str:
    return await store.write(game)


async def test_plays_of_a_session_carry_their_tags_and_cameras(tmp_path: Path) -> None:  # T20a
    async with sim_store(tmp_path, HandClock()) as store:
        session_id = await made(store)
        plays = await BoxPlays(store).plays(session_id)
        assert [(play.id, play.start_s, play.end_s) for play in plays.plays] == [
            ("play1", 0.0, 4.5),
            ("play2", 20.0, 24.0),
        ]
        first, second = plays.plays
        assert plays.cameras_of(first) == ("cam1", "cam2")
        assert first.fields == {"down": 3, "players": ["7"], "play_type": "Pass"} and second.fields == {}
        assert Template(BOX_TEMPLATE).fill(first).text == "Pass play, down 3"
        assert not (await BoxPlays(store).plays("unknown")).is_known


async def test_a_clip_is_read_as_it_is_served(tmp_path: Path) -> None:  # T11
    async with sim_store(tmp_path, HandClock()) as store:
        session_id = await made(store)
        plays = (await BoxPlays(store).plays(session_id)).plays
        videos = BoxVideos(store, Path("/recordings"), Path("/clips"))
        footage = await videos.look(session_id, "cam1", plays)
        assert footage.error is None and footage.errors == {} and footage.bytes == 162
        from_recordings, from_file = (footage.spans[footage.span_of[play]] for play in ("play1", "play2"))
        assert base64.b64decode(from_recordings.header) == b"header" and from_recordings.frames == 100
        assert [(piece.path, piece.offset, piece.length) for piece in from_recordings.pieces] == [
            ("/recordings/cam1/a.mp4", 100, 50),
            ("/recordings/cam1/b.mp4", 0, 25),
        ]
        (piece,) = from_file.pieces
        assert (piece.path, piece.offset, piece.length) == ("/clips/s/clip.mp4", 6, 75)
        assert footage.identity_of("play1") != footage.identity_of("play2")
        other = await videos.look(session_id, "cam2", plays)
        assert {code for code, _ in other.errors.values()} == {"no_footage"} and not other.spans


async def test_a_clip_marked_alone_is_a_play_of_one_camera(tmp_path: Path) -> None:
    async with sim_store(tmp_path, HandClock()) as store:

        def alone(tx: Tx) -> str:
            add_channel(tx, "cam1")
            session_id = add_session(tx)
            add_plan(tx, add_clip(tx, session_id, "cam1", None))
            return session_id

        session_id = await store.write(alone)
        plays = await BoxPlays(store).plays(session_id)
        (play,) = plays.plays
        assert play.id == "clip-None-cam1" and plays.cameras_of(play) == ("cam1",)
        footage = await BoxVideos(store, tmp_path, tmp_path).look(session_id, "cam1", plays.plays)
        assert list(footage.span_of) == [play.id]
