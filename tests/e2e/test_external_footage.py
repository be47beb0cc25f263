"""Directories growing part by part like MediaMTX's, the real daemon beside them, clips decoded again.

Frames are identified by the numbers in their pictures, never by their times.
"""

from __future__ import annotations

import random

import pytest

from appliance.kernel.clock import from_rfc3339, to_rfc3339
from appliance.media.mp4.fmp4 import parse_init
from tests.e2e.game import LOST_S, S_US, Game, download, new_clip
from tests.e2e.kit import FRAME_US, NTSC, PACKET, assert_continuous, expected, shown, span_of
from tests.kit.running import tablet

pytestmark = pytest.mark.slow
CLOCKS_US = 50_000  # allowed difference between the box's clock and the wall clock


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
        for mark, at_us in (("in", start_us), ("out", end_us)):
            before_us, after_us = game.pressed_us[mark]
            assert before_us - CLOCKS_US < at_us < after_us + CLOCKS_US
        played = shown(await download(http, clip))
    assert played.numbers == expected(frames, start_us, end_us) and len(played.numbers) > 60
    assert_continuous(played, sound_short_s=2 / float(NTSC))
    assert clip["coverage"]["missing"] == []
    assert clip["coverage"]["frames"] == len(played.numbers)
    assert abs(clip["coverage"]["duration_s"] - len(played.numbers) / float(NTSC)) < 0.001


async def test_published_times_are_the_truth_within_a_frame(game: Game) -> None:
    async with game.box.http() as http:
        for channel in game.writers:
            frames = await game.frames(http, channel)
            worst = max(frames, key=lambda each: abs(each.error_us))
            assert abs(worst.error_us) < FRAME_US + game.late_us, (channel, worst, game.late_us)


async def test_out_before_its_footage_waits_for_it_and_misses_nothing(game: Game) -> None:
    """V09: the answer to OUT says that it waits; the clip becomes complete."""
    early = game.marks["early_out"]
    assert early["waiting_for"] == "footage" and early["stream_url"] is None
    async with game.box.http() as http:
        clip = await http.get(f"/clips/{early['id']}")
        frames = await game.frames(http, "end")
        played = shown(await download(http, clip))
    assert played.numbers == expected(frames, *span_of(clip)) and len(played.numbers) >= 40
    assert clip["coverage"]["missing"] == []


async def test_a_play_over_two_cameras_shows_the_same_instants_within_a_frame(game: Game) -> None:
    """Camera side arrives 80 ms later, and is configured so."""
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
    for item, other in zip(*edges, strict=True):
        assert abs(item - other) <= FRAME_US + game.late_us


async def test_every_tablet_receives_the_same_events_in_the_same_order(game: Game) -> None:
    """V20: the author too, complete events in seq order without a gap."""
    first, other = game.heard["one"], game.heard["other"]
    seqs = [event["seq"] for event in first]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert first == [event for event in other if event["seq"] <= seqs[-1]][-len(first) :]
    kinds = [event["type"] for event in first if event.get("clip_id") == game.marks["ghost"]["id"]]
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


# -- cut later --------------------------------------------------------------------------------------


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
    """Random spans, and spans that begin and end on the exact microsecond of a frame."""
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


async def test_a_gap_of_the_recorder_is_held_and_reported(game: Game) -> None:
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
    assert missing["reason"] and clip["coverage"]["frames"] == len(played.numbers)
    hole_s = (from_rfc3339(missing["end"]) - from_rfc3339(missing["start"])) / 1e6
    frame_s = (clip["coverage"]["duration_s"] - hole_s) / len(played.numbers)
    # The app's frame duration; the last frame before the break is lost with its B-frame, in no gap.
    assert abs(frame_s - 1 / float(NTSC)) < 0.001
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


async def test_a_clip_that_reaches_past_the_footage_is_shorter_and_lists_what_is_missing(game: Game) -> None:
    """V09: it waits for coverage_wait_s, then uses the existing footage."""
    async with game.box.http() as http, tablet(game.box) as device:
        frames = await game.frames(http, "end")
        last_us = frames[-1].at_us
        body = {
            "session_id": game.session_id,
            "channel_id": "end",
            "start_time": to_rfc3339(frames[-20].at_us),
            "duration_seconds": (last_us + S_US - frames[-20].at_us) / 1e6,
        }
        made = await http.post("/clips", body, 201)
        clip = (await device.event("clip_ready", clip_id=made["id"]))["clip"]
        played = shown(await download(http, clip))
    assert played.numbers == [each.truth.burned for each in frames[-20:]]
    [missing] = clip["coverage"]["missing"]
    assert abs(from_rfc3339(missing["start"]) - last_us - FRAME_US) < 5_000
    assert from_rfc3339(missing["end"]) == span_of(clip)[1]
