"""One game of some seconds: four cameras recorded live beside the real daemon, marked while it runs.

Recorded once for all tests (fixture `game`); they check its marks and add more afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import trio

from appliance.kernel.clock import to_rfc3339, wall_us
from tests.e2e.kit import FRAME_US, NTSC, Published, published, span_of
from tests.kit.camera import RecordingWriter, make_footage
from tests.kit.running import Box, Event, Http, Tablet, serving_box, tablet

GAME_S = 7.5
SIDE_LATENCY_MS = 80
BREAK_S, LOST_S = 2.9, 1.0  # camera "broken": its recorder restarts here, and at least this much is lost
S_US = 1_000_000


@dataclass
class Game:
    """What was recorded and marked live."""

    box: Box
    start_us: int
    writers: dict[str, RecordingWriter]
    session_id: str = ""
    marks: dict[str, Any] = field(default_factory=dict)  # answers by name
    # between these times, by name of the mark
    pressed_us: dict[str, tuple[int, int]] = field(default_factory=dict)
    heard: dict[str, list[Event]] = field(default_factory=dict)  # events by tablet
    late_us: int = 0  # the largest delay of the writers themselves

    async def frames(self, http: Http, channel: str) -> list[Published]:
        return await published(http, channel, self.writers[channel])


def cameras(start_us: int, box: Box) -> dict[str, RecordingWriter]:
    """end, side (another phase, arriving 80 ms late), broken (restarts), hevc (open GOP)."""
    h264 = make_footage(frames=480, fps=NTSC, gop=60, b_frames=2)
    hevc = make_footage(frames=360, fps=NTSC, gop=60, b_frames=2, codec="hevc", open_gop=True)
    make = partial(RecordingWriter, segment_s=4.0)
    return {
        "end": make(box.recordings / "end", h264, start_us),
        "side": make(
            box.recordings / "side", h264, start_us + FRAME_US // 3, delay_us=SIDE_LATENCY_MS * 1000
        ),
        "broken": make(box.recordings / "broken", h264, start_us),
        "hevc": make(box.recordings / "hevc", hevc, start_us),
    }


@contextmanager
def recorded_game(folder: Path) -> Iterator[Game]:
    """The game, with its box still running; it must stop cleanly."""
    channels = [
        {"id": "end"},
        {"id": "side", "latency_ms": SIDE_LATENCY_MS},
        {"id": "broken"},
        {"id": "hevc"},
    ]
    settings = {"channels": channels, "clips": {"workers": 1, "coverage_wait_s": 3}}
    with serving_box(folder, settings, play_game) as box:
        yield box


async def play_game(box: Box) -> Game:
    make_footage(frames=480, fps=NTSC, gop=60, b_frames=2)
    make_footage(frames=360, fps=NTSC, gop=60, b_frames=2, codec="hevc", open_gop=True)
    await box.start()
    start_us = wall_us() + 300_000
    game = Game(box, start_us, cameras(start_us, box))
    async with box.http("coach") as http, tablet(box) as first, tablet(box) as second:
        async with trio.open_nursery() as nursery:
            for name, writer in game.writers.items():
                nursery.start_soon(record, game, name, writer)
            nursery.start_soon(beat, http, list(game.writers), start_us + round(GAME_S * S_US))
            nursery.start_soon(coach, game, http, first)
        await first.event("clip_ready", clip_id=game.marks["early_out"]["id"])
        for clip_id in game.marks["play"]["clip_ids"]:
            await first.event("clip_ready", clip_id=clip_id)
        await second.next(
            lambda: second.seqs and second.seqs[-1] >= first.seqs[-1], what="the same at the other"
        )
        game.heard = {"one": first.events, "other": second.events}
    return game


async def record(game: Game, name: str, writer: RecordingWriter) -> None:
    end_us = game.start_us + round(GAME_S * S_US)
    if name == "broken":
        await write_live(game, writer, game.start_us + round(BREAK_S * S_US))
        writer.restart(gap_s=LOST_S)
    await write_live(game, writer, end_us)


async def write_live(game: Game, writer: RecordingWriter, until_us: int) -> None:
    """Like RecordingWriter.run_live, also measuring our own delay."""
    while (due := writer.next_due_us()) <= until_us:
        await trio.sleep(max(0, due - wall_us()) / 1e6)
        writer.write_until(due)
        game.late_us = max(game.late_us, wall_us() - due)


async def beat(http: Http, channels: list[str], until_us: int) -> None:
    """Capture devices: activate, then a heartbeat each second."""
    for channel in channels:
        await http.post(f"/channels/{channel}/activate")
    while wall_us() < until_us:
        for channel in channels:
            answer = await http.post(f"/channels/{channel}/heartbeat", {"ok": True, "framerate": 29.97})
            assert answer["status"] == "active"
        await trio.sleep(1)


async def coach(game: Game, http: Http, device: Tablet) -> None:
    """Marks while the game runs."""
    session = await http.post("/sessions", {"name": "Final", "type": "game"}, 201)
    game.session_id = session["id"]
    await http.post(f"/sessions/{session['id']}/start")
    of_end = {"session_id": session["id"], "channel_id": "end", "duration_seconds": 0}
    await until(game, 1.4)
    before_us = wall_us()
    ghost = await http.post("/clips", of_end, 201)
    game.marks["ghost"], game.pressed_us["in"] = ghost, (before_us, wall_us())
    await until(game, 3.8)
    before_us = wall_us()
    await http.post(f"/clips/{ghost['id']}/end")
    game.pressed_us["out"] = before_us, wall_us()
    game.marks["ghost_ready"] = await device.event("clip_ready", clip_id=ghost["id"])
    early = await http.post("/clips", of_end, 201)
    game.marks["early_out"] = await http.post(
        f"/clips/{early['id']}/end", {"end_time": to_rfc3339(wall_us() + 2_500_000)}
    )
    await until(game, 4.6)
    play = await http.post("/plays", {"session_id": session["id"], "channel_ids": ["end", "side"]}, 201)
    await until(game, 6.6)
    game.marks["play"] = await http.post(f"/plays/{play['id']}/end")


async def until(game: Game, second: float) -> None:
    await trio.sleep(max(0, game.start_us + second * S_US - wall_us()) / 1e6)


async def new_clip(game: Game, http: Http, channel: str, start_us: int, end_us: int) -> dict[str, Any]:
    """A clip made after the game (V16): its footage exists, so the answer is playable."""
    body = {
        "session_id": game.session_id,
        "channel_id": channel,
        "start_time": to_rfc3339(start_us),
        "duration": (end_us - start_us) / 1e6,
    }
    clip: dict[str, Any] = await http.post("/clips", body, 201)
    assert clip["stream_url"] and clip["status"] == "ready", clip
    assert span_of(clip) == (start_us, end_us)
    return clip


async def download(http: Http, clip: dict[str, Any]) -> bytes:
    return (await http.media(clip["stream_url"])).content
