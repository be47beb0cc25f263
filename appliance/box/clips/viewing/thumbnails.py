"""Pictures of clips and channels as JPEGs: a key picture at once, the exact frame when a worker is idle.

Owns: thumbnail files under clips_dir/thumbs, and which requests wait for which picture. Decoding happens in a
media worker: of one key sample (`decode_key`), or of a short cut (clips/viewing/exact_frames.py).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog
import trio

from appliance.box.clips.files.clips_disk import ClipsDisk
from appliance.box.clips.files.footage import Footage
from appliance.box.clips.records.machine import ClipState
from appliance.box.clips.records.stored_plans import FileLost
from appliance.box.clips.viewing.exact_frames import ExactFrames
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.follow import follow
from appliance.kernel.rows import load_row
from appliance.kernel.signal import Signal
from appliance.kernel.store import Store
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import Row, Tx
from appliance.media.cut.frames import KeyPicture, plan_frame
from appliance.media.cut.plan import NoFootage
from appliance.media.files import open_once
from appliance.media.index.view import SegmentView
from appliance.media.mp4.codecs import DECODER_OF_SAMPLE_ENTRY
from appliance.media.mp4.fmp4 import Malformed
from appliance.media.mp4.turn import Turn

log = structlog.get_logger("pictures")

WAIT_S = 2.0  # a request for a thumbnail waits this long, then gets 503 Retry-After
# for an exact frame: longer with a long group of pictures on a busy box, then the key picture is sent
FRAME_WAIT_S = 3.0
HOPELESS_MAX = 10_000
REFINE_MAX = 256  # clips whose first frame is still to be made; above that the oldest keep their key picture
# a key picture older than this shows another moment: better none until the first frame is made
LOOK_BACK_US = 12_000_000
WIDTH_PX = 320
KEEP_S = 5.0  # seconds to write a few kB and their row
FRAME_WIDTH_PX = 1280

# Expected reasons why there is no picture; none of them is reported.
_NO_PICTURE = (Refused, Unavailable, NoFootage, Malformed, FileLost, OSError)


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """`is_final`: it will not be replaced by a better one."""

    jpeg: bytes
    is_final: bool


class DecodeKey(Protocol):
    """A media worker's job: decode one key sample of an open recording into a JPEG."""

    async def __call__(
        self,
        recording: int,
        *,
        codec: str,
        extradata: bytes,
        offset: int,
        length: int,
        width_px: int,
        turn: Turn,
        bulk: bool,
    ) -> bytes:
        """Raises Unavailable when no worker answers, Refused when the picture cannot be decoded."""
        ...


