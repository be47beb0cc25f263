"""Directories grown part by part as MediaMTX grows them, the real daemon beside them, clips decoded again.

One game of ten seconds is recorded live for the whole module, marked while it runs; tests look at its marks
and make more of them afterwards. Frames are known by the numbers in their pictures, never by their times.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import trio

from appliance.kernel.clock import from_rfc3339, to_rfc3339, wall_us
from appliance.media.fmp4 import parse_init
from tests.e2e.kit import (
    FRAME_US,
    NTSC,
    PACKET,
    Published,
    assert_continuous,
    expected,
    picture_number,
    published,
    shown,
    span_of,
)
from tests.kit.camera import RecordingWriter, make_footage
from tests.kit.running import Box, Event, Http, Tablet, tablet

pytestmark = pytest.mark.slow

GAME_S = 9.5
SIDE_LATENCY_MS = 80
BREAK_S, LOST_S = 4.5, 1.0  # camera "broken": its recorder lets go here, and at least so much is lost
S_US = 1_000_000


@dataclass
class Game:
    """What was recorded and marked live."""

    box: Box
    start_us: int
    writers: dict[str, RecordingWriter]
    session_id: str = ""
    marks: dict[str, Any] = field(default_factory=dict)  # answers by name
    heard: dict[str, list[Event]] = field(default_factory=dict)  # events by tablet
    late_us: int = 0  # the worst lateness of the writers themselves

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


@pytest.fixture(scope="module")
def game(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Game]:
    folder = tmp_path_factory.mktemp("game")
    channels = [
        {"id": "end"},
        {"id": "side", "latency_ms": SIDE_LATENCY_MS},
        {"id": "broken"},
        {"id": "hevc"},
    ]
    box = Box(folder, {"channels": channels, "clips": {"workers": 1, "coverage_wait_s": 5}})
    try:
        yield trio.run(play_game, box)
        assert trio.run(box.stop) == 0
    finally:
        box.process.kill_everything()


async def play_game(box: Box) -> Game:
    make_footage(frames=480, fps=NTSC, gop=60, b_frames=2)
    make_footage(frames=360, fps=NTSC, gop=60, b_frames=2, codec="hevc", open_gop=True)
    await box.start()
    start_us = wall_us() + 300_000
    game = Game(box, start_us, cameras(start_us, box))
    async with box.http("coach") as http, tablet(box) as one, tablet(box) as other:
        async with trio.open_nursery() as nursery:
            for name, writer in game.writers.items():
                nursery.start_soon(record, game, name, writer)
            nursery.start_soon(beat, http, list(game.writers), start_us + round(GAME_S * S_US))
            nursery.start_soon(coach, game, http, one)
        await one.event("clip_ready", clip_id=game.marks["early_out"]["id"])
        for clip_id in game.marks["play"]["clip_ids"]:
            await one.event("clip_ready", clip_id=clip_id)
        await other.next(lambda: other.seqs and other.seqs[-1] >= one.seqs[-1], what="the same at the other")
        game.heard = {"one": one.events, "other": other.events}
    return game


async def record(game: Game, name: str, writer: RecordingWriter) -> None:
    end_us = game.start_us + round(GAME_S * S_US)
    if name == "broken":
        await write_live(game, writer, game.start_us + round(BREAK_S * S_US))
        writer.restart(gap_s=LOST_S)
    await write_live(game, writer, end_us)


async def write_live(game: Game, writer: RecordingWriter, until_us: int) -> None:
    """As RecordingWriter.run_live, and how late we were ourselves."""
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


async def coach(game: Game, http: Http, one: Tablet) -> None:
    """Marks while the game runs."""
    session = await http.post("/sessions", {"name": "Final", "type": "game"}, 201)
    game.session_id = session["id"]
    await http.post(f"/sessions/{session['id']}/start")
    of_end = {"session_id": session["id"], "channel_id": "end", "duration_seconds": 0}
    await until(game, 2.5)
    ghost = await http.post("/clips", of_end, 201)
    game.marks["ghost"] = ghost
    await until(game, 4.9)
    await http.post(f"/clips/{ghost['id']}/end")
    game.marks["ghost_ready"] = await one.event("clip_ready", clip_id=ghost["id"])
    early = await http.post("/clips", of_end, 201)
    game.marks["early_out"] = await http.post(
        f"/clips/{early['id']}/end", {"end_time": to_rfc3339(wall_us() + 1_500_000)}
    )
    await until(game, 6.2)
    play = await http.post("/plays", {"session_id": session["id"], "channel_ids": ["end", "side"]}, 201)
    await until(game, 8.3)
    game.marks["play"] = await http.post(f"/plays/{play['id']}/end")


async def until(game: Game, second: float) -> None:
    await trio.sleep(max(0, game.start_us + second * S_US - wall_us()) / 1e6)


async def new_clip(game: Game, http: Http, channel: str, start_us: int, end_us: int) -> dict[str, Any]:
    """A clip made after the game (V16): its footage is there, so the answer can be played."""
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


# -- marked live --------------------------------------------------------------------------------------------


async def test_a_ghost_marked_live_becomes_exactly_its_frames(game: Game) -> None:
    """V06 V07 V09 V10"""
    ghost = game.marks["ghost"]
    assert ghost["status"] == "pending" and ghost["waiting_for"] == "out" and ghost["stream_url"] is None
    event = game.marks["ghost_ready"]
    assert event["session_id"] == game.session_id and event["thumbnail_url"]
    async with game.box.http() as http:
        clip = await http.get(f"/clips/{ghost['id']}")
        frames = await game.frames(http, "end")
        start_us, end_us = span_of(clip)
        assert 2.2 * S_US < end_us - start_us < 2.8 * S_US
        played = shown(await download(http, clip))
    assert played.numbers == expected(frames, start_us, end_us) and len(played.numbers) > 60
    assert_continuous(played, sound_short_s=2 / float(NTSC))
    assert clip["coverage"]["missing"] == []


async def test_published_times_are_the_truth_within_a_frame(game: Game) -> None:
    async with game.box.http() as http:
        for channel in game.writers:
            frames = await game.frames(http, channel)
            worst = max(frames, key=lambda each: abs(each.error_us))
            assert abs(worst.error_us) < FRAME_US + game.late_us, (channel, worst, game.late_us)


async def test_out_before_its_footage_waits_for_it_and_misses_nothing(game: Game) -> None:
    """V09: the answer to OUT says that it waits; the clip is whole all the same."""
    early = game.marks["early_out"]
    assert early["waiting_for"] == "footage" and early["stream_url"] is None
    async with game.box.http() as http:
        clip = await http.get(f"/clips/{early['id']}")
        frames = await game.frames(http, "end")
        played = shown(await download(http, clip))
    assert played.numbers == expected(frames, *span_of(clip)) and len(played.numbers) >= 40
    assert clip["coverage"]["missing"] == []


async def test_a_play_over_two_cameras_shows_the_same_instants_within_a_frame(game: Game) -> None:
    """Camera side arrives 80 ms later, and is set so."""
    edges = []
    async with game.box.http() as http:
        play = await http.get(f"/plays/{game.marks['play']['id']}", include="clips")
        assert sorted(clip["channel_id"] for clip in play["clips"]) == ["end", "side"]
        for clip in play["clips"]:
            frames = await game.frames(http, clip["channel_id"])
            numbers = shown(await download(http, clip)).numbers
            assert numbers == expected(frames, *span_of(play))
            truth = {each.truth.burned: each.truth.capture_us for each in frames}
            edges.append((truth[numbers[0]], truth[numbers[-1]]))
    for one, other in zip(*edges, strict=True):
        assert abs(one - other) <= FRAME_US + game.late_us


async def test_every_tablet_hears_the_same_in_the_same_order(game: Game) -> None:
    """V20: the author too, whole events in seq order without a hole."""
    one, other = game.heard["one"], game.heard["other"]
    seqs = [event["seq"] for event in one]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert one == [event for event in other if event["seq"] <= seqs[-1]][-len(one) :]
    kinds = [event["type"] for event in one if event.get("clip_id") == game.marks["ghost"]["id"]]
    assert kinds == ["clip_created", "clip_updated", "clip_processing", "clip_ready"]


async def test_the_channels_are_active_and_their_footage_was_seen(game: Game) -> None:
    """V03 V04 V22"""
    kinds = {(e["type"], e.get("channel_id"), e.get("footage")) for e in game.heard["other"]}
    async with game.box.http() as http:
        for channel in game.writers:
            assert ("channel_footage", channel, "on") in kinds
            shown_channel = await http.get(f"/channels/{channel}")
            assert shown_channel["status"] == "active" and shown_channel["framerate"] == 29.97
            assert from_rfc3339(shown_channel["last_seen_at"]) > game.start_us


# -- cut afterwards -----------------------------------------------------------------------------------------


async def test_a_clip_goes_on_across_a_segment_boundary(game: Game) -> None:
    async with game.box.http() as http:
        frames = await game.frames(http, "end")
        files = sorted((game.box.recordings / "end").glob("*.mp4"))
        bases = [mtxi.dts_ns for file in files if (mtxi := parse_init(file.read_bytes()[:4096]).mtxi)]
        border = next(n for n, each in enumerate(frames) if each.truth.media_ns >= bases[1] > bases[0])
        clip = await new_clip(game, http, "end", frames[border - 31].at_us, frames[border + 29].at_us)
        played = shown(await download(http, clip))
    assert played.numbers == [each.truth.burned for each in frames[border - 31 : border + 29]]
    assert_continuous(played)
    assert clip["coverage"]["missing"] == []


@pytest.mark.parametrize("channel", ["end", "hevc"])
async def test_any_span_shows_exactly_the_frames_published_in_it(game: Game, channel: str) -> None:
    """Random spans, and spans that begin and end on a frame's very microsecond."""
    dice = random.Random(f"spans of {channel}")
    async with game.box.http() as http:
        frames = await game.frames(http, channel)
        inner = frames[3:-6]
        edges = [each.at_us for each in dice.sample(inner, 6)]
        spans = [sorted(edges[:2]), [edges[2], edges[2] + 1], [edges[3] - 1, edges[3] + 1]]
        low, high = inner[0].at_us, inner[-1].at_us
        spans += [sorted((dice.randint(low, high), dice.randint(low, high))) for _ in range(5)]
        for start_us, end_us in spans:
            wanted = expected(frames, start_us, end_us)
            if not wanted:
                continue
            clip = await new_clip(game, http, channel, start_us, end_us)
            assert shown(await download(http, clip)).numbers == wanted, (start_us, end_us)


