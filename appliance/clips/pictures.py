"""Pictures of clips and channels: the key frame at or before an instant, as a JPEG.

Owns: thumbnail files under clips_dir/thumbs, and who waits for which picture. Decoding happens in a media
worker, which gets one descriptor and one sample's place: it is handed in as `decode_key`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog
import trio

from appliance.clips.footage import Footage
from appliance.clips.planner import open_once
from appliance.clips.rows import load
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.store import Store
from appliance.kernel.tx import Row, Tx
from appliance.media.fmp4 import Malformed
from appliance.media.frames import KeyPicture, plan_frame
from appliance.media.plan import NoFootage
from appliance.media.view import SegmentView

log = structlog.get_logger("pictures")

WAIT_S = 2.0  # a request for a thumbnail holds this long, then says 503 Retry-After
LOOK_BACK_US = 12_000_000  # the key before an instant lies within one GOP; 10 s is the longest sane one
WIDTH_PX = 320
FRAME_WIDTH_PX = 1280
_DECODERS = {"avc1": "h264", "avc3": "h264", "hvc1": "hevc", "hev1": "hevc", "av01": "av1", "vp09": "vp9"}


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
        bulk: bool,
    ) -> bytes:
        """Raises Unavailable when no worker answers, Refused when the picture cannot be decoded."""
        ...


@dataclass(slots=True)
class Pictures:
    """Makes and keeps pictures. One job per clip at a time: ten tablets asking are one decode."""

    store: Store
    footage: Footage
    decode_key: DecodeKey
    clips_dir: Path
    threads: trio.CapacityLimiter
    making: dict[str, trio.Event] = field(default_factory=dict)

    async def at(self, channel_id: str, at_us: int, latency_ms: int, *, width_px: int, bulk: bool) -> bytes:
        """The JPEG of the newest key picture captured at or before `at_us`.

        Raises Refused 409 `not_yet_covered`, Unavailable when no worker can.
        """
        latency_us = latency_ms * 1000
        wall_us = at_us + latency_us
        views = await self.footage.views(channel_id, wall_us - LOOK_BACK_US, wall_us + 1)
        try:
            recording, picture = await trio.to_thread.run_sync(
                self._find, views, at_us, latency_us, limiter=self.threads
            )
        except (NoFootage, Malformed, OSError) as error:
            raise Refused(409, "not_yet_covered", f"no picture of {channel_id} then: {error}") from error
        try:
            return await self.decode_key(
                recording,
                codec=_DECODERS.get(picture.codec, picture.codec),
                extradata=picture.extradata,
                offset=picture.picture.offset,
                length=picture.picture.length,
                width_px=width_px,
                bulk=bulk,
            )
        finally:
            os.close(recording)

    def _find(self, views: Sequence[SegmentView], at_us: int, latency_us: int) -> tuple[int, KeyPicture]:
        with open_once(self.footage.open_fd) as open_fd:
            picture = plan_frame(views, open_fd, at_us, latency_us)
            return os.dup(open_fd(picture.picture.name)), picture

    async def thumbnail(self, clip_id: str) -> bytes:
        """The clip's JPEG, made now when there is none yet.

        Raises Refused 404 or 410, Unavailable 503 when it is not there within 2 s.
        """
        row = await self.store.read(lambda tx: load(tx, "clip", clip_id))
        with trio.move_on_after(WAIT_S):
            return await self._thumbnail(row, bulk=False)
        raise Unavailable("thumbnail_pending", "the picture is being made", retry_after_s=1)

    async def _thumbnail(self, row: Row, *, bulk: bool) -> bytes:
        path = self.clips_dir / thumbnail_name(row)
        while True:
            kept = await trio.to_thread.run_sync(_read_or_none, path, limiter=self.threads)
            if kept is not None:
                return kept
            busy = self.making.get(row["id"])
            if busy is None:
                return await self._make(row, path, bulk=bulk)
            await busy.wait()

    async def _make(self, row: Row, path: Path, *, bulk: bool) -> bytes:
        done = self.making[row["id"]] = trio.Event()
        try:
            jpeg = await self.at(
                row["channel_id"], row["start_us"], row["latency_ms"], width_px=WIDTH_PX, bulk=bulk
            )
            await trio.to_thread.run_sync(_keep, path, jpeg, limiter=self.threads)
            await self.store.write(partial(_note, row=row, path=thumbnail_name(row)))
            return jpeg
        except Refused as refused:
            raise Unavailable("thumbnail_pending", refused.detail, retry_after_s=1) from refused
        finally:
            del self.making[row["id"]]
            done.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Make the thumbnails of clips that became ready, behind everything a person asks for."""
        task_status.started()
        cursor = self.store.journal.head
        while True:
            seen = self.store.journal.changed.count
            for entry in await self.store.journal.read(cursor):
                cursor = entry.seq
                if entry.type == "clip_ready":
                    await self._prepare(entry.subject.removeprefix("clip:"))
            if cursor >= self.store.journal.head:
                await self.store.journal.changed.wait_past(seen)

    async def _prepare(self, clip_id: str) -> None:
        try:
            row = await self.store.read(lambda tx: load(tx, "clip", clip_id))
            await self._thumbnail(row, bulk=True)
        except (Refused, Unavailable) as error:
            log.info("no thumbnail yet", clip=clip_id, reason=str(error))


def thumbnail_name(row: Row) -> str:
    """Relative to clips_dir; one per cut, because a trim moves IN."""
    return f"thumbs/{row['id']}-m{row['media_rev']}.jpg"


def _note(tx: Tx, row: Row, path: str) -> None:
    """Not journaled: thumbnail_url has been in every event since the first."""
    tx.run(
        "UPDATE clips SET thumbnail_path = ? WHERE id = ? AND media_rev = ?",
        (path, row["id"], row["media_rev"]),
    )


def _read_or_none(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _keep(path: Path, jpeg: bytes) -> None:
    """A picture can be made again: renamed into place, not synced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".partial")
    unfinished.write_bytes(jpeg)
    unfinished.rename(path)
