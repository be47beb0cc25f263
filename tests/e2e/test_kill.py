"""kill -9 of the daemon at any moment: pending marks, tags, heartbeats, cuts and thumbnails.

The camera `ext` is recorded by another program and continues, as with MediaMTX; `syn` is recorded by the
box's own recorder with its children, which must die with it. Seeded; scripts/faults runs it for longer.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio

from appliance.box.settings import load_settings
from appliance.kernel.clock import wall_us
from appliance.ops.fsck import check_box
from tests.e2e.coaches import Follower, World, mark_clips, mark_plays, send_heartbeats
from tests.e2e.kit import NTSC, expected, frame_times, published, shown, span_of
from tests.kit.camera import RecordingWriter, make_footage
from tests.kit.running import Box, Http, running_box
from tests.kit.waiting import LIMIT_S

pytestmark = [
    pytest.mark.slow,
    # httpx leaves the body of a request it could not finish sending to the garbage collector
    pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning"),
]

ENDS = ("kill", "kill", "stop", "kill")  # a third kill in a row is safe mode; a clean end resets the count
S_US = 1_000_000


async def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    footage = make_footage(frames=480, fps=NTSC, gop=60, b_frames=2)
    dice = Random(20261120)
    channels = [{"id": "ext"}, {"id": "syn", "input_url": "synthetic:?size=320x180"}]
    settings = {"recorder": {"mode": "embedded"}, "clips": {"workers": 1, "coverage_wait_s": 3}}
    async with running_box(tmp_path, channels=channels, **settings) as box:
        writer = RecordingWriter(box.recordings / "ext", footage, wall_us(), segment_s=4)
        world, recording = World(box), trio.CancelScope()
        follower = Follower(world)
        async with world.client, trio.open_nursery() as nursery:
            nursery.start_soon(record, writer, recording)
            await begin(world)
            nursery.start_soon(follower.follow)
            async with trio.open_nursery() as people:
                for work in (mark_clips, mark_clips, mark_plays):
                    people.start_soon(work, world, Random(dice.random()))
                people.start_soon(send_heartbeats, world)
                for end in ENDS:
                    await one_round(world, writer, dice, end)
                await world.answered(world.answers + 10)
                world.is_over = True
            await end_of_game(box, world)  # the camera records until every clip is cut
            recording.cancel()
            await box.stop()  # the follower's last connection ends with it
        known = load_settings(box.folder / "appliance.toml")
        assert [str(finding) for finding in await check_box(known, False)] == []
        await box.start()
        await check_all(box, world, follower, writer)


async def begin(world: World) -> None:
    world.is_up.set()
    await world.say("POST", "/channels/ext/activate")
    session = await world.say("POST", "/sessions", {"name": "Night", "type": "game"})
    world.session_id = session["id"]
    world.keep("sessions", await world.say("POST", f"/sessions/{session['id']}/start"))


async def record(writer: RecordingWriter, scope: trio.CancelScope) -> None:
    with scope:
        await writer.run_live(wall_us, until_us=wall_us() + 60 * S_US)


async def one_round(world: World, writer: RecordingWriter, dice: Random, end: str) -> None:
    """Work for a while, end the box, start again: published times are unchanged."""
    await world.answered(world.answers + dice.randint(20, 45))
    async with world.box.http() as http:
        # a new run's first times are published once its arrivals have been compared
        with trio.fail_after(LIMIT_S):
            while not (before := await times_so_far(http, writer)):  # noqa: ASYNC110  # another process
                await trio.sleep(0.05)
    await trio.sleep(dice.uniform(0, 0.1))
    await (world.box.kill() if end == "kill" else world.box.stop())  # fails if a process is left
    world.is_up = trio.Event()
    await world.box.start()
    world.is_up.set()
    async with world.box.http() as http:
        after = await times_so_far(http, writer)
    moved = set(before) - set(after)  # not a prefix: some B-frames were not there yet
    assert moved == set(), "a published time has moved"


async def times_so_far(http: Http, writer: RecordingWriter) -> list[int]:
    first_us = writer.frames[0].capture_us - S_US
    return await frame_times(http, "ext", first_us, first_us + 60 * S_US)


async def end_of_game(box: Box, world: World) -> None:
    """Complete the session; every clip of the external camera must become ready."""
    async with box.http() as http:
        await http.post(f"/sessions/{world.session_id}/complete")
        with trio.fail_after(LIMIT_S):
            while await unfinished(http, world):  # noqa: ASYNC110  # the follower receives the events
                await trio.sleep(0.1)


async def unfinished(http: Http, world: World) -> list[str]:
    clips = await all_clips(http, world)
    return [clip["id"] for clip in clips if clip["status"] in ("pending", "processing")]


async def all_clips(http: Http, world: World) -> list[dict[str, Any]]:
    page = await http.get(f"/sessions/{world.session_id}/clips", limit=1000)
    assert page["next_cursor"] is None
    return list(page["items"])


async def check_all(box: Box, world: World, follower: Follower, writer: RecordingWriter) -> None:
    assert follower.comebacks >= len(ENDS) and world.repeats > 0
    async with box.http() as http:
        await check_rows(http, world)
        await check_events(http, follower)
        await check_pictures(http, world, writer)


async def check_rows(http: Http, world: World) -> None:
    """Everything acknowledged exists, at least as new as its answer, with the given values."""
    for path, answer in world.acked.items():
        now = await http.get(path)
        assert now["rev"] >= answer["rev"], path
        given = ("start_time", "cue_time", "clip_id", "down", "play_type", "is_favorite", "number", "name")
        assert {k: now[k] for k in given if k in now} == {k: answer[k] for k in given if k in answer}, path
        if answer.get("duration"):
            assert now["duration"] == answer["duration"], path
    for path in world.deleted:
        await http.get(path, 410)


async def check_events(http: Http, follower: Follower) -> None:
    """The follower has received the journal: each entry once, in order, unchanged."""
    journal: list[dict[str, Any]] = []
    at = follower.first_seq - 1
    while (page := await http.get("/events", since=at, limit=1000))["items"]:
        journal += page["items"]
        at = page["next"]
    received = follower.events
    assert [event["seq"] for event in received] == [event["seq"] for event in journal[: len(received)]]
    assert received == journal[: len(received)] and len(received) > 200
    last_of = {each["type"] for each in journal[len(received) :]}
    assert last_of <= {"channel_footage", "recording_gap", "channel_status"}, "told while nobody listened"


async def check_pictures(http: Http, world: World, writer: RecordingWriter) -> None:
    """Clips of the external camera are complete, whatever happened to the box meanwhile."""
    clips = [clip for clip in await all_clips(http, world) if clip["channel_id"] == "ext"]
    assert len(clips) > 20
    assert {clip["status"] for clip in clips} == {"ready"}, [c for c in clips if c["status"] != "ready"][:2]
    frames = await published(http, "ext", writer)
    for clip in Random(1).sample(clips, 6):
        assert clip["coverage"]["missing"] == []
        played = shown((await http.media(clip["stream_url"])).content)
        assert played.numbers == expected(frames, *span_of(clip))
