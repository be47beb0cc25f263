"""Plays and clips over HTTP, with real recordings' bytes behind the URLs."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from appliance.box.clips.cutting import cutter as cutter_module
from appliance.box.clips.cutting.cutter import run_cutter
from appliance.box.clips.files.delivery import ClipDelivery, media_routes
from appliance.box.clips.http import clip_routes, play_routes
from appliance.box.clips.records.plays import close_session_ghosts
from appliance.box.clips.records.stored_plans import plans_to_write
from appliance.box.clips.viewing.replay import Replays, picture_routes
from appliance.box.clips.viewing.thumbnails import Pictures
from appliance.http.api import Routes
from appliance.kernel.errors import Unavailable
from appliance.kernel.store import Store, open_store
from appliance.media.index.view import SegmentView
from appliance.server.app import make_app
from appliance.server.box_routes import Hooks, Site
from tests.kit.box import add_channel, add_session, mark_rules
from tests.kit.client import Client
from tests.kit.clock import KICKOFF_US, HandClock
from tests.kit.hand_footage import HandFootage, HandPlanner
from tests.kit.waiting import LIMIT_S

RECORDING = bytes(range(256)) * 4


class OneRecording(HandFootage):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def open_fd(self, name: str) -> int:
        return os.open(self.path, os.O_RDONLY)

    async def views(self, channel_id: str, start_us: int, end_us: int) -> list[SegmentView]:
        return []


@dataclass
class Desk:
    client: Client
    session_id: str
    footage: OneRecording
    clock: HandClock
    planner: HandPlanner
    store: Store

    async def clip(self, **fields: Any) -> dict[str, Any]:
        body = {"session_id": self.session_id, "channel_id": "cam1", **fields}
        reply = await self.client.post("/clips", body)
        assert reply.status == 201, reply.body
        return dict(reply.json)

    async def ready_clip(self) -> dict[str, Any]:
        self.footage.grow(KICKOFF_US)
        return await self.clip(start_time="2026-11-20T18:59:50Z", duration=5)


async def no_worker(*args: object, **options: object) -> bytes:
    raise Unavailable("no_worker", "no worker")


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(cutter_module, "SETTLE_S", LIMIT_S)  # a busy machine may pause for longer
    recording = tmp_path / "recording.mp4"
    recording.write_bytes(RECORDING)
    clock, footage, rules = HandClock(), OneRecording(recording), mark_rules()
    planner = HandPlanner(footage)
    async with open_store(tmp_path / "box.db", clock) as store, trio.open_nursery() as nursery:
        for channel_id in ("cam1", "cam2"):
            await store.write(partial(add_channel, channel_id=channel_id))
        session_id = await store.write(add_session)
        cutter = await nursery.start(
            lambda task_status: run_cutter(
                store=store,
                footage=footage,
                source_down=lambda channel_id: False,
                rules=rules,
                clock=clock,
                plan_span=planner,
                task_status=task_status,
            )
        )
        threads = trio.CapacityLimiter(4)
        delivery = ClipDelivery(footage, tmp_path / "clips", threads)
        pictures = Pictures(store, footage, no_worker, tmp_path / "clips", threads)
        replays = Replays(store, footage, clock, rules, planner, delivery)
        raw = [*media_routes(store=store, delivery=delivery), *picture_routes(pictures)]
        routes = [clip_routes(rules=rules, cutter=cutter), play_routes(rules=rules, cutter=cutter)]
        app = make_app(
            [*routes, replays.routes(), Routes("media", raw=raw)],
            store=store,
            clock=clock,
            site=Site(),
            hooks=Hooks(ready=dict, metrics=bytes, snapshot=lambda tx, give_way: {}),
        )
        yield Desk(Client(app, device="coach"), session_id, footage, clock, planner, store)
        nursery.cancel_scope.cancel()


async def test_the_answer_to_a_mark_in_the_past_is_playable_already(desk: Desk) -> None:  # V16
    clip = await desk.ready_clip()
    assert clip["status"] == "ready" and clip["stream_url"] == f"/clips/{clip['id']}/m1/cam1.mp4"
    assert clip["preroll_s"] == 0.5 and clip["coverage"]["missing"] == []


async def test_a_ghost_and_its_end_over_http(desk: Desk) -> None:  # V06 V07
    desk.footage.grow(KICKOFF_US + 60_000_000)
    ghost = await desk.clip()
    assert (ghost["status"], ghost["waiting_for"], ghost["duration"]) == ("pending", "out", 0)
    desk.clock.advance(12)
    ended = await desk.client.post(f"/clips/{ghost['id']}/end")
    assert (ended.status, ended.json["duration"], ended.json["status"]) == (200, 12, "ready")
    assert ended.headers["etag"] == f'"r{ended.json["rev"]}"'
    again = await desk.client.post(f"/clips/{ghost['id']}/end")
    assert again.json["already_ended"] is True and again.json["duration"] == 12


async def test_a_play_answers_with_its_clips(desk: Desk) -> None:
    desk.footage.grow(KICKOFF_US + 60_000_000)
    play = (await desk.client.post("/plays", {"session_id": desk.session_id})).json
    assert play["number"] == 1 and [clip["channel_id"] for clip in play["clips"]] == ["cam1", "cam2"]
    desk.clock.advance(5)
    ended = (await desk.client.post(f"/plays/{play['id']}/end")).json
    assert [clip["status"] for clip in ended["clips"]] == ["ready", "ready"]
    cued = await desk.client.post(f"/plays/{play['id']}/cue")
    assert cued.json["cue_time"] == "2026-11-20T19:00:05.000000Z"
    listed = (await desk.client.get(f"/sessions/{desk.session_id}/plays?include=clips")).json
    assert [each["number"] for each in listed["items"]] == [1]
    assert len(listed["items"][0]["clips"]) == 2


async def test_the_media_of_a_revision_is_header_and_ranges_and_never_changes(desk: Desk) -> None:  # V11
    clip = await desk.ready_clip()
    whole = b"header" + RECORDING[100:150]
    reply = await desk.client.get(clip["stream_url"])
    assert (reply.status, reply.body) == (200, whole)
    assert "immutable" in reply.headers["cache-control"] and reply.headers["etag"] == '"m1"'
    part = await desk.client.get(clip["stream_url"], headers={"range": "bytes=4-9"})
    assert (part.status, part.body) == (206, whole[4:10])
    assert part.headers["content-range"] == f"bytes 4-9/{len(whole)}"
    assert reply.headers["content-disposition"] == (
        "inline; filename=\"Game_18-59-50_cam1.mp4\"; filename*=UTF-8''Game_18-59-50_cam1.mp4"
    )
    newest = await desk.client.get(f"/clips/{clip['id']}/stream")
    assert newest.body == whole and newest.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/m2/cam1.mp4", "/mx/cam1.mp4", "/m99999999999/cam1.mp4"])
async def test_media_that_is_not_there_is_404(desk: Desk, path: str) -> None:
    clip = await desk.ready_clip()
    assert (await desk.client.get(f"/clips/{clip['id']}{path}")).status == 404


async def test_playing_a_clip_that_the_box_closed_counts_as_viewing_it(desk: Desk) -> None:
    desk.footage.grow(KICKOFF_US + 60_000_000)
    clip = await desk.clip()
    desk.clock.advance(5)
    await desk.store.write(lambda tx: close_session_ghosts(tx, mark_rules(), desk.session_id))
    url = f"/clips/{clip['id']}"
    with trio.fail_after(LIMIT_S):
        while (await desk.client.get(url)).json["status"] != "ready":
            await trio.lowlevel.checkpoint()
    for method in ("head", "get"):
        assert await desk.store.read(plans_to_write) == []
        reply = await desk.client.request(method.upper(), f"{url}/stream")
        assert reply.status == 200
    assert len(await desk.store.read(plans_to_write)) == 1


async def test_a_waiting_clip_has_waiting_for(desk: Desk) -> None:
    ghost = await desk.clip()
    reply = await desk.client.get(f"/clips/{ghost['id']}/stream")
    assert (reply.status, reply.json["code"], reply.json["waiting_for"]) == (409, "not_ready", "out")


async def test_deleted_clips_are_gone_with_their_media(desk: Desk) -> None:
    clip = await desk.ready_clip()
    await desk.client.get(clip["stream_url"])
    assert (await desk.client.delete(f"/clips/{clip['id']}")).status == 200
    for path in (f"/clips/{clip['id']}", clip["stream_url"], f"/clips/{clip['id']}/thumbnail"):
        assert (await desk.client.get(path)).status == 410


async def test_a_recording_that_is_gone_is_reported(desk: Desk) -> None:
    clip = await desk.ready_clip()
    desk.footage.path.unlink()
    reply = await desk.client.get(clip["stream_url"])
    assert (reply.status, reply.json["code"]) == (409, "footage_gone")


async def test_lists_filter_by_the_fields_of_clips(desk: Desk) -> None:  # V12 V13
    starred, plain = await desk.ready_clip(), await desk.ready_clip()
    await desk.client.post(f"/clips/{starred['id']}/favorite")
    session = f"/clips?session_id={desk.session_id}"
    results = (await desk.client.get(f"{session}&is_favorite=true")).json["items"]
    assert [each["id"] for each in results] == [starred["id"]]
    assert len((await desk.client.get(f"/sessions/{desk.session_id}/clips")).json["items"]) == 2
    assert (await desk.client.get(f"{session}&status=ready&limit=1")).json["next_cursor"]
    assert (await desk.client.get(f"{session}&include=weather")).status == 422
    await desk.client.delete(f"/clips/{starred['id']}/favorite")
    assert (await desk.client.get(f"{session}&is_favorite=true")).json["items"] == []
    assert plain["is_favorite"] is False


async def test_a_thumbnail_that_cannot_be_made_yet_asks_to_come_back(desk: Desk) -> None:
    ghost = await desk.clip()
    reply = await desk.client.get(ghost["thumbnail_url"])
    assert reply.status == 503 and reply.headers["retry-after"] == "1"


async def test_a_replay_is_frozen_by_its_url(desk: Desk) -> None:
    desk.footage.grow(KICKOFF_US)
    first = await desk.client.get("/channels/cam1/replay.mp4")
    assert first.status == 307
    location = first.headers["location"]
    assert "start=2026-11-20T18%3A59%3A40" in location and "duration=20" in location
    media = await desk.client.get(location, headers={"range": "bytes=0-5"})
    assert (media.status, media.body) == (206, b"header")
    assert "immutable" in media.headers["cache-control"]


async def test_a_replays_facts_are_those_of_the_bytes_at_its_url(desk: Desk) -> None:
    desk.footage.grow(KICKOFF_US)
    query = "start=2026-11-20T18:59:50Z&duration=10"
    facts = await desk.client.get(f"/channels/cam1/replay?{query}")
    assert facts.status == 200 and facts.headers["cache-control"] == "no-store"
    sent = await desk.client.get(f"/channels/cam1/replay.mp4?{query}")
    assert facts.json == {
        "url": sent.headers["location"],
        "start": "2026-11-20T18:59:50.000000Z",
        "end": "2026-11-20T19:00:00.000000Z",
        "duration_s": 10,
        "preroll_s": 0.5,
        "frames": 10,
        "times": [
            {"at_s": 0, "time": "2026-11-20T18:59:50.000000Z"},
            {"at_s": 10, "time": "2026-11-20T19:00:00.000000Z"},
        ],
        "runs": 1,
        "missing": [],
    }
    media = await desk.client.get(facts.json["url"])
    assert (media.status, media.body[:6]) == (200, b"header"), "one request, no more ways"


async def test_the_last_seconds_end_with_the_newest_frame(desk: Desk) -> None:
    desk.footage.grow(KICKOFF_US)
    facts = (await desk.client.get("/channels/cam1/replay")).json
    assert (facts["start"], facts["duration_s"]) == ("2026-11-20T18:59:40.000000Z", 20)
    assert facts["end"] == "2026-11-20T19:00:00.000000Z"


async def test_a_replay_lists_what_is_missing(desk: Desk) -> None:
    desk.footage.grow(KICKOFF_US)
    desk.footage.begun_after = True  # a newer run: no more footage of that time will arrive
    facts = (await desk.client.get("/channels/cam1/replay?start=2026-11-20T18:59:55Z&duration=10")).json
    missing = {"start": facts["end"], "end": "2026-11-20T19:00:05.000000Z", "reason": "no_footage"}
    assert (facts["end"], facts["missing"]) == ("2026-11-20T19:00:00.000000Z", [missing])


@pytest.mark.parametrize("door", ["replay", "replay.mp4"])
async def test_the_refusal_of_a_replay_of_the_future_has_the_end_of_the_footage(
    desk: Desk, door: str
) -> None:
    desk.footage.grow(KICKOFF_US)
    reply = await desk.client.get(f"/channels/cam1/{door}?start=2026-11-20T18:59:55Z&duration=10")
    assert (reply.status, reply.json["code"]) == (409, "not_yet_covered")
    assert reply.json["covered_until"] == "2026-11-20T19:00:00.000000Z"


@pytest.mark.parametrize("door", ["replay", "replay.mp4"])
async def test_a_replay_of_an_unreadable_file_names_the_disk(desk: Desk, door: str) -> None:
    desk.footage.grow(KICKOFF_US)
    desk.planner.error = OSError(errno.EIO, os.strerror(errno.EIO))
    reply = await desk.client.get(f"/channels/cam1/{door}")
    assert (reply.status, reply.json["code"]) == (503, "recording_unreadable")
    assert (
        "Input/output error" in reply.json["detail"] and reply.json["hint"] == "look at /readyz for the disk"
    )


async def test_a_replay_waits_for_footage_that_is_on_its_way(desk: Desk) -> None:
    desk.footage.grow(KICKOFF_US)
    answers = []

    async def ask(door: str) -> None:
        request = f"/channels/cam1/{door}?start=2026-11-20T18:59:55Z&duration=10&wait=1"
        answers.append((await desk.client.get(request)).status)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "replay")
        nursery.start_soon(ask, "replay.mp4")
        await trio.testing.wait_all_tasks_blocked()
        assert answers == []
        desk.footage.grow(KICKOFF_US + 5_000_000)
    assert sorted(answers) == [200, 307]


@pytest.mark.parametrize("door", ["replay", "replay.mp4"])
@pytest.mark.parametrize("query", ["start=yesterday", "duration=0", "duration=x", "duration=601", "speed=2"])
async def test_a_bad_replay_query_names_its_field(desk: Desk, door: str, query: str) -> None:
    reply = await desk.client.get(f"/channels/cam1/{door}?{query}")
    assert reply.status == 422 and list(reply.wrong) == [query.split("=")[0]]


async def test_unknown_fields_and_channels_are_named(desk: Desk) -> None:
    body = {"session_id": desk.session_id, "channel_id": "cam1", "colour": "red"}
    assert "colour" in (await desk.client.post("/clips", body)).wrong
    assert (await desk.client.get("/channels/cam9/replay.mp4")).status == 404
    assert (await desk.client.get("/channels/cam9/replay")).status == 404


async def test_views_are_counted(desk: Desk) -> None:  # V11
    clip = await desk.ready_clip()
    await desk.client.post(f"/clips/{clip['id']}/view")
    assert (await desk.client.get(f"/clips/{clip['id']}")).json["view_count"] == 1
