"""Marks over real HTTP: local times of day, lengths, failures and retries."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from appliance.kernel.clock import EPOCH, from_rfc3339, to_rfc3339, wall_us
from tests.e2e.kit import NTSC, shown, write_past
from tests.e2e.test_api import is_between, new_ghost, new_session
from tests.kit.camera import RecordingWriter, make_footage
from tests.kit.running import Box, Http, Tablet, tablet

pytestmark = pytest.mark.slow

S_US = 1_000_000
V23 = {"id", "session_id", "channel_id", "title", "start_time", "duration", "file_path", "thumbnail_path"}
V23 |= {"status", "is_favorite", "view_count", "error_message"}


async def footage_end_us(http: Http) -> int:
    return from_rfc3339((await http.get("/channels/cam1/timeline"))["video_until"])


async def test_a_length_given_to_a_ghost_is_its_out(box: Box) -> None:
    """V06 V07 V10 V23"""
    async with box.http() as http, tablet(box) as device:
        session = await new_session(http)
        start = to_rfc3339(await footage_end_us(http) - 5 * S_US)
        ghost = await new_ghost(http, session["id"], start_time=start)
        assert set(ghost) >= V23 and ghost["clip_id"] == ghost["id"]
        assert (ghost["status"], ghost["duration"], ghost["waiting_for"]) == ("pending", 0, "out")
        done = await http.patch(f"/clips/{ghost['id']}", {"duration_seconds": 2})
        assert done["duration"] == 2
        ready = await device.event("clip_ready", clip_id=ghost["id"])
        assert ready["session_id"] == session["id"]
        assert ready["thumbnail_url"] == ghost["thumbnail_url"], "cut once"
        assert ready["session"]["total_duration_seconds"] == 2
        out = next(e for e in device.events if e["type"] == "clip_updated" and e["clip_id"] == ghost["id"])
        took_us = from_rfc3339(ready["ts"]) - from_rfc3339(out["ts"])
        assert ready["clip"]["ready_after_s"] == took_us / 1e6, "mark-to-playable, by the box"
        later = await http.post(f"/clips/{ghost['id']}/end")
        assert later["already_ended"] is True and later["duration"] == 2
        assert len(shown((await http.media(f"/clips/{ghost['id']}/stream")).content).numbers) in (59, 60)


@pytest.mark.parametrize("seconds", [-1, 0, 61, "long"])
async def test_an_impossible_length_is_refused(box: Box, seconds: Any) -> None:
    """V07"""
    async with box.http() as http:
        session = await new_session(http)
        ghost = await new_ghost(http, session["id"])
        problem = await http.patch(f"/clips/{ghost['id']}", {"duration_seconds": seconds}, 422)
        assert [each["loc"] for each in problem["errors"]] == ["duration_seconds"]


async def test_a_start_may_be_the_clock_on_the_wall(box: Box) -> None:
    """V08: the site's zone is Madrid; the given text is stored."""
    async with box.http() as http:
        session = await new_session(http)
        await http.post(f"/sessions/{session['id']}/start")
        at_us = (wall_us() // S_US - 3) * S_US
        local = (EPOCH + timedelta(microseconds=at_us)).astimezone(ZoneInfo("Europe/Madrid"))
        clip = await new_ghost(http, session["id"], start_time=f"{local:%H:%M:%S}")
        assert from_rfc3339(clip["start_time"]) == at_us
        assert clip["start_time_given"] == f"{local:%H:%M:%S}"
        other = (EPOCH + timedelta(microseconds=at_us)).astimezone(UTC) + timedelta(hours=12)
        body = {"session_id": session["id"], "channel_id": "cam1", "start_time": f"{other:%H:%M:%S}"}
        assert (await http.post("/clips", body, 422))["code"] == "not_in_session"


async def test_a_start_ahead_of_the_box_is_refused_with_its_time(box: Box) -> None:
    async with box.http() as http:
        session, before_us = await new_session(http), wall_us()
        body = {
            "session_id": session["id"],
            "channel_id": "cam1",
            "start_time": to_rfc3339(before_us + 60 * S_US),
        }
        problem = await http.post("/clips", body, 422)
        assert problem["code"] == "clock_ahead"
        assert is_between(before_us, problem["server_time"])


async def test_after_the_game_both_names_of_a_length_make_a_clip(box: Box) -> None:
    """V16"""
    async with box.http() as http:
        session = await new_session(http)
        start = to_rfc3339(await footage_end_us(http) - 4 * S_US)
        body = {"session_id": session["id"], "channel_id": "cam1", "start_time": start}
        for name in ("duration", "duration_seconds"):
            clip = await http.post("/clips", {**body, name: 1.5}, 201)
            assert clip["duration"] == 1.5 and clip["status"] == "ready" and clip["stream_url"]
        await http.post("/clips", {**body, "duration": 1, "duration_seconds": 2}, 422)


async def test_every_playback_counts_once(box: Box) -> None:
    """V11"""
    async with box.http() as http:
        session = await new_session(http)
        clip = await new_ghost(http, session["id"])
        for count in (1, 2):
            assert (await http.post(f"/clips/{clip['id']}/view"))["view_count"] == count
        assert (await http.get(f"/clips/{clip['id']}"))["view_count"] == 2


@pytest.mark.parametrize("late", ["by_ws", "by_http"])
async def test_a_mark_that_arrives_both_ways_is_done_once(box: Box, late: str) -> None:
    """A tablet out of range sends it over /ws, then by HTTP with the same key; one may arrive much later."""
    async with box.http("tablet") as http, tablet(box, client="tablet") as device:
        session = await new_session(http)
        made = await device.command("play_new", {"session_id": session["id"]}, id=f"{late}-new")
        assert made["ok"], made
        play = made["resource"]
        path, when = f"/plays/{play['id']}", to_rfc3339(wall_us())

        async def mark(do: str, field: str, way: str) -> dict[str, Any]:
            if way == "by_ws":
                body = {field: when, "id": play["id"]}
                return dict((await device.command(do, body, id=f"{late}-{do}"))["resource"])
            answer = await http.post(f"{path}/{do[5:]}", {field: when}, Idempotency_Key=f"{late}-{do}")
            return dict(answer)

        early = "by_http" if late == "by_ws" else "by_ws"
        for do, field, back in (("play_cue", "cue_time", "cue"), ("play_end", "end_time", "reopen")):
            await mark(do, field, early)
            send = http.delete(f"{path}/{back}") if back == "cue" else http.post(f"{path}/{back}")
            taken_back = await send
            await mark(do, field, late)
            assert (await http.get(path))["rev"] == taken_back["rev"]
        now = await http.get(path)
        assert (now["cue_time"], now["duration"]) == (None, 0)
        again = {"session_id": session["id"]}
        assert (await http.post("/plays", again, 201, Idempotency_Key=f"{late}-new"))["id"] == play["id"]


async def failed(device: Tablet, clip_id: str, times: int) -> list[dict[str, Any]]:
    def find() -> list[dict[str, Any]] | None:
        results = [e for e in device.events if e["type"] == "clip_failed" and e["clip_id"] == clip_id]
        return results if len(results) >= times else None

    results: list[dict[str, Any]] = await device.next(find, what=f"failure {times}")
    return results


async def test_a_clip_without_footage_fails_can_be_retried_and_heals_when_footage_is_found(box: Box) -> None:
    """V26: missing footage indexed within 24 h causes a new cut automatically."""
    async with box.http() as http, tablet(box) as device:
        session = await new_session(http)
        start_us = wall_us() - 6 * S_US
        body = {"session_id": session["id"], "channel_id": "cam2", "start_time": to_rfc3339(start_us)}
        clip = await http.post("/clips", {**body, "duration": 2}, 201)
        [event] = await failed(device, clip["id"], 1)
        assert "cam2" in event["error"] and event["clip"]["error_message"] == event["error"]
        assert (await http.media(f"/clips/{clip['id']}/stream", 409)).json()["status"] == 409
        again = await http.post(f"/clips/{clip['id']}/retry")
        assert (again["status"], again["retries"], again["error_message"]) == ("pending", 1, None)
        await failed(device, clip["id"], 2)
        footage = make_footage(frames=480, fps=NTSC, gop=60, b_frames=2)
        staged = box.folder / "staged"  # files seen while growing count as live
        write_past(RecordingWriter(staged, footage, start_us - S_US), start_us + 4 * S_US)
        (box.recordings / "cam2").mkdir(exist_ok=True)
        for path in sorted(staged.iterdir()):
            path.rename(box.recordings / "cam2" / path.name)
        ready = await device.event("clip_ready", clip_id=clip["id"])
        assert ready["clip"]["coverage"]["missing"] == []
        assert len(shown((await http.media(ready["clip"]["stream_url"])).content).numbers) in (59, 60)
        refused = await http.post(f"/clips/{clip['id']}/retry", status=409)
        assert refused["state"] == "ready" and "retry" not in refused["allowed"]