async def test_a_gap_of_the_recorder_is_held_and_said(game: Game) -> None:
    async with game.box.http() as http:
        frames = await game.frames(http, "broken")
        after = next(n for n, each in enumerate(frames) if each.truth.run == 1)
        gap_us = frames[after].at_us - frames[after - 1].at_us
        assert gap_us > LOST_S * S_US
        start_us, end_us = frames[after - 25].at_us, frames[after + 25].at_us
        clip = await new_clip(game, http, "broken", start_us, end_us)
        played = shown(await download(http, clip))
    assert played.numbers == expected(frames, start_us, end_us) and len(played.numbers) == 50
    assert played.times[0] == 0
    wanted = [(each.at_us - start_us) / 1e6 for each in frames[after - 25 : after + 25]]
    off_s = [abs(at_s - wanted_s) for at_s, wanted_s in zip(played.times, wanted, strict=True)]
    assert max(off_s) < 0.010, "clip time is wall time: the last frame stays for as long as the gap lasts"
    [missing] = clip["coverage"]["missing"]
    assert missing["reason"]
    assert abs(from_rfc3339(missing["start"]) - (frames[after - 1].at_us + FRAME_US)) < 5_000
    assert abs(from_rfc3339(missing["end"]) - frames[after].at_us) < 5_000
    gap_s = (frames[after - 1].at_us + FRAME_US - start_us) / 1e6, (frames[after].at_us - start_us) / 1e6
    assert played.peak(0, gap_s[0] - 0.1) > 0.1 and played.peak(gap_s[1] + 0.1, played.times[-1]) > 0.1
    assert played.peak(gap_s[0] + 0.1, gap_s[1] - 0.1) < 0.01, "silence, no sound moved into it"
    assert all(0 < by <= PACKET * 2 for _, by in played.sound_breaks())


