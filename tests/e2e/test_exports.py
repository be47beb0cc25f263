"""Exports, from the real daemon: the correct frames in their pictures, progress, a kill in the middle."""

from __future__ import annotations

import io
from typing import Any

import av
import pytest
import trio

from appliance.box.settings import load_settings
from appliance.kernel.clock import to_rfc3339
from appliance.ops.fsck import check_box
from tests.e2e.game import Game, download, new_clip
from tests.e2e.kit import expected, shown
from tests.kit.running import Http, Tablet, tablet
from tests.kit.waiting import LIMIT_S

pytestmark = pytest.mark.slow


async def export(
    game: Game, http: Http, device: Tablet, mode: str, places: tuple[int, int]
) -> dict[str, Any]:
    """A new clip of the frames [first, second) of camera `end`, once it is ready."""
    frames = await game.frames(http, "end")
    body = {
        "session_id": game.session_id,
        "channel_id": "end",
        "start_time": to_rfc3339(frames[places[0]].at_us),
        "duration": (frames[places[1]].at_us - frames[places[0]].at_us) / 1e6,
        "mode": mode,
    }
    made = await http.post("/clips", body, 201)
    assert made["mode"] == mode and made["status"] in ("pending", "processing")
    event = await device.event("clip_ready", clip_id=made["id"])
    clip: dict[str, Any] = event["clip"]
    return clip


def stored_packets(clip: bytes) -> int:
    with av.open(io.BytesIO(clip), "r") as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))


@pytest.mark.parametrize("mode", ["exact", "transcode"])
async def test_an_export_is_its_frames_and_nothing_hidden(game: Game, mode: str) -> None:  # T13
    async with game.box.http() as http, tablet(game.box) as device:
        clip = await export(game, http, device, mode, (37, 97))
        assert clip["preroll_s"] == 0 and clip["coverage"]["missing"] == []
        assert clip["file_path"] == f"{game.session_id}/{clip['id']}-m1.mp4"
        made = await download(http, clip)
        frames = await game.frames(http, "end")
        played = shown(made)
        assert played.numbers == [each.truth.burned for each in frames[37:97]]
        assert played.times[0] == 0 and stored_packets(made) == 60
        assert played.sound and played.samples == pytest.approx(60 / 29.97 * 48_000, abs=2_100)
        assert (game.box.clips / clip["file_path"]).read_bytes() == made
        part = await http.media(clip["stream_url"], 206, range="bytes=1000-1999")
        assert part.content == made[1000:2000]


async def test_a_clip_that_plays_is_made_for_sharing_and_plays_on_meanwhile(game: Game) -> None:
    async with game.box.http() as http, tablet(game.box) as device:
        frames = await game.frames(http, "end")
        start_us, end_us = frames[50].at_us, frames[110].at_us
        clip = await new_clip(game, http, "end", start_us, end_us)
        before = await download(http, clip)
        changed = await http.patch(f"/clips/{clip['id']}", {"mode": "exact"})
        assert changed["media_rev"] == 2 and changed["stream_url"] == clip["stream_url"]
        assert await download(http, clip) == before

        def ready() -> dict[str, Any] | None:
            events = [e for e in device.events if e["type"] == "clip_ready" and e["clip_id"] == clip["id"]]
            return next((e["clip"] for e in events if e["clip"]["media_rev"] == 2), None)

        after = await device.next(ready, what="the export")
        assert shown(await download(http, after)).numbers == expected(frames, start_us, end_us)
        assert await download(http, clip) == before, "a media_rev never changes"


async def test_a_hole_in_an_export_is_held_as_in_the_clip(game: Game) -> None:
    """Camera `broken` has lost more than a second."""
    async with game.box.http() as http, tablet(game.box) as device:
        frames = await game.frames(http, "broken")
        times = [each.at_us for each in frames]
        hole = max(range(1, len(times)), key=lambda place: times[place] - times[place - 1])
        start_us, end_us = times[hole - 20], times[hole + 20]
        assert times[hole] - times[hole - 1] > 900_000
        body = {
            "session_id": game.session_id,
            "channel_id": "broken",
            "start_time": to_rfc3339(start_us),
            "duration": (end_us - start_us) / 1e6,
            "mode": "exact",
        }
        made = await http.post("/clips", body, 201)
        clip = (await device.event("clip_ready", clip_id=made["id"]))["clip"]
        assert len(clip["coverage"]["missing"]) == 1
        played = shown(await download(http, clip))
        assert played.numbers == expected(frames, start_us, end_us)
        wanted = [(at - times[hole - 20]) / 1e6 for at in times[hole - 20 : hole + 20]]
        assert played.times == pytest.approx(wanted, abs=0.05)


async def test_a_kill_in_the_middle_costs_an_attempt_and_no_file(game: Game) -> None:  # V29
    async with game.box.http() as http, tablet(game.box) as device:
        frames = await game.frames(http, "end")
        body = {
            "session_id": game.session_id,
            "channel_id": "end",
            "start_time": to_rfc3339(frames[10].at_us),
            "duration": (frames[-5].at_us - frames[10].at_us) / 1e6,
            "mode": "exact",
        }
        made = await http.post("/clips", body, 201)
        await device.event("clip_processing", clip_id=made["id"])
    await game.box.kill()
    await game.box.start()
    async with game.box.http() as http:
        with trio.fail_after(LIMIT_S):
            # its event may have been sent before the client connected
            while (clip := await http.get(f"/clips/{made['id']}"))["status"] not in ("ready", "failed"):  # noqa: ASYNC110
                await trio.sleep(0.05)
        assert clip["status"] == "ready" and clip["attempts"] <= 2
        assert shown(await download(http, clip)).numbers == [each.truth.burned for each in frames[10:-5]]
    settings = load_settings(game.box.folder / "appliance.toml")
    assert await check_box(settings, False) == []
    assert not list(game.box.clips.glob("*/*.partial"))
