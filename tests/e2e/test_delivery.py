"""A clip's bytes and thumbnails as a player requests them, from the real daemon."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
import trio

from appliance.kernel.clock import from_rfc3339, to_rfc3339
from tests.e2e.game import Game, download, new_clip
from tests.e2e.kit import NTSC, expected, picture_number, shown
from tests.kit.camera import burned
from tests.kit.running import Http, Tablet, tablet
from tests.kit.waiting import LIMIT_S

pytestmark = pytest.mark.slow


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
    async with game.box.http() as http, tablet(game.box) as device:
        frames = await game.frames(http, "end")
        clip = await new_clip(game, http, "end", frames[30].at_us, frames[90].at_us)
        before = await download(http, clip)
        length_s = (frames[60].at_us - frames[40].at_us) / 1e6
        trim = {"start_time": to_rfc3339(frames[40].at_us), "duration_seconds": length_s}
        await http.patch(f"/clips/{clip['id']}", trim)
        await device.next(lambda: ready_revs(device, clip["id"]) == [1, 2], what="the second cut")
        after = await http.get(f"/clips/{clip['id']}")
        assert after["media_rev"] == 2 and after["stream_url"] != clip["stream_url"]
        played = shown(await download(http, after))
        assert played.numbers == [each.truth.burned for each in frames[40:60]]
        assert await download(http, clip) == before, "a media_rev never changes"


def ready_revs(device: Tablet, clip_id: str) -> list[int]:
    ready = [
        event for event in device.events if event["type"] == "clip_ready" and event["clip_id"] == clip_id
    ]
    return [event["clip"]["media_rev"] for event in ready]


async def test_the_file_has_the_bytes_that_were_served_before_it_existed(game: Game) -> None:
    """Virtual first. A folder that cannot be created keeps the clip without a file until the box restarts."""
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
    """The clip's file_path, once it was written; there is no event for it."""
    with trio.fail_after(LIMIT_S):
        while (path := (await http.get(f"/clips/{clip_id}"))["file_path"]) is None:  # noqa: ASYNC110
            await trio.sleep(0.05)
    return str(path)


async def test_a_thumbnail_is_the_key_picture_and_then_the_first_frame(game: Game) -> None:
    async with game.box.http() as http:
        frames = await game.frames(http, "end")
        for place in (60, 119, 200):
            clip = await new_clip(game, http, "end", frames[place].at_us, frames[place + 10].at_us)
            jpeg = await http.media(clip["thumbnail_url"])
            assert jpeg.headers["content-type"] == "image/jpeg"
            assert picture_number(jpeg.content) in (place - place % 60, place)
            with trio.fail_after(LIMIT_S):
                # thumbnails cause no event
                while picture_number(jpeg.content) != place:
                    await trio.sleep(0.05)
                    jpeg = await http.media(clip["thumbnail_url"])


async def test_the_picture_of_an_instant_is_its_frame(game: Game) -> None:
    async with game.box.http() as http:
        frames = await game.frames(http, "end")
        for place in (61, 118):
            at = to_rfc3339(frames[place].at_us + 10_000)
            jpeg = await http.media(f"/channels/end/frame.jpg?at={at}")
            assert picture_number(jpeg.content) == frames[place].truth.burned


async def test_the_newest_picture_and_the_last_seconds_are_there_without_a_mark(game: Game) -> None:
    async with game.box.http() as http:
        frames = await game.frames(http, "end")
        jpeg = await http.media("/channels/end/frame.jpg")
        newest_key = max(f.truth.burned for f in frames if f.truth.burned % 60 == 0)
        assert picture_number(jpeg.content) == newest_key
        start_us, end_us = frames[100].at_us, frames[160].at_us
        request = (
            f"/channels/end/replay.mp4?start={to_rfc3339(start_us)}&duration={(end_us - start_us) / 1e6}"
        )
        moved = await http.media(request, 307)
        again = await http.media(moved.headers["location"])
        assert shown(again.content).numbers == expected(frames, start_us, end_us)


async def test_a_replays_facts_are_those_of_its_file(game: Game) -> None:
    """Past `preroll_s`, where edit lists are ignored, the first picture is the one captured at `start`."""
    async with game.box.http() as http:
        frames = await game.frames(http, "end")
        for first, last in ((60, 90), (61, 130), (119, 150)):
            wanted = frames[first].at_us - 5000, frames[last].at_us
            length_s = (wanted[1] - wanted[0]) / 1e6
            query = f"start={to_rfc3339(wanted[0])}&duration={length_s}"
            facts = await http.get(f"/channels/end/replay?{query}")
            moved = await http.media(f"/channels/end/replay.mp4?{query}", 307)
            assert moved.headers["location"] == facts["url"]
            file = (await http.media(facts["url"])).content
            assert facts["start"] == to_rfc3339(frames[first].at_us)
            assert (facts["frames"], facts["missing"]) == (last - first, [])
            told_s = [each["at_s"] for each in facts["times"]]
            told_us = [from_rfc3339(each["time"]) for each in facts["times"]]
            for place in range(first, last):
                at_s = float((place - first) / NTSC)
                assert abs(np.interp(at_s, told_s, told_us) - frames[place].at_us) < 250
            assert shown(file).numbers == expected(frames, *wanted)
            assert facts["preroll_s"] == pytest.approx(hidden_s(file, frames[first].truth.burned), abs=1e-4)
            assert facts["preroll_s"] == pytest.approx(float((first - 60) / NTSC), abs=1e-3)


def hidden_s(file: bytes, first: int) -> float:
    """How long pictures before number `first` are shown by a player that ignores edit lists."""
    with av.open(io.BytesIO(file), "r", options={"ignore_editlist": "1"}) as container:
        pictures = [(burned(frame), float(frame.time or 0)) for frame in container.decode(video=0)]
    return (
        next(at for content, at in pictures if content is not None and content.frame == first)
        - pictures[0][1]
    )
