"""Power cuts while clip files are written: after any step, the box can repair what it finds.

The product writes real files. At each step the disk is copied as a power cut would leave it: bytes not
covered by an fsync may be missing, zero or truncated; a name not covered by an fsync of its directory may be
the old one or missing. The box is then started on every copy.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio

from appliance.box.clips.housekeeping.actor import run_clip_files
from appliance.box.clips.model import ClipIn
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records import marks
from appliance.box.clips.records.stored_plans import unwritten_plans
from appliance.box.settings import Settings
from appliance.kernel.actor import running
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import ReadTx, Tx
from appliance.media.cut.plan import Range
from tests.faults.power_cut import check_fsck
from tests.faults.tally import Tally
from tests.faults.work import product_rules
from tests.kit.box import COACH, add_channel, add_session
from tests.kit.clock import KICKOFF_US, HandClock
from tests.kit.hand_footage import HandFootage, plan_of
from tests.kit.waiting import LIMIT_S
from tests.ops.box import settings_in

RECORDING = bytes(range(256)) * 4
CLIPS = 3
HEADER = b"header"


class DiskFootage(HandFootage):
    """Recordings in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(until_us=KICKOFF_US)
        self.folder = folder

    def open_fd(self, name: str) -> int:
        return os.open(self.folder / name, os.O_RDONLY | os.O_CLOEXEC)


def clip_bytes(number: int) -> bytes:
    """The expected content of the file of clip `number`."""
    return HEADER + RECORDING[number * 100 : number * 100 + 90]


def add_ready_clips(tx: Tx, count: int = CLIPS) -> list[str]:
    """Ready clips whose plans refer to one recording; none has a file yet."""
    add_channel(tx, "cam1")
    session_id = add_session(tx)
    made = []
    for number in range(count):
        body = ClipIn(session_id=session_id, channel_id="cam1", duration_seconds=5.0)
        clip = marks.create_clip(tx, COACH, product_rules(), body).resource
        job = cuts.claim(tx, cuts.waiting_jobs(tx)[0])
        assert job is not None
        plan = plan_of(job.start_us, job.end_us, job.end_us)
        object.__setattr__(plan, "ranges", (Range("cam1/a.mp4", number * 100, 90),))
        object.__setattr__(plan, "size", len(clip_bytes(number)))
        assert cuts.finish(tx, job, plan)
        made.append(str(clip["id"]))
    return made


def make_recording(settings: Settings) -> None:
    path = settings.storage.recordings_dir / "cam1" / "a.mp4"
    path.parent.mkdir(parents=True)
    path.write_bytes(RECORDING)


@dataclass
class Drill:
    """Monitors fsync and rename under `clips` and copies the whole box at every step."""

    box: Path
    copies: Path
    rnd: Random
    steps: list[str] = field(default_factory=list)
    synced: set[int] = field(default_factory=set)  # inodes whose bytes are durable
    pending: dict[str, Path | None] = field(default_factory=dict)  # name not durable yet -> the previous name

    @property
    def clips(self) -> Path:
        return settings_in(self.box).storage.clips

    @contextmanager
    def watching(self) -> Iterator[None]:
        fsync, rename = os.fsync, os.rename

        def watched_fsync(fd: int) -> None:
            path = Path(os.readlink(f"/proc/self/fd/{fd}"))
            if not path.is_relative_to(self.clips):
                return fsync(fd)
            self.step(f"before fsync {path.name}")
            fsync(fd)
            if path.is_dir():
                self.pending.clear()
            else:
                self.synced.add(os.fstat(fd).st_ino)
            self.step(f"after fsync {path.name}")

        def watched_rename(source: Path, target: Path, **more: Any) -> None:
            rename(source, target, **more)
            if Path(target).is_relative_to(self.clips):
                self.pending[str(target)] = Path(source)
                self.step(f"after rename {Path(target).name}")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", watched_fsync)
            patch.setattr(os, "rename", watched_rename)
            yield

    def step(self, name: str) -> None:
        """A copy of the box as a power cut at this moment leaves it."""
        target = self.copies / str(len(self.steps))
        shutil.copytree(self.box, target)
        copied = settings_in(target).storage.clips
        for path in [each for each in self.clips.rglob("*") if each.is_file()]:
            self._fate(path, copied / path.relative_to(self.clips))
        self.steps.append(name)

    def _fate(self, path: Path, copy: Path) -> None:
        if path.stat().st_ino not in self.synced:
            data = copy.read_bytes()
            half = self.rnd.randrange(len(data) + 1)
            copy.write_bytes(self.rnd.choice((data, b"", bytes(len(data)), data[:half])))
        before = self.pending.get(str(path))
        if before is not None:
            fate = self.rnd.choice(("new", "old", "neither"))
            if fate == "old":
                copy.rename(copy.with_name(before.name))
            elif fate == "neither":
                copy.unlink()


