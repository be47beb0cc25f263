"""Live video: WS /channels/{id}/live, the recording itself with a delay of one part.

Owns: the stream of one viewer. Text frames describe what follows, binary frames are an init segment and then
complete fragments, from a key frame on. With `?idr=1` an H.264 stream that begins at a recovery point gets a
grey IDR picture first, and pictures that lead a recovery point are left out: Chromium's decoder fails when it
begins there. A viewer that cannot keep up skips to the newest key, so that it stays live. Parts are read once
for all viewers (shared_parts.py), in threads of a separate limiter; for a viewer that does not read, at most
one shared part and its socket's buffer wait, and it is dropped.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog
import trio

from appliance.box.live.border import survive
from appliance.box.live.pictures.audience import Audience
from appliance.box.live.pictures.shared_parts import SharedParts
from appliance.box.live.pictures.viewer import QUIET_S, Dropped, Viewer
from appliance.box.live.protocol import RESTART, CloseCode, binary_frame
from appliance.box.live.transport import Disconnected
from appliance.http.access import Door, grant_of
from appliance.http.api import RawRoute, Receive, Scope, Send
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.errors import not_found
from appliance.kernel.signal import Signal
from appliance.kernel.threads import in_thread
from appliance.media.bitstream.params import Description
from appliance.media.cut.live_parts import (
    LEAD_NS,
    description_at,
    from_key,
    init_with,
    keys_of_part,
    mime_of,
    shift_of,
    shifted,
    stretch,
    tracks_in,
    tracks_shown,
)
from appliance.media.index.view import Key, Part, SegmentView
from appliance.media.mp4.fmp4 import Malformed

log = structlog.get_logger("live")

BEHIND_MAX = 15  # parts (3 s of the embedded recorder's): further behind is no longer live
HISTORY_S = 30  # seconds: a stream never begins at a key older than this
DESCRIBED_MAX = 64  # sample descriptions cached for viewers that begin at the same key
SOUND_PARTS = 10  # searched for sound on each side of a key: 2 s at 0.2 s a part
EMPTY = binary_frame(b"")  # a part with no sample of the tracks shown
READERS = 8
PART_BYTES_MAX = 32 << 20  # a second of 250 Mbit/s; a part that claims to be longer is not sent live
TRACE = 4000  # close code: an error of ours, reconnect


class LiveFootage(Protocol):
    """The interface that live video needs of the recordings."""

    @property
    def changed(self) -> Signal: ...

    def channel_ids(self) -> list[str]: ...

    def newest_view(self, channel_id: str) -> SegmentView | None:
        """The newest segment that has a key, at this moment."""
        ...

    async def views(self, channel_id: str, start_us: int, end_us: int) -> Sequence[SegmentView]:
        """Segments of a span of wall time."""
        ...

    def open_fd(self, name: str) -> int: ...


@dataclass(frozen=True, slots=True)
class LiveVideo:
    """Serves every viewer of every channel."""

    footage: LiveFootage
    threads: trio.CapacityLimiter
    stopping: trio.Event  # set when the box stops: viewers are asked to reconnect
    door: Door | None = None  # None: everything is open
    audience: Audience = field(default_factory=Audience)
    shared: SharedParts = field(default_factory=SharedParts)
    described: dict[tuple[object, ...], tuple[Description, int]] = field(default_factory=dict)

    def route(self) -> RawRoute:
        return RawRoute("WS", "/channels/{channel_id}/live", self.handle, "Live pictures as fragmented MP4.")

    async def handle(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        """One viewer's connection, until it leaves or is closed."""
        channel_id = given["channel_id"]
        if channel_id not in self.footage.channel_ids():
            raise not_found("channel", channel_id)
        peer = str((scope.get("client") or ("local", 0))[0])
        try:
            with self.audience.seat(peer):
                if (await receive())["type"] != "websocket.connect":
                    return
                viewer = Viewer.behind(send)
                viewer.with_idr = b"idr=1" in scope.get("query_string", b"").split(b"&")
                with self._while_admitted(scope, viewer):
                    await self._serve(channel_id, viewer, receive)
        finally:
            if not self.audience.count:
                self.shared.clear()

    def _while_admitted(self, scope: Scope, viewer: Viewer) -> AbstractContextManager[None]:
        """The viewer is closed when its device is revoked or has another role."""
        if self.door is None:
            return nullcontext()
        return self.door.watching(grant_of(scope), viewer.end, shows_name=False)

    async def _serve(self, channel_id: str, viewer: Viewer, receive: Receive) -> None:
        async def watch() -> None:
            try:
                await viewer.accept()
            except Disconnected:
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(viewer.listen, receive, nursery.cancel_scope)
                nursery.start_soon(self._until_stopping, nursery.cancel_scope)
                await self._stream(channel_id, viewer)

        try:
            trace_id = await survive("live pictures", channel_id, watch)
            if self.stopping.is_set():
                viewer.end(CloseCode.RESTART, RESTART)
            elif trace_id is not None:
                viewer.end(TRACE, f"trace {trace_id}")
        finally:
            viewer.leave()
        if (ending := viewer.ending) is not None:
            await survive("closing", channel_id, lambda: viewer.transport.close(receive, *ending))
        viewer.transport.release()

    async def _until_stopping(self, scope: trio.CancelScope) -> None:
        await self.stopping.wait()
        scope.cancel(reason="the box stops")

    async def _stream(self, channel_id: str, viewer: Viewer) -> None:
        """Until cancelled; returns when the viewer has left, or must be closed."""
        try:
            while True:
                seen = self.footage.changed.count
                view = self.footage.newest_view(channel_id)
                if view is not None:
                    await self._catch_up(view, viewer)
                viewer.probe_when_quiet()
                with trio.move_on_after(QUIET_S):
                    await self.footage.changed.wait_past(seen)
        except Disconnected:
            viewer.scope.cancel(reason="the viewer left")
        except Dropped as dropped:
            self.audience.dropped += 1
            log.info("viewer_dropped", channel=channel_id, reason=str(dropped))
            viewer.end(CloseCode.TOO_SLOW, str(dropped))

    async def _catch_up(self, view: SegmentView, viewer: Viewer) -> None:
        """Send what is new; begin (again) at the newest key when the stream cannot continue from its
        position."""
        old = viewer.view
        if old is not None and old.name == view.name and not _may_be_set_forward(view, viewer.next_part):
            await self._send_parts(view, viewer)
        elif old is not None and old.name != view.name and old.run_id == view.run_id:
            await self._go_over(old, view, viewer)
        else:
            await self._begin(view, viewer)

    async def _go_over(self, old: SegmentView, view: SegmentView, viewer: Viewer) -> None:
        """From one segment of a run to the newest: first what the old one got since, so that nothing is
        missing between them, then the new one from its first part. Same run, same format, one timeline."""
        since_us = old.clock.wall_us(old.base_ns)
        until_us = view.clock.wall_us(view.base_ns + 1)
        between = await self.footage.views(view.name.split("/")[0], since_us, until_us)
        whole = next((each for each in between if each.name == old.name), old)
        if not _follows(old, view) or len(whole.parts) - viewer.next_part > BEHIND_MAX:
            await self._begin(view, viewer)
            return
        await self._send_parts(whole, viewer)
        viewer.turn_to(view, 0, await self._open(view))
        await self._send_parts(view, viewer)

    async def _begin(self, view: SegmentView, viewer: Viewer) -> None:
        key = view.keys[-1]
        if _age_s(view, key) > HISTORY_S:
            await viewer.say_once({"type": "waiting", "reason": "no_entry"})
            return
        viewer.turn_to(view, key.part + 1, await self._open(view))
        viewer.leading_of = None if key.resets else key
        await self._describe(view, viewer, key, anew=True)

        async def make_first() -> bytes:
            data = await self._read_part(viewer.fd, view.parts[key.part])
            make = partial(from_key, data, view, key, with_idr=viewer.with_idr, sound=viewer.sound)
            return await in_thread(make, limiter=self.threads)

        place = (view.name, view.base_ns, "key", key.part, key.sample, viewer.with_idr, viewer.sound)
        await viewer.show(await self.shared.get(place, make_first))
        await self._send_parts(view, viewer)

    async def _describe(self, view: SegmentView, viewer: Viewer, key: Key, *, anew: bool) -> None:
        """Send the init for the pictures from `key` on; `anew`: a stream begins, so a message announces it
        first."""
        description, sound = await self._description_of(view, viewer.fd, key)
        viewer.sound = sound = sound if anew else viewer.sound

        async def make() -> bytes:
            return init_with(await self._read(viewer.fd, 0, view.init.size), view, description, sound=sound)

        init = await self.shared.get((*_place(view, key), sound, "init"), make)
        if anew:
            await viewer.say(begin_message(view, key, description, sound))
        await viewer.show(init)
        viewer.key = key

    async def _description_of(self, view: SegmentView, fd: int, key: Key) -> tuple[Description, int]:
        """The description of pictures from `key` on, and the sound track to send with them."""
        place = _place(view, key)
        known = self.described.get(place)
        if known is None:
            data = await self._read_part(fd, view.parts[key.part])
            sound = await self._find_sound(view, fd, key.part)
            known = self.described[place] = description_at(data, view, key), sound
            for old in list(self.described)[:-DESCRIBED_MAX]:
                del self.described[old]
        return known

    async def _find_sound(self, view: SegmentView, fd: int, number: int) -> int:
        """The first sound track with sound around this part; 0: there is no sound although it is announced.

        Sound comes in bursts: a single part may have none.
        """
        tracks_with_sound: set[int] = set()
        sounds = [track.id for track in view.init.sounds]
        for where in view.parts[max(0, number - SOUND_PARTS) : number + SOUND_PARTS] if sounds else ():
            tracks_with_sound |= tracks_in(await self._read(fd, where.offset, where.moof_size), view.init)
            if sounds[0] in tracks_with_sound:
                break
        return next((each for each in sounds if each in tracks_with_sound), 0)

    async def _open(self, view: SegmentView) -> int:
        return await in_thread(self.footage.open_fd, view.name, limiter=self.threads)

    async def _send_parts(self, view: SegmentView, viewer: Viewer) -> None:
        while viewer.next_part < len(view.parts):
            await self._send_part(view, viewer, viewer.next_part)
            viewer.next_part += 1
            viewer.view = view

    async def _send_part(self, view: SegmentView, viewer: Viewer, number: int) -> None:
        """One part; if its pictures change their description, in pieces with an init before each."""
        begin: Key | None = None
        for key in keys_of_part(view, number):
            known = viewer.key
            has_begun = not viewer.sound and await self._has_sound(view, viewer, key)
            if known is not None and known.params_id == key.params_id and not has_begun:
                continue
            if key.sample:
                await self._show_piece(view, viewer, number, begin, key)
            anew = has_begun or known is None or known.format_id != key.format_id
            await self._describe(view, viewer, key, anew=anew)
            if anew:
                viewer.leading_of = None if key.resets else key
            begin = key
        await self._show_piece(view, viewer, number, begin, None)

    async def _has_sound(self, view: SegmentView, viewer: Viewer, key: Key) -> bool:
        return bool(view.init.sounds) and (await self._description_of(view, viewer.fd, key))[1] != 0

    async def _show_piece(
        self, view: SegmentView, viewer: Viewer, number: int, begin: Key | None, end: Key | None
    ) -> None:
        """Send a part, or the piece of it between two keys."""
        if viewer.with_idr:
            recovery_points = [key for key in keys_of_part(view, number) if not key.resets]
            viewer.leading_of = recovery_points[-1] if recovery_points else viewer.leading_of
        where, leading_of = view.parts[number], viewer.leading_of
        if leading_of is not None and where.video_pts_min >= leading_of.pts:
            viewer.leading_of = leading_of = None

        sound = viewer.sound

        async def make() -> bytes:
            data = await self._read_part(viewer.fd, where)
            has_more = len(tracks_shown(view.init, sound)) < len(view.init.tracks)
            if begin is None and end is None and leading_of is None and not has_more:
                shifts = {track.id: shift_of(view, track) for track in view.init.tracks}
                return shifted(data, where.moof_size, shifts)
            return stretch(data, view, number, begin=begin, end=end, leading_of=leading_of, sound=sound)

        ends = tuple(None if key is None else key.sample for key in (begin, end))
        place = (view.name, view.base_ns, "part", number, *ends, leading_of is not None, sound)
        frame = await self.shared.get(place, make)
        if frame != EMPTY:
            await viewer.show(frame)

    async def _read_part(self, fd: int, where: Part) -> bytes:
        return await self._read(fd, where.offset, where.end - where.offset)

    async def _read(self, fd: int, offset: int, length: int) -> bytes:
        if length > PART_BYTES_MAX:
            raise Dropped(f"a part of {length} bytes is too long to be shown live")
        data = await in_thread(os.pread, fd, length, offset, limiter=self.threads)
        if len(data) < length:
            raise Malformed(f"the recording ends at {offset + len(data)}")
        return data