@dataclass(slots=True)
class Pictures:
    """Makes and stores pictures. One job per clip at a time: ten tablets' requests cause one decode."""

    store: Store
    footage: Footage
    decode_key: DecodeKey
    clips_dir: Path
    threads: trio.CapacityLimiter
    exact: ExactFrames | None = None
    disk: ClipsDisk = field(default_factory=ClipsDisk)
    making: dict[str, trio.Event] = field(default_factory=dict)
    to_refine: deque[str] = field(default_factory=lambda: deque(maxlen=REFINE_MAX))
    hopeless: dict[str, str] = field(default_factory=dict)  # name of a picture that cannot be decoded -> why
    wake: Signal = field(default_factory=Signal)

    async def at(
        self,
        channel_id: str,
        at_us: int,
        latency_ms: int,
        *,
        width_px: int,
        bulk: bool,
        within_us: int | None = None,
    ) -> bytes:
        """The JPEG of the newest key picture captured at or before `at_us`, at most `within_us` before.

        Raises Refused 409 `not_yet_covered`, Unavailable when no worker can.
        """
        latency_us = latency_ms * 1000
        wall_us = at_us + latency_us
        views = await self.footage.views(channel_id, wall_us - LOOK_BACK_US, wall_us + 1)
        try:
            recording, picture = await in_thread(self._find, views, at_us, latency_us, limiter=self.threads)
            late_us = at_us - picture.capture_us
            if within_us is not None and late_us > within_us:
                os.close(recording)
                raise NoFootage(f"the newest key picture is {late_us // 1_000_000} s older")
        except (NoFootage, Malformed, OSError) as error:
            raise Refused(409, "not_yet_covered", f"no picture of {channel_id} then: {error}") from error
        try:
            return await self.decode_key(
                recording,
                codec=DECODER_OF_SAMPLE_ENTRY.get(picture.codec, picture.codec),
                extradata=picture.extradata,
                offset=picture.picture.offset,
                length=picture.picture.length,
                width_px=width_px,
                turn=picture.turn,
                bulk=bulk,
            )
        finally:
            os.close(recording)

    def _find(self, views: Sequence[SegmentView], at_us: int, latency_us: int) -> tuple[int, KeyPicture]:
        with open_once(self.footage.open_fd) as open_fd:
            picture = plan_frame(views, open_fd, at_us, latency_us)
            return os.dup(open_fd(picture.picture.name)), picture

    async def frame(self, channel_id: str, at_us: int, latency_ms: int) -> bytes:
        """The JPEG of the newest frame captured at or before `at_us`; if that takes too long, of the newest
        key picture. Raises as `at`."""
        if self.exact is not None:
            with trio.move_on_after(FRAME_WAIT_S), suppress(*_NO_PICTURE):
                return await self.exact.at(channel_id, at_us, latency_ms, width_px=FRAME_WIDTH_PX)
        return await self.at(channel_id, at_us, latency_ms, width_px=FRAME_WIDTH_PX, bulk=False)

    async def thumbnail(self, clip_id: str) -> Thumbnail:
        """The clip's picture: its first frame if that was made already, else the key picture before it.

        Raises Refused 404 or 410, Refused 409 `no_picture` when the clip has none, Unavailable 503 when it is
        not made within 2 s.
        """
        row = await self.store.read(lambda tx: load_row(tx, "clip", clip_id))
        exact = await self._read(exact_name(row))
        if exact is not None:
            return Thumbnail(exact, is_final=True)
        self._refine_soon(row)
        with trio.move_on_after(WAIT_S):
            return Thumbnail(await self._key(row), is_final=False)
        raise Unavailable("thumbnail_pending", "the picture is being made", retry_after_s=1)

    async def _key(self, row: Row) -> bytes:
        while True:
            jpeg = await self._read(key_name(row))
            if jpeg is not None:
                return jpeg
            busy = self.making.get(row["id"])
            if busy is None:
                return await self._make_key(row)
            await busy.wait()

    async def _make_key(self, row: Row) -> bytes:
        done = self.making[row["id"]] = trio.Event()
        try:
            jpeg = await self.at(
                row["channel_id"],
                row["start_us"],
                row["latency_ms"],
                width_px=WIDTH_PX,
                bulk=False,
                within_us=LOOK_BACK_US,
            )
            try:
                await self._keep(row, key_name(row), jpeg)
            except (OSError, Unavailable) as error:  # shown all the same, and made again for the next request
                log.warning("picture_not_kept", clip=row["id"], reason=str(error))
            return jpeg
        except Refused as refused:
            raise self._why_none(row, refused) from refused
        finally:
            del self.making[row["id"]]
            done.set()

    def _why_none(self, row: Row, refused: Refused) -> Refused | Unavailable:
        """The answer for a clip without a key picture: none will be made, or wait for one."""
        reason = (
            row["error_message"] if row["status"] == ClipState.FAILED else self.hopeless.get(exact_name(row))
        )
        if reason is None:
            return Unavailable("thumbnail_pending", refused.detail, retry_after_s=1)
        hint = "footage that turns up later brings it: wait for clip_ready"
        return Refused(
            409, "no_picture", f"the clip has no picture: {reason}", hint, extra={"status": row["status"]}
        )

    async def _keep(self, row: Row, name: str, jpeg: bytes) -> None:
        """Store the file and its row; if the box stops in between, the file without a row is found as a
        stray."""
        with trio.move_on_after(KEEP_S, shield=True):
            with self.disk.making(name):
                await in_thread(self._write, name, jpeg, limiter=self.threads)
                await self.store.write(partial(note_picture, row=row, name=name))

    def _write(self, name: str, jpeg: bytes) -> None:
        self.disk.check(self.clips_dir)
        _write(self.clips_dir / name, jpeg)

    async def _read(self, name: str) -> bytes | None:
        return await in_thread(_read_or_none, self.clips_dir / name, limiter=self.threads)

    def _refine_soon(self, row: Row) -> None:
        """Queue the clip's first frame, if its position is known. Far behind its key frame it takes a core
        for seconds (1080p: 5 ms a picture): one at a time, after everything that a person waits for."""
        is_cut = row["status"] == ClipState.READY and row["preroll_us"] is not None
        if self.exact is None or not is_cut:
            return
        if row["id"] not in self.to_refine and exact_name(row) not in self.hopeless:
            self.to_refine.append(row["id"])
            self.wake.notify()

    async def run(
        self, *, hold: trio.Event | None = None, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Make pictures of clips that became ready: the key picture at once, the first frame when a worker is
        idle.

        Until `hold` is set (safe mode) only requested pictures are made.
        """
        if hold is not None and not hold.is_set():
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            await hold.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow, name="pictures: keys")
            nursery.start_soon(self._refine, name="pictures: first frames")
            task_status.started()

    async def _follow(self) -> None:
        async for entries in follow(self.store.journal):
            for entry in entries:
                if entry.type == "clip_ready":
                    await self._prepare(entry.subject.removeprefix("clip:"))

    async def _prepare(self, clip_id: str) -> None:
        try:
            await self.thumbnail(clip_id)
        except _NO_PICTURE as error:
            log.info("no_thumbnail_yet", clip=clip_id, reason=str(error))

    async def _refine(self) -> None:
        while True:
            seen = self.wake.count
            while self.to_refine:
                clip_id = self.to_refine.popleft()
                try:
                    await self._make_exact(clip_id)
                except _NO_PICTURE as error:
                    log.info("thumbnail_stays_the_key", clip=clip_id, reason=str(error))
            await self.wake.wait_past(seen)

    async def _make_exact(self, clip_id: str) -> None:
        assert self.exact is not None
        row = await self.store.read(lambda tx: load_row(tx, "clip", clip_id))
        if row["status"] != ClipState.READY or exact_name(row) in self.hopeless:
            return
        if await self._read(exact_name(row)) is None:
            try:
                jpeg = await self.exact.first_of(clip_id, row["ready_media_rev"], width_px=WIDTH_PX)
            except Refused as refused:
                if len(self.hopeless) < HOPELESS_MAX and refused.code != "footage_gone":  # a disk may return
                    self.hopeless[exact_name(row)] = refused.detail
                raise
            await self._keep(row, exact_name(row), jpeg)


def exact_name(row: Row) -> str:
    """The file of the first frame, relative to clips_dir; one for each cut, because a trim moves IN."""
    return f"thumbs/{row['id']}-m{row['media_rev']}.jpg"


def key_name(row: Row) -> str:
    """The file of the key picture, which is shown until the first frame is made."""
    return f"thumbs/{row['id']}-m{row['media_rev']}-key.jpg"


def note_picture(tx: Tx, row: Row, name: str) -> None:
    """The file exists. Not journaled: thumbnail_url has been in every event since the first. A picture that
    is no longer shown becomes garbage."""
    sql = "SELECT thumbnail_path FROM clips WHERE id = ? AND media_rev = ? AND deleted_us IS NULL"
    now = tx.one(sql, (row["id"], row["media_rev"]))
    known = None if now is None else now["thumbnail_path"]
    if known == name:
        return
    if now is None or known == exact_name(row):
        tx.run("INSERT OR REPLACE INTO garbage VALUES (?, ?)", (name, tx.now_us))
        return
    if known is not None:
        tx.run("INSERT OR REPLACE INTO garbage VALUES (?, ?)", (known, tx.now_us))
    tx.run("UPDATE clips SET thumbnail_path = ? WHERE id = ?", (name, row["id"]))
    tx.run("DELETE FROM garbage WHERE path = ?", (name,))  # left by an earlier state of the database


def _read_or_none(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:  # not made yet, or a disk error: it can be made again
        return None


def _write(path: Path, jpeg: bytes) -> None:
    """A picture can be made again: it is renamed into place, but not synced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".partial")
    try:
        unfinished.write_bytes(jpeg)
        unfinished.rename(path)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        raise
