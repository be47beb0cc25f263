"""Live pictures: WS /channels/{id}/live, the recording itself a part behind.

Owns: the stream of one viewer. Text frames say what follows, binary frames are an init segment and then
whole fragments, from a key frame on. A viewer that cannot keep up is set forward to the newest key: live
means now. Parts are read in threads of their own limiter, one part per viewer in memory at a time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import trio

from appliance.kernel import json
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.errors import not_found
from appliance.kernel.signal import Signal
from appliance.live.border import survive
from appliance.live.protocol import RESTART, Close
from appliance.media.fmp4 import Malformed
from appliance.media.live_parts import LEAD_NS, from_key, mime_of, shift_of, shifted
from appliance.media.view import SegmentView
from appliance.web.api import RawRoute, Receive, Scope, Send

BEHIND_MAX = 15  # parts (3 s of the embedded recorder's): further back is no longer live
READERS = 8


class LiveFootage(Protocol):
    """What live pictures ask of the recordings."""

    @property
    def changed(self) -> Signal: ...

    def channel_ids(self) -> list[str]: ...

    def newest_view(self, channel_id: str) -> SegmentView | None:
        """The newest segment that has a key, as it is now."""
        ...

    async def views(self, channel_id: str, start_us: int, end_us: int) -> Sequence[SegmentView]:
        """Segments of a span of wall time."""
        ...

    def open_fd(self, name: str) -> int: ...


@dataclass(slots=True)
class _Viewer:
    """Where one viewer is: the segment, the number of the next part to send, and the one open descriptor."""

    view: SegmentView | None = None
    next_part: int = 0
    fd: int = -1

    def turn_to(self, view: SegmentView, next_part: int, fd: int) -> None:
        """Go on in another segment, of which `fd` is the viewer's from now on."""
        self.leave()
        self.view, self.next_part, self.fd = view, next_part, fd

    def leave(self) -> None:
        """Give the descriptor back, once: its number may be somebody else's the moment after."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


@dataclass(frozen=True, slots=True)
class LiveVideo:
    """Serves every viewer of every channel."""

    footage: LiveFootage
    threads: trio.CapacityLimiter
    stopping: trio.Event  # set when the box stops: viewers are told to come back

    def route(self) -> RawRoute:
        return RawRoute("WS", "/channels/{channel_id}/live", self.handle, "Live pictures as fragmented MP4.")

    async def handle(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        """One viewer's life, until it leaves."""
        channel_id = given["channel_id"]
        if channel_id not in self.footage.channel_ids():
            raise not_found("channel", channel_id)
        if (await receive())["type"] != "websocket.connect":
            return
        await send({"type": "websocket.accept"})

        async def watch() -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_until_gone, receive, nursery.cancel_scope)
                nursery.start_soon(self._until_stopping, nursery.cancel_scope)
                await self._stream(channel_id, send)

        trace_id = await survive("live pictures", channel_id, watch)
        if self.stopping.is_set():
            await send({"type": "websocket.close", "code": Close.RESTART, "reason": RESTART})
        elif trace_id is not None:
            await send({"type": "websocket.close", "code": 4000, "reason": f"trace {trace_id}"})

    async def _until_stopping(self, scope: trio.CancelScope) -> None:
        await self.stopping.wait()
        scope.cancel(reason="the box stops")

    async def _stream(self, channel_id: str, send: Send) -> None:
        viewer = _Viewer()
        try:
            while True:
                seen = self.footage.changed.count
                view = self.footage.newest_view(channel_id)
                if view is not None:
                    await self._catch_up(view, viewer, send)
                await self.footage.changed.wait_past(seen)
        finally:
            viewer.leave()

    async def _catch_up(self, view: SegmentView, viewer: _Viewer, send: Send) -> None:
        """Send what is new; begin (again) at the newest key when there is no going on from where he is."""
        old = viewer.view
        if old is not None and old.name == view.name and len(view.parts) - viewer.next_part <= BEHIND_MAX:
            await self._send_parts(view, viewer, send)
        elif old is not None and old.name != view.name and old.run_id == view.run_id:
            await self._go_over(old, view, viewer, send)
        else:
            await self._begin(view, viewer, send)

    async def _go_over(self, old: SegmentView, view: SegmentView, viewer: _Viewer, send: Send) -> None:
        """From one segment of a run to the newest: first what the old one got since, so that nothing is
        missing between them, then the new one from its first part. Same run, same init, one timeline."""
        since_us = old.clock.wall_us(old.base_ns)
        until_us = view.clock.wall_us(view.base_ns + 1)
        between = await self.footage.views(view.name.split("/")[0], since_us, until_us)
        whole = next((each for each in between if each.name == old.name), old)
        if not _follows(old, view) or len(whole.parts) - viewer.next_part > BEHIND_MAX:
            await self._begin(view, viewer, send)
            return
        await self._send_parts(whole, viewer, send)
        viewer.turn_to(view, 0, await self._open(view))
        await self._send_parts(view, viewer, send)

    async def _begin(self, view: SegmentView, viewer: _Viewer, send: Send) -> None:
        key = view.keys[-1]
        viewer.turn_to(view, key.part + 1, await self._open(view))
        init = await self._read(viewer.fd, 0, view.init.size)
        where = view.parts[key.part]
        data = await self._read(viewer.fd, where.offset, where.end - where.offset)
        first = from_key(data, where, view, key)
        await _say(send, begin_message(view))
        await send({"type": "websocket.send", "bytes": init})
        await send({"type": "websocket.send", "bytes": first})
        await self._send_parts(view, viewer, send)

    async def _open(self, view: SegmentView) -> int:
        return await trio.to_thread.run_sync(self.footage.open_fd, view.name, limiter=self.threads)

    async def _send_parts(self, view: SegmentView, viewer: _Viewer, send: Send) -> None:
        shifts = {track.id: shift_of(view, track) for track in view.init.tracks}
        while viewer.next_part < len(view.parts):
            where = view.parts[viewer.next_part]
            data = await self._read(viewer.fd, where.offset, where.end - where.offset)
            await send({"type": "websocket.send", "bytes": shifted(data, where.moof_size, shifts)})
            viewer.next_part += 1
            viewer.view = view
            await trio.lowlevel.checkpoint()  # sends to a viewer that has gone are none: they would not yield

    async def _read(self, fd: int, offset: int, length: int) -> bytes:
        data = await trio.to_thread.run_sync(os.pread, fd, length, offset, limiter=self.threads)
        if len(data) < length:
            raise Malformed(f"the recording ends at {offset + len(data)}")
        return data


