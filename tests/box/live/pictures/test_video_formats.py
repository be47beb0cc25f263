"""Live pictures of irregular streams: the stream to a viewer can be decoded from its start."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import av
import pytest
import trio

from appliance.box.live.pictures.video import LiveVideo
from appliance.kernel.clock import wall_us
from appliance.media.bitstream.access_points import AccessPoint, entry_of, sample_nals
from appliance.media.mp4 import boxes
from appliance.media.mp4.fmp4 import parse_init
from appliance.media.mp4.moof import TrackRun, parse_moof
from tests.box.live.pictures.test_video import Viewer
from tests.box.recordings.tree import Box, until
from tests.kit.barcode import Media, encode, number_of
from tests.kit.fmp4_file import file_of
from tests.kit.odd_media import PLACEHOLDER, alternating, described_as
from tests.kit.waiting import LIMIT_S


class Growing:
    """One run of recordings that end now; the test appends to files."""

    def __init__(self, box: Box, length_s: float) -> None:
        self.box = box
        self.start_ns = (wall_us() - round(length_s * 1e6)) * 1000

    def file(self, number: int, media: Media) -> tuple[str, list[bytes]]:
        """Name, and init and parts, of file `number` of the run; media time 0 is frame 0."""
        base_ns = media.frames[0].dts * 100_000 // 9
        mtxi = boxes.mtxi(b"\1" * 16, number, base_ns, self.start_ns + base_ns)
        return f"{number}.mp4", file_of(media, mtxi, part_s=0.2)


@asynccontextmanager
async def watching(box: Box, query: bytes = b"") -> AsyncIterator[Viewer]:
    """A viewer, once the index has footage."""
    async with box.running() as handle, trio.open_nursery() as nursery:
        await until(handle, lambda: handle.newest_view("cam1"))
        viewer = Viewer(LiveVideo(handle, trio.CapacityLimiter(2), trio.Event()), query=query)
        nursery.start_soon(viewer.watch)
        yield viewer
        await viewer.leave()


def numbers(viewer: Viewer) -> list[int]:
    with av.open(io.BytesIO(b"".join(viewer.chunks[-1])), "r") as container:
        return [number_of(frame) for frame in container.decode(video=0)]


def inits(viewer: Viewer) -> list[bytes]:
    return [chunk for chunk in viewer.chunks[-1] if chunk[4:8] == b"ftyp"]


def runs_of(fragments: list[bytes]) -> list[TrackRun]:
    return [run for fragment in fragments for run in parse_moof(fragment, 0)]


async def until_number(viewer: Viewer, number: int) -> None:
    seen = (0, 0)
    with trio.fail_after(LIMIT_S):
        while True:
            count = (
                len(viewer.chunks),
                len(viewer.chunks[-1]) if viewer.chunks else 0,
            )  # streams, of the last
            if count != seen and count[1] > 1:
                seen = count
                if number in numbers(viewer):
                    return
            await trio.sleep(0.005)


async def test_a_stream_joined_in_the_middle_of_a_group_begins_with_its_own_sets(tmp_path: Path) -> None:
    """The first file's sample entry describes no picture; in the second file it is correct."""
    box = Box(tmp_path)
    media = encode(120, sound=False)
    growing = Growing(box, 2.0)
    first = described_as(replace(media, frames=media.frames[:60]), media.video, PLACEHOLDER)
    name, chunks = growing.file(0, first)
    box.add(name, b"".join(chunks))
    async with watching(box) as viewer:
        await until_number(viewer, 58)
        assert viewer.texts[0]["mime"].startswith('video/mp4; codecs="avc1.6400')
        (begin,) = inits(viewer)
        track = parse_init(begin).video
        assert track is not None and (track.width, track.height) == (192, 96)
        assert PLACEHOLDER[1] not in begin
        name, chunks = growing.file(1, replace(media, frames=media.frames[60:]))
        box.add(name, b"".join(chunks[:3]))
        box.add(name, b"".join(chunks[3:]))
        await until_number(viewer, 118)
        shown = numbers(viewer)
        assert len(viewer.texts) == 1 and len(inits(viewer)) == 1
        assert shown == list(range(shown[0], 120)) and shown[0] == 30


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
async def test_sets_that_change_come_with_an_init_of_their_own(tmp_path: Path, codec: str) -> None:
    box = Box(tmp_path)
    media = alternating(codec, 5)
    growing = Growing(box, 2.4)
    name, chunks = growing.file(0, media)
    box.add(name, b"".join(chunks[:13]))
    async with watching(box) as viewer:
        await until_number(viewer, 69)
        for chunk in chunks[13:]:
            box.add(name, chunk)
        await until_number(viewer, 147)
        shown = numbers(viewer)
        assert shown == list(range(60, 60 + len(shown))) and shown[-1] >= 147
        assert len(viewer.texts) == 1
        entries = [parse_init(each).video for each in inits(viewer)]
        assert len(entries) == 3 and entries[0] == entries[2] != entries[1]


async def test_an_open_group_is_entered_at_its_newest_recovery_point(tmp_path: Path) -> None:
    box = Box(tmp_path)
    media = encode(300, bframes=2, extra="open-gop=1", sound=False)
    flagged = [frame._replace(sync=not place) for place, frame in enumerate(media.frames)]
    name, chunks = Growing(box, 10).file(0, replace(media, frames=flagged))
    box.add(name, b"".join(chunks[:-2]))
    async with watching(box) as viewer:
        await until_number(viewer, 280)
        for chunk in chunks[-2:]:
            box.add(name, chunk)
        await until_number(viewer, 297)
        shown = numbers(viewer)
        assert shown[0] == 270 and shown == list(range(270, 270 + len(shown)))


async def test_a_player_that_needs_an_idr_picture_gets_one_before_the_recovery_point(tmp_path: Path) -> None:
    box = Box(tmp_path)
    media = encode(300, bframes=2, extra="open-gop=1", sound=False)
    name, chunks = Growing(box, 10).file(0, media)
    box.add(name, b"".join(chunks))
    async with watching(box, b"a=b&idr=1") as viewer:
        await until_number(viewer, 297)
        shown = numbers(viewer)
        assert shown[1:] == list(range(270, 269 + len(shown))), "a grey picture first"
        first = viewer.chunks[-1][1]
        assert b"\x65" in first and entry_of(
            "h264", sample_nals(first[first.index(b"mdat") + 4 :])
        ) == AccessPoint("idr")


async def test_a_key_of_long_ago_is_waited_past_not_begun_at(tmp_path: Path) -> None:
    box = Box(tmp_path)
    media = encode(64, gop=64, sound=False)
    slow = [f._replace(dts=30 * f.dts, pts=30 * f.pts, duration=30 * f.duration) for f in media.frames]
    name, chunks = Growing(box, 64).file(0, replace(media, frames=slow))
    box.add(name, b"".join(chunks))
    async with watching(box) as viewer:
        with trio.fail_after(LIMIT_S):
            while not viewer.texts:  # noqa: ASYNC110  # the client end of a socket has no event
                await trio.sleep(0.005)
        assert viewer.texts == [{"type": "waiting", "reason": "no_entry"}] and viewer.chunks == [[]]