async def test_the_timeline_tells_of_the_restart(game: Game) -> None:
    async with game.box.http() as http:
        frames = await game.frames(http, "broken")
        start, end = to_rfc3339(frames[0].at_us), to_rfc3339(frames[-1].at_us)
        known = await http.get("/channels/broken/timeline", start=start, end=end)
    assert len(known["runs"]) == 2 and len(known["spans"]) == 2
    [gap] = known["gaps"]
    before = next(each for each in reversed(frames) if each.truth.run == 0)
    assert abs(from_rfc3339(gap["start"]) - before.at_us - FRAME_US) < FRAME_US
    assert any(event["type"] == "recording_gap" and event["end"] for event in game.heard["other"])


async def test_a_clip_that_reaches_past_the_footage_is_cut_short_and_says_so(game: Game) -> None:
    """V09: it waits for coverage_wait_s, then takes what there is."""
    async with game.box.http() as http, tablet(game.box) as one:
        frames = await game.frames(http, "end")
        last_us = frames[-1].at_us
        body = {
            "session_id": game.session_id,
            "channel_id": "end",
            "start_time": to_rfc3339(frames[-20].at_us),
            "duration_seconds": (last_us + S_US - frames[-20].at_us) / 1e6,
        }
        made = await http.post("/clips", body, 201)
        clip = (await one.event("clip_ready", clip_id=made["id"]))["clip"]
        played = shown(await download(http, clip))
    assert played.numbers == [each.truth.burned for each in frames[-20:]]
    [missing] = clip["coverage"]["missing"]
    assert abs(from_rfc3339(missing["start"]) - last_us - FRAME_US) < 5_000
    assert from_rfc3339(missing["end"]) == span_of(clip)[1]