async def start_on(settings: Settings, rnd: Random, tally: Tally, where: str) -> None:
    """The box starts on a copy: every clip gets its bytes, or is reported as lost."""
    fate = rnd.choice(("as it was", "recording lost", "a clip deleted"))
    where = f"{where}, {fate}"
    if fate == "recording lost":
        os.truncate(settings.storage.recordings_dir / "cam1" / "a.mp4", 150)
    path = settings.storage.state_dir / "box.db"
    async with open_store(path, HandClock(KICKOFF_US + 10_000_000), in_thread=False) as store:
        if fate == "a clip deleted":
            await store.write(_delete_one)
        footage = DiskFootage(settings.storage.recordings_dir)
        files = running(
            "clip files", run_clip_files, store=store, footage=footage, clips_dir=settings.storage.clips
        )
        async with files:
            with trio.fail_after(LIMIT_S):
                await _all_written(store)
        for row in await store.read(_served):
            tally.acknowledged += 1
            data = (settings.storage.clips / row["file_path"]).read_bytes()
            start = int(row["ranges"].split(",")[1])
            if data != HEADER + RECORDING[start : start + 90]:
                tally.lose([f"{where}: {row['file_path']} holds other bytes"])
    await check_fsck(settings, tally, where)


def _delete_one(tx: Tx) -> None:
    clip_id = str(tx.value("SELECT id FROM clips ORDER BY created_us, id"))
    marks.delete_clip(tx, COACH, product_rules(), clip_id)


def _served(tx: ReadTx) -> list[dict[str, Any]]:
    return tx.all("SELECT file_path, ranges FROM plans WHERE file_path IS NOT NULL")


async def _all_written(store: Store) -> None:
    while True:
        seen = store.journal.changed.count
        if not await store.read(partial(unwritten_plans, limit=1)):
            return
        with trio.move_on_after(0.002):  # a file causes no event
            await store.journal.changed.wait_past(seen)


async def record_files(folder: Path, rnd: Random) -> Drill:
    """The product writes the files of ready clips while the drill copies."""
    box = folder / "box"
    settings = settings_in(box)
    make_recording(settings)
    drill = Drill(box, folder / "copies", rnd)
    async with open_store(settings.storage.state_dir / "box.db", HandClock(), in_thread=False) as store:
        await store.write(add_ready_clips)
        footage = DiskFootage(settings.storage.recordings_dir)
        files = running(
            "clip files", run_clip_files, store=store, footage=footage, clips_dir=settings.storage.clips
        )
        with drill.watching():
            async with files:
                with trio.fail_after(LIMIT_S):
                    await _all_written(store)
    return drill


async def clip_power_cuts(rounds: int, seed: int, folder: Path) -> Tally:
    """`rounds` cuts between the steps of writing clip files."""
    tally, rnd, game = Tally(), Random(seed), 0
    while tally.rounds < rounds:
        game += 1
        place = folder / f"game{game}"
        drill = await record_files(place, rnd)
        for number, name in list(enumerate(drill.steps))[: rounds - tally.rounds]:
            tally.rounds += 1
            await start_on(settings_in(drill.copies / str(number)), rnd, tally, name)
        shutil.rmtree(place)
    return tally
