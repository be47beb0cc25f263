"""Live pictures: the stream to a viewer decodes, begins with a key and continues over segments and runs."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from appliance.box.live.pictures.video import BEHIND_MAX, LiveVideo
from appliance.kernel.clock import from_rfc3339, wall_us
from appliance.kernel.errors import Refused
from tests.box.recordings.tree import Box, until
from tests.kit.camera import RecordingWriter, burned_in, make_footage
from tests.kit.waiting import LIMIT_S

FPS = Fraction(25)
real_close = os.close


@dataclass
class Viewer:
    """The client end of one /live socket."""

    video: LiveVideo
    texts: list[dict[str, Any]] = field(default_factory=list)
    chunks: list[list[bytes]] = field(default_factory=list)  # binary frames since each text
    blocked: trio.Event | None = None
    passes: int = 0  # messages that are accepted before `blocked` holds up the rest
    accepted: bool = False
    closed: tuple[int, str] | None = None
    query: bytes = b""

    def __post_init__(self) -> None:
        self.is_stuck = trio.Event()
        self._send, self._receive = trio.open_memory_channel[dict[str, Any]](4)

    async def watch(self, channel_id: str = "cam1") -> None:
        await self._send.send({"type": "websocket.connect"})
        scope = {"query_string": self.query}
        await self.video.handle(scope, self._receive.receive, self.take, {"channel_id": channel_id})

    async def leave(self) -> None:
        await self._send.send({"type": "websocket.disconnect"})

    async def take(self, message: Any) -> None:
        if self.blocked is not None and self.passes == 0:
            self.is_stuck.set()
            await self.blocked.wait()
        self.passes = max(0, self.passes - 1)
        if message["type"] == "websocket.accept":
            self.accepted = True
        elif message["type"] == "websocket.close":
            self.closed = (message["code"], message["reason"])
        elif "text" in message:
            self.texts.append(json.loads(message["text"]))
            self.chunks.append([])
        else:
            self.chunks[-1].append(message["bytes"])

    def fragments(self) -> int:
        """Fragments since the last init."""
        return len(self.chunks[-1]) - 1 if self.chunks else 0

    def numbers(self, stream: int = -1) -> list[int]:
        """The frame numbers in the pictures a player shows."""
        read = burned_in(io.BytesIO(b"".join(self.chunks[stream])))
        assert None not in read
        return [each.frame for each in read if each is not None]


@pytest.fixture(scope="module")
def footage() -> Any:
    return make_footage(fps=FPS, frames=500, gop=25, b_frames=0, width=160, height=96)


def writer_into(
    box: Box, footage: Any, *, segment_s: float = 60.0, seconds_ago: float = 4.0
) -> RecordingWriter:
    directory = box.recordings / "cam1"
    directory.mkdir(parents=True, exist_ok=True)
    start_us = wall_us() - round(seconds_ago * 1e6)
    return RecordingWriter(directory, footage, start_us=start_us, part_s=0.2, segment_s=segment_s)


async def test_a_viewer_gets_an_init_and_fragments_from_the_newest_key_on(
    tmp_path: Path, footage: Any
) -> None:
    # V17
    box = Box(tmp_path)
    writer = writer_into(box, footage, seconds_ago=3.5)
    writer.write_seconds(3.5)
    async with box.running() as handle, trio.open_nursery() as nursery:
        await until(handle, lambda: handle.newest_view("cam1"))
        viewer = Viewer(LiveVideo(handle, trio.CapacityLimiter(2), trio.Event()))
        nursery.start_soon(viewer.watch)
        await until_fragments(viewer, 2)
        (hello,) = viewer.texts
        assert hello["type"] == "init" and hello["mime"].startswith('video/mp4; codecs="avc1.')
        numbers = viewer.numbers()
        assert numbers[0] % 25 == 0 and numbers[0] >= 50, "the newest key that is indexed"
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        first = next(frame for frame in writer.frames if frame.number == numbers[0])
        assert abs(from_rfc3339(hello["arrived_at"]) - first.capture_us) < 250_000
        writer.write_seconds(4.1)
        await until_shown(viewer, writer.frames[-1].number)
        await viewer.leave()


async def test_a_new_segment_goes_on_without_a_hole_and_without_a_new_init(
    tmp_path: Path, footage: Any
) -> None:
    box = Box(tmp_path)
    writer = writer_into(box, footage, segment_s=1.0)
    writer.write_seconds(0.9)
    async with box.running() as handle, trio.open_nursery() as nursery:
        await until(handle, lambda: handle.newest_view("cam1"))
        viewer = Viewer(LiveVideo(handle, trio.CapacityLimiter(2), trio.Event()))
        nursery.start_soon(viewer.watch)
        for seconds in (1.3, 1.7, 2.4, 2.8, 3.5):
            writer.write_seconds(seconds)
            await until_shown(viewer, writer.frames[-1].number)
        assert len(viewer.texts) == 1 and len(list((box.recordings / "cam1").iterdir())) >= 3
        assert viewer.numbers() == list(range(writer.frames[-1].number + 1))
        await viewer.leave()


async def test_a_new_run_begins_with_a_new_init_message(tmp_path: Path, footage: Any) -> None:
    box = Box(tmp_path)
    writer = writer_into(box, footage, seconds_ago=1.5)
    writer.write_seconds(1.5)
    async with box.running() as handle, trio.open_nursery() as nursery:
        await until(handle, lambda: handle.newest_view("cam1"))
        viewer = Viewer(LiveVideo(handle, trio.CapacityLimiter(2), trio.Event()))
        nursery.start_soon(viewer.watch)
        await until_fragments(viewer, 1)
        writer.restart(gap_s=0.5)
        writer.write_until(writer.next_due_us())
        await until(handle, lambda: parts_seen(handle) == 1)
        writer.write_seconds(3.9)
        await until_shown(viewer, writer.frames[-1].number)
        assert len(viewer.texts) == 2
        assert viewer.texts[0]["run_id"] != viewer.texts[1]["run_id"]
        assert viewer.numbers()[0] % 25 == 0
        await viewer.leave()


async def test_a_viewer_that_fell_behind_is_set_forward_to_the_newest_key(
    tmp_path: Path, footage: Any
) -> None:
    box = Box(tmp_path)
    writer = writer_into(box, footage, seconds_ago=12)
    writer.write_seconds(0.9)
    async with box.running() as handle, trio.open_nursery() as nursery:
        await until(handle, lambda: handle.newest_view("cam1"))
        viewer = Viewer(LiveVideo(handle, trio.CapacityLimiter(2), trio.Event()))
        nursery.start_soon(viewer.watch)
        await until_fragments(viewer, 1)
        viewer.blocked = trio.Event()
        writer.write_seconds(1.3)
        await until(handle, lambda: parts_seen(handle) >= 6)
        writer.write_seconds(1.4 + (BEHIND_MAX + 10) * 0.2)
        await until(handle, lambda: parts_seen(handle) > BEHIND_MAX + 10)
        viewer.blocked.set()
        await until_shown(viewer, writer.frames[-1].number)
        assert len(viewer.texts) == 2, "a new start, not the whole backlog"
        await viewer.leave()


class Watched:
    """The index, and the descriptors it opened."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self.given: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)

    def open_fd(self, name: str) -> int:
        self.given.append(self._handle.open_fd(name))
        return self.given[-1]