async def test_a_thumbnail_is_the_key_picture_of_its_moment(game: Game) -> None:
    async with game.box.http() as http:
        frames = await game.frames(http, "end")
        for place in (60, 119, 200):
            clip = await new_clip(game, http, "end", frames[place].at_us, frames[place + 10].at_us)
            jpeg = await http.media(clip["thumbnail_url"])
            assert jpeg.headers["content-type"] == "image/jpeg"
            assert picture_number(jpeg.content) == place - place % 60


async def test_the_newest_picture_and_the_last_seconds_are_there_without_a_mark(game: Game) -> None:
    async with game.box.http() as http:
        frames = await game.frames(http, "end")
        jpeg = await http.media("/channels/end/frame.jpg")
        newest_key = max(f.truth.burned for f in frames if f.truth.burned % 60 == 0)
        assert picture_number(jpeg.content) == newest_key
        start_us, end_us = frames[100].at_us, frames[160].at_us
        asked = f"/channels/end/replay.mp4?start={to_rfc3339(start_us)}&duration={(end_us - start_us) / 1e6}"
        moved = await http.media(asked, 307)
        again = await http.media(moved.headers["location"])
        assert shown(again.content).numbers == expected(frames, start_us, end_us)


# -- bytes --------------------------------------------------------------------------------------------------