def _follows(old: SegmentView, new: SegmentView) -> bool:
    """True when `new` goes on where `old` ends, under the same description."""
    if old.init.mtxi is None or new.init.mtxi is None or old.init.stsd_id != new.init.stsd_id:
        return False
    return new.init.mtxi.number == old.init.mtxi.number + 1


def begin_message(view: SegmentView) -> dict[str, object]:
    """What a player needs before the init segment: the type to open, and what the timeline means.

    `arrived_at` is the wall time of arrival of `media_s` on the stream's timeline, latency not taken off.
    """
    video = view.init.video
    assert video is not None  # a view with keys has video
    media_ns = view.base_ns + view.keys[-1].pts * 1_000_000_000 // video.timescale
    return {
        "type": "init",
        "mime": mime_of(view.init),
        "run_id": view.run_id,
        "media_s": (media_ns + LEAD_NS) / 1e9,
        "arrived_at": to_rfc3339(view.clock.wall_us(media_ns)),
    }


async def _say(send: Send, message: dict[str, object]) -> None:
    await send({"type": "websocket.send", "text": json.encode(message).decode()})


async def _until_gone(receive: Receive, scope: trio.CancelScope) -> None:
    """Viewers have nothing to say; what they send is dropped until they leave."""
    while (await receive())["type"] != "websocket.disconnect":
        pass
    scope.cancel(reason="the viewer left")
