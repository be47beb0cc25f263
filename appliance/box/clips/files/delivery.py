"""Serve a clip's bytes: from its file if there is one, else from the recordings.

An export (clips/cutting/exports.py) has only its file.

Every byte ever served for a media_rev is defined by its stored plan. A response chooses file or ranges once
and keeps its descriptors open, so a recording that is deleted meanwhile does not cut it short.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from appliance.box.clips.files.clips_disk import ClipsDisk
from appliance.box.clips.files.footage import Footage
from appliance.box.clips.files.readers import Readers
from appliance.box.clips.files.recovery import is_lost
from appliance.box.clips.files.save_name import Words, save_name
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records.rows import clip_resource, media_name
from appliance.box.clips.records.stored_plans import FileLost, StoredPlan, is_stored, note_looked, stored_plan
from appliance.http.api import RawRoute, Receive, Scope, Send
from appliance.http.ranges import FileRange, Media, send_media
from appliance.kernel.errors import Refused, Unavailable, not_found
from appliance.kernel.rows import load_row
from appliance.kernel.store import Store
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import ReadTx

IMMUTABLE = "private, max-age=31536000, immutable"
PLANS_KEPT = 512  # about 8 kB each: every clip of a game


@dataclass(slots=True)
class PlanCache:
    """Plans never change once stored; each seek of a player needs the same one."""

    store: Store
    kept: OrderedDict[tuple[str, int], StoredPlan] = field(default_factory=OrderedDict)

    async def get(self, clip_id: str, media_rev: int | None) -> StoredPlan:
        """The plan of a media_rev, or of the newest that plays. Raises Refused 404, 409 or 410."""
        if media_rev is not None and (clip_id, media_rev) in self.kept:
            self.kept.move_to_end((clip_id, media_rev))
            known = self.kept[(clip_id, media_rev)]
            if await self.store.read(lambda tx: is_stored(tx, clip_id, media_rev)):
                return known
            del self.kept[(clip_id, media_rev)]
        plan = await self.store.read(lambda tx: find_plan(tx, clip_id, media_rev))
        if plan.file_path is not None:  # a virtual one may get its file at any time
            self.kept[(clip_id, plan.media_rev)] = plan
            while len(self.kept) > PLANS_KEPT:
                self.kept.popitem(last=False)
        return plan


def find_plan(tx: ReadTx, clip_id: str, media_rev: int | None) -> StoredPlan:
    """The plan of a media_rev, or of the newest that plays. Raises Refused 404, 409 or 410."""
    row = load_row(tx, "clip", clip_id)
    wanted = row["ready_media_rev"] if media_rev is None else media_rev
    if wanted is None:
        raise Refused(
            409,
            "not_ready",
            f"the clip is {row['status']}",
            "wait for clip_ready on /ws",
            extra={"status": row["status"], "waiting_for": row["waiting_for"]},
        )
    plan = stored_plan(tx, clip_id, wanted)
    if plan is None and wanted == row["media_rev"] and row["status"] == "ready":
        # the newest cut has the same bytes as this one
        plan = stored_plan(tx, clip_id, row["ready_media_rev"])
    if plan is None and 0 < wanted < row["media_rev"]:
        raise replaced(clip_resource(tx, row), wanted)
    if plan is None:
        raise not_found("media of this clip", f"m{wanted}")
    return plan


def replaced(clip: dict[str, Any], wanted: int) -> Refused:
    """The error for a cut that was deleted after a newer one replaced it.
    No redirect: a player in the middle would mix the bytes of two cuts."""
    return Refused(
        410,
        "replaced",
        f"m{wanted} of this clip was replaced by a newer cut",
        "load stream_url from the start",
        extra={"stream_url": clip["stream_url"], "media_rev": clip["media_rev"]},
    )


@dataclass(frozen=True, slots=True)
class ClipDelivery:
    """Opens a plan's bytes; shared by clips and replays."""

    footage: Footage
    clips_dir: Path
    threads: trio.CapacityLimiter
    readers: Readers = field(default_factory=Readers)
    disk: ClipsDisk = field(default_factory=ClipsDisk)

    async def pieces(self, plan: StoredPlan) -> list[bytes | FileRange]:
        """The bytes of a stored plan, in order. Raises Refused 409 `footage_gone`, FileLost for an export."""
        if plan.is_file_only:
            return [await self._open_export(plan)]
        if plan.file_path is not None:
            path = self.clips_dir / plan.file_path
            fd = await in_thread(_open_or_none, path, limiter=self.threads)
            if fd is not None:
                return [FileRange(fd, 0, plan.size)]
        return [plan.header, *await self.open_ranges(plan.ranges)]

    async def _open_export(self, plan: StoredPlan) -> FileRange:
        """Raises FileLost, or Unavailable when the clips disk is away."""
        assert plan.file_path is not None
        fd = await in_thread(_open_or_none, self.clips_dir / plan.file_path, limiter=self.threads)
        if fd is not None:
            return FileRange(fd, 0, plan.size)
        if self.disk.is_there and await in_thread(is_lost, plan, self.clips_dir, limiter=self.threads):
            raise FileLost(plan.file_path)
        raise Unavailable("clips_disk", "the disk of the clips does not answer", "look at /readyz")

    async def open_ranges(self, ranges: Sequence[tuple[str, int, int]]) -> list[FileRange]:
        """One descriptor per recording. Raises Refused 409 `footage_gone`, Unavailable when the disk
        fails."""
        try:
            return await in_thread(self._open_ranges, ranges, limiter=self.threads)
        except FileNotFoundError as error:
            raise Refused(
                409, "footage_gone", f"the recording is gone: {error.strerror}", "retry to cut what is left"
            ) from error
        except OSError as error:
            raise Unavailable("recordings_disk", f"{error.strerror}", "look at /readyz") from error

    def _open_ranges(self, ranges: Sequence[tuple[str, int, int]]) -> list[FileRange]:
        opened: dict[str, int] = {}
        try:
            for name, _, _ in ranges:
                if name not in opened:
                    opened[name] = self.footage.open_fd(name)
        except BaseException:
            for fd in opened.values():
                os.close(fd)
            raise
        return [FileRange(opened[name], offset, length) for name, offset, length in ranges]