async def test_byte_ranges_are_pieces_of_the_whole(game: Game) -> None:
    """V11"""
    async with game.box.http() as http:
        clip = await http.get(f"/clips/{game.marks['ghost']['id']}")
        for path in (clip["stream_url"], f"/clips/{clip['id']}/stream"):
            whole = await http.media(path)
            size = len(whole.content)
            assert whole.headers["accept-ranges"] == "bytes" and whole.headers["etag"] == '"m1"'
            head = await http.send("HEAD", path)
            assert int(head.headers["content-length"]) == size and head.content == b""
            for text, piece in [
                ("bytes=0-1", whole.content[:2]),
                ("bytes=100-70000", whole.content[100:70_001]),
                ("bytes=-500", whole.content[-500:]),
                (f"bytes={size - 10}-{size + 1000}", whole.content[-10:]),
            ]:
                part = await http.media(path, 206, range=text)
                assert part.content == piece
                first = size - len(piece) if text != "bytes=0-1" else 0
                if text == "bytes=100-70000":
                    first = 100
                last = first + len(piece) - 1
                assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
            past = await http.media(path, 416, range=f"bytes={size}-")
            assert past.headers["content-range"] == f"bytes */{size}"
            same = await http.media(path, 304, if_none_match='"m1"')
            assert same.content == b""


async def test_a_trim_is_a_new_cut_and_the_old_one_keeps_its_bytes(game: Game) -> None:
    """V07: PATCH of a ready clip."""
    async with game.box.http() as http, tablet(game.box) as one:
        frames = await game.frames(http, "end")
        clip = await new_clip(game, http, "end", frames[30].at_us, frames[90].at_us)
        before = await download(http, clip)
        length_s = (frames[60].at_us - frames[40].at_us) / 1e6
        trim = {"start_time": to_rfc3339(frames[40].at_us), "duration_seconds": length_s}
        await http.patch(f"/clips/{clip['id']}", trim)
        await one.next(lambda: ready_revs(one, clip["id"]) == [1, 2], what="the second cut")
        after = await http.get(f"/clips/{clip['id']}")
        assert after["media_rev"] == 2 and after["stream_url"] != clip["stream_url"]
        played = shown(await download(http, after))
        assert played.numbers == [each.truth.burned for each in frames[40:60]]
        assert await download(http, clip) == before, "a media_rev never changes"


def ready_revs(one: Tablet, clip_id: str) -> list[int]:
    ready = [event for event in one.events if event["type"] == "clip_ready" and event["clip_id"] == clip_id]
    return [event["clip"]["media_rev"] for event in ready]


async def test_the_file_has_the_bytes_that_were_served_before_it_existed(game: Game) -> None:
    """Virtual first. A folder that cannot be made keeps the clip from its file until the box starts anew."""
    async with game.box.http() as http:
        other = await http.post("/sessions", {"name": "Second", "type": "practice"}, 201)
        blocker = game.box.clips / other["id"]
        blocker.write_bytes(b"")
        frames = await game.frames(http, "end")
        first = Game(game.box, game.start_us, game.writers, session_id=other["id"])
        clip = await new_clip(first, http, "end", frames[50].at_us, frames[130].at_us)
        virtual = await download(http, clip)
        assert (await http.get(f"/clips/{clip['id']}"))["file_path"] is None
        blocker.unlink()
    assert await game.box.stop() == 0
    await game.box.start()
    async with game.box.http() as http:
        path = await has_file(http, clip["id"])
        assert (game.box.clips / path).read_bytes() == virtual
        assert await download(http, clip) == virtual
        part = await http.media(clip["stream_url"], 206, range="bytes=1000-2999")
        assert part.content == virtual[1000:3000]


async def has_file(http: Http, clip_id: str) -> str:
    """The clip's file_path, once it was written; no event tells of it."""
    with trio.fail_after(10):
        while (path := (await http.get(f"/clips/{clip_id}"))["file_path"]) is None:  # noqa: ASYNC110
            await trio.sleep(0.05)
    return str(path)
