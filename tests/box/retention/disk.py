"""Recordings on a disk with a free space set by the test, under the real actor."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from appliance.box.clips.housekeeping.actor import ClipFiles, run_clip_files
from appliance.box.clips.model import ClipIn
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records import marks
from appliance.box.clips.records.marks import MarkRules
from appliance.box.recordings.model import StoredSegment
from appliance.box.retention import store as rows
from appliance.box.retention.actor import RetentionHandle, run_retention
from appliance.box.retention.core import RetentionLimits
from appliance.box.retention.model import Folders, Space
from appliance.kernel import json
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from appliance.media.cut.plan import Range
from tests.kit.box import COACH, mark_rules
from tests.kit.clock import HandClock
from tests.kit.hand_footage import HandFootage, plan_of

S = 1_000_000
MINUTE_US = 60 * S
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
NO_LIMITS = RetentionLimits(
    min_free_bytes=0, reserve_bytes=0, raw_us=10_000 * DAY_US, clip_us=90 * DAY_US, guard_us=12 * HOUR_US
)


class Recorded(HandFootage):
    """The cutter's view of the disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def open_fd(self, name: str) -> int:
        return os.open(self.folder / name, os.O_RDONLY)


@dataclass
class Disk:
    """Real files, an index maintained by the test, and `room` bytes for all of them."""

    root: Path
    store: Store
    clock: HandClock
    room: int = 10**9
    segments: dict[str, StoredSegment] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    refuse: OSError | None = None
    rate: float = 0.0
    rules: MarkRules = field(default_factory=mark_rules)

    @property
    def recordings(self) -> Path:
        return self.root / "recordings"

    @property
    def clips(self) -> Path:
        return self.root / "clips"

    # -- the index's interface ----------------------------------------------------------------------

    def channel_ids(self) -> list[str]:
        return sorted({each.channel_id for each in self.segments.values()})

    def stored(self, channel_id: str) -> Iterator[StoredSegment]:
        mine = [each for each in self.segments.values() if each.channel_id == channel_id]
        return iter(sorted(mine, key=lambda each: each.start_us))

    def bytes_per_s(self, channel_id: str) -> float:
        return self.rate

    def open_fd(self, name: str) -> int:
        return os.open(self.recordings / name, os.O_RDONLY)

    async def remove(self, channel_id: str, names: Sequence[str]) -> None:
        await trio.lowlevel.checkpoint()
        if self.refuse is not None:
            raise self.refuse
        reports = await self.store.read(rows.left)
        assert set(names) <= set(reports), "no file goes before its row is committed"
        for name in names:
            (self.recordings / name).unlink(missing_ok=True)
            self.segments.pop(name, None)
            self.removed.append(name)

    def space(self, folder: Path) -> Space:
        used = sum(path.stat().st_size for each in ("recordings", "clips") for path in self.files(each))
        return Space(1, self.room - used)

    def ask(self, folder: Path) -> Space:
        """The actor's interface to the disk: a test may replace `space` meanwhile."""
        return self.space(folder)

    def files(self, folder: str) -> list[Path]:
        return [path for path in (self.root / folder).rglob("*") if path.is_file()]

    # -- helpers for tests ----------------------------------------------------------------------------------

    def record(self, age_us: int, *, size: int = 1000, channel: str = "cam1", **more: Any) -> str:
        """A minute of footage that ended `age_us` ago; returns its name."""
        end_us = self.clock.now_us() - age_us
        name = f"{channel}/{end_us}.mp4"
        path = self.recordings / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
        fields = {"start_us": end_us - MINUTE_US, "end_us": end_us, "written_us": end_us, "is_growing": False}
        self.segments[name] = StoredSegment(channel, name, **{**fields, **more}, bytes=size)
        return name

    async def ready_clip(self, session_id: str, recording: str, **changes: Any) -> str:
        """A clip whose plan is 500 bytes of a recording; it has no file yet."""

        def change(tx: Tx) -> str:
            body = ClipIn(session_id=session_id, channel_id="cam1", duration_seconds=5.0)
            clip_id = str(marks.create_clip(tx, COACH, self.rules, body).resource["id"])
            job = cuts.claim(tx, next(job for job in cuts.waiting_jobs(tx) if job.clip_id == clip_id))
            assert job is not None
            plan = plan_of(job.start_us, job.end_us, job.end_us)
            object.__setattr__(plan, "ranges", (Range(recording, 100, 500),))
            object.__setattr__(plan, "size", len(plan.header) + 500)
            assert cuts.finish(tx, job, plan)
            if changes:
                tx.run(
                    f"UPDATE clips SET {', '.join(f'{key} = ?' for key in changes)} WHERE id = ?",
                    (*changes.values(), clip_id),
                )
            return clip_id

        return await self.store.write(change)

    def clip_files(self) -> ClipFiles:
        self.clips.mkdir(exist_ok=True)
        return ClipFiles(self.store, Recorded(self.recordings), self.clips, trio.Lock())

    @asynccontextmanager
    async def kept(
        self, limits: RetentionLimits, *, write_clips: bool = False, grace_us: int = 0
    ) -> AsyncIterator[RetentionHandle]:
        """The actor, after its first pass. `write_clips`: clip files are written automatically too."""
        self.recordings.mkdir(exist_ok=True)
        (self.root / "state").mkdir(exist_ok=True)
        async with trio.open_nursery() as nursery:
            files = self.clip_files()
            if write_clips:
                files = await nursery.start(self._clip_files)
            handle: RetentionHandle = await nursery.start(self._retention, files, limits, grace_us)
            await handle.look_now()
            yield handle
            nursery.cancel_scope.cancel()

    async def _clip_files(self, task_status: trio.TaskStatus[ClipFiles]) -> None:
        footage = Recorded(self.recordings)
        await run_clip_files(store=self.store, footage=footage, clips_dir=self.clips, task_status=task_status)

    async def _retention(
        self,
        files: ClipFiles,
        limits: RetentionLimits,
        grace_us: int,
        task_status: trio.TaskStatus[RetentionHandle],
    ) -> None:
        await run_retention(
            store=self.store,
            recordings=self,
            clips=files,
            expire_clip=lambda tx, clip_id, reason: marks.expire_clip(tx, self.rules, clip_id, reason),
            folders=Folders(self.root / "state", self.recordings, self.clips),
            limits=limits,
            grace_us=grace_us,
            space=self.ask,
            task_status=task_status,
        )

    def events(self, type_: str) -> list[dict[str, Any]]:
        """Events of this type, oldest first."""
        entries = self.store.journal.recent(0, 10_000) or []
        return [json.decode(each.event) for each in entries if each.type == type_]