def _open_or_none(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def is_whole(scope: Scope) -> bool:
    """Whether this request gets the clip from its start; players that seek request parts, again and again."""
    return all(name != b"range" or value.startswith(b"bytes=0-") for name, value in scope["headers"])


def media_routes(
    *, store: Store, delivery: ClipDelivery, zone: str = "UTC", words: Words = lambda tx, row: ()
) -> list[RawRoute]:
    """GET and HEAD of /clips/{id}/stream and /clips/{id}/m{media_rev}/{name}.mp4."""
    plans = PlanCache(store)

    async def serve(
        scope: Scope, receive: Receive, send: Send, clip_id: str, media_rev: int | None, cache: str
    ) -> None:
        plan = await plans.get(clip_id, media_rev)
        try:
            pieces = await delivery.pieces(plan)
        except FileLost as error:
            await store.write(lambda tx: cuts.lost(tx, clip_id, plan.media_rev))
            raise Refused(
                409,
                "footage_gone",
                f"the clip's file is gone: {error}",
                "it is made again; wait for clip_ready",
            ) from error
        if plan.is_forgotten and scope["method"] == "GET":
            with suppress(Unavailable):  # a failure does not stop playback
                await store.write(lambda tx: note_looked(tx, clip_id))
        media = Media(
            size=plan.size,
            pieces=pieces,
            etag=f'"m{plan.media_rev}"',
            cache_control=cache,
            filename=await store.read(lambda tx: save_name(tx, clip_id, zone, words))
            if is_whole(scope)
            else None,
        )
        with delivery.readers.reading(clip_id, plan.media_rev):
            await send_media(scope, receive, send, media)

    async def newest(scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        await serve(scope, receive, send, given["clip_id"], None, "no-cache")

    async def fixed(scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        rev = given["media_rev"]
        if not rev.isascii() or not rev.isdigit() or len(rev) > 9:
            raise not_found("media of this clip", f"m{rev}")
        await serve(scope, receive, send, given["clip_id"], int(rev), IMMUTABLE)

    return [
        RawRoute(
            "GET",
            "/clips/{clip_id}/stream",
            newest,
            "The clip's newest media, by byte ranges.",
            media_type="video/mp4",
        ),
        RawRoute(
            "GET",
            "/clips/{clip_id}/m{media_rev}/{name}",
            fixed,
            "One media_rev, immutable.",
            media_type="video/mp4",
        ),
    ]


__all__ = ["IMMUTABLE", "ClipDelivery", "PlanCache", "media_name", "media_routes"]