@pytest.mark.parametrize("after", [0, 1, 2], ids=["at its words", "at the init", "at the picture"])
async def test_leaving_releases_the_recording_once(tmp_path: Path, footage: Any, after: int) -> None:
    """Also in the middle of the start: `after` this many messages."""
    box = Box(tmp_path)
    writer_into(box, footage).write_seconds(2)
    closed: list[int] = []
    async with box.running() as handle:
        await until(handle, lambda: handle.newest_view("cam1"))
        index = Watched(handle)
        viewer = Viewer(LiveVideo(index, trio.CapacityLimiter(2), trio.Event()))
        viewer.blocked = trio.Event()
        viewer.passes = after + 1  # the handshake's answer is one of them

        def close(fd: int) -> None:
            if fd in index.given:
                closed.append(fd)
            real_close(fd)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("appliance.box.live.pictures.video.os.close", close)
            async with trio.open_nursery() as watching:
                watching.start_soon(viewer.watch)
                await viewer.is_stuck.wait()
                assert (len(index.given), closed) == (1, [])
                await viewer.leave()
        assert closed == index.given


async def test_an_unknown_channel_is_refused_before_the_handshake(tmp_path: Path) -> None:
    box = Box(tmp_path)
    async with box.running() as handle:
        viewer = Viewer(LiveVideo(handle, trio.CapacityLimiter(2), trio.Event()))
        with pytest.raises(Refused) as refused:
            await viewer.watch("cam9")
        assert refused.value.status == 404 and not viewer.accepted


async def test_a_viewer_waits_for_the_first_footage(tmp_path: Path, footage: Any) -> None:
    box = Box(tmp_path)
    async with box.running() as handle, trio.open_nursery() as nursery:
        viewer = Viewer(LiveVideo(handle, trio.CapacityLimiter(2), trio.Event()))
        nursery.start_soon(viewer.watch)
        await trio.testing.wait_all_tasks_blocked()
        assert viewer.texts == []
        writer_into(box, footage).write_seconds(1)
        await until_fragments(viewer, 1)
        await viewer.leave()


async def test_viewers_are_reported_when_the_box_stops(tmp_path: Path, footage: Any) -> None:
    """They do not delay it: a restart must not take as long as running requests may."""
    box, stopping = Box(tmp_path), trio.Event()
    writer_into(box, footage).write_seconds(2)
    async with box.running() as handle:
        viewer = Viewer(LiveVideo(handle, trio.CapacityLimiter(2), stopping))
        async with trio.open_nursery() as watching:
            watching.start_soon(viewer.watch)
            await until_fragments(viewer, 1)
            stopping.set()
    assert viewer.closed == (4001, "the box restarts")


def parts_seen(handle: Any) -> int:
    view = handle.newest_view("cam1")
    return len(view.parts) if view is not None else 0


async def until_fragments(viewer: Viewer, count: int) -> None:
    with trio.fail_after(LIMIT_S):
        while viewer.fragments() < count:  # noqa: ASYNC110  # the client end of a socket has no event
            await trio.sleep(0.005)


async def until_shown(viewer: Viewer, number: int) -> None:
    """Wait until the frame was sent."""
    seen = -1
    with trio.fail_after(LIMIT_S):
        while True:
            if viewer.fragments() != seen:
                seen = viewer.fragments()
                if viewer.chunks and seen > 0 and viewer.numbers()[-1] >= number:
                    return
            await trio.sleep(0.005)