def _place(view: SegmentView, key: Key) -> tuple[object, ...]:
    return view.name, view.base_ns, key.part, key.sample


def _follows(old: SegmentView, new: SegmentView) -> bool:
    """True when `new` continues where `old` ends, with tracks that one stream can contain."""
    if old.init.mtxi is None or new.init.mtxi is None:
        return False
    same = new.keys[0].format_id == old.keys[-1].format_id and _tracks(old) == _tracks(new)
    return same and new.init.mtxi.number == old.init.mtxi.number + 1


def _tracks(view: SegmentView) -> list[object]:
    """What must be the same in all of a stream; the video's parameter sets may change."""
    return [
        (track.id, track.kind, track.timescale, track.codec, track.stsd if track.kind == "audio" else b"")
        for track in view.init.tracks
        if track is view.init.video or track.kind == "audio"
    ]


def _may_be_set_forward(view: SegmentView, next_part: int) -> bool:
    """Whether the viewer is too far behind to be live and a key exists after the parts it has received."""
    return len(view.parts) - next_part > BEHIND_MAX and view.keys[-1].part >= next_part


def _age_s(view: SegmentView, key: Key) -> float:
    """How much older than the newest picture a key is."""
    newest = next((part.video_end for part in reversed(view.parts) if part.video_tfdt >= 0), key.pts)
    assert view.init.video is not None  # a view with keys has video
    return (newest - key.pts) / view.init.video.timescale


def begin_message(view: SegmentView, key: Key, description: Description, sound: int) -> dict[str, object]:
    """What a player needs before the init segment: the MIME type, and the meaning of the timeline.

    `arrived_at` is the wall time of arrival of `media_s` on the stream's timeline, latency not taken off.
    """
    video = view.init.video
    assert video is not None  # a view with keys has video
    media_ns = view.base_ns + key.pts * 1_000_000_000 // video.timescale
    return {
        "type": "init",
        "mime": mime_of(view.init, description.entry, sound=sound),
        "run_id": view.run_id,
        "media_s": (media_ns + LEAD_NS) / 1e9,
        "arrived_at": to_rfc3339(view.clock.wall_us(media_ns)),
    }
