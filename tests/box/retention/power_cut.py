"""Power cuts while retention deletes: a recording exists and is indexed, or is deleted and reported; clips
stay intact.

The product's retention deletes the product's recordings. The database is recorded (tape.py); operations on
recordings and clip files are recorded in the same sequence, so the disk can be rebuilt as a cut at any
operation leaves it: a deletion not covered by an fsync of its directory may or may not have happened.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC
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
from appliance.box.recordings.actor import RecordingsHandle, run_recordings
from appliance.box.recordings.model import Fact
from appliance.box.retention.actor import RetentionHandle, run_retention
from appliance.box.retention.core import RetentionLimits
from appliance.box.retention.model import Folders
from appliance.box.settings import Settings
from appliance.kernel.clock import wall_us
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import ReadTx, Tx
from appliance.media.cut.plan import Range
from tests.faults.power_cut import check_fsck
from tests.faults.tally import Tally
from tests.faults.tape import Survive, Tape, TapeVfs
from tests.faults.work import product_rules
from tests.kit.box import COACH, add_channel, add_session
from tests.kit.clock import WallClock
from tests.kit.hand_footage import plan_of
from tests.kit.segments import Camera
from tests.kit.waiting import LIMIT_S
from tests.ops.box import settings_in

RECORDINGS = 6
HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000
HEADER = b"header"
_FIRST_EVENT = 1_000_000  # notes from here on are numbers of `Tape`'s file events
_SURVIVALS: tuple[Survive, ...] = ("dropped", "kept", "torn")
KEEP_ALL = RetentionLimits(0, 0, 10_000 * 24 * HOUR_US, 10_000 * 24 * HOUR_US, 0)
DELETE_ALL = RetentionLimits(0, 0, 1, 10_000 * 24 * HOUR_US, 0)  # no footage is younger than a microsecond


@dataclass
class Shelf:
    """The original recordings, and the file operations in order."""

    settings: Settings
    tape: Tape = field(default_factory=Tape)
    recordings: dict[str, tuple[bytes, int]] = field(default_factory=dict)  # name -> content, time
    events: list[tuple[str, str, bytes]] = field(default_factory=list)

    def fill(self) -> None:
        """Hour-old recordings of a few frames, a minute apart."""
        begin_us = wall_us() - 2 * HOUR_US
        for number in range(RECORDINGS):
            at_us = begin_us + number * MINUTE_US
            camera = Camera(stream_id=bytes([number + 1]) * 16, ntp_ns=at_us * 1000)
            content = b"".join(camera.segment(3))
            self.recordings[f"cam1/{number}.mp4"] = (content, at_us + 600_000)
        self.lay_out(self.settings, set(self.recordings), {})

    def lay_out(self, settings: Settings, names: set[str], clip_files: dict[str, bytes]) -> None:
        for name in sorted(names):
            content, written_us = self.recordings[name]
            path = settings.storage.recordings_dir / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.utime(path, ns=(written_us * 1000, written_us * 1000))
        (settings.storage.recordings_dir / "cam1").mkdir(parents=True, exist_ok=True)
        for name, content in clip_files.items():
            path = settings.storage.clips / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def note(self, what: str, name: str, content: bytes = b"") -> None:
        self.events.append((what, name, content))
        self.tape.note(_FIRST_EVENT + len(self.events) - 1)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Deletions and directory syncs of recordings and clips are recorded."""
        unlink, fsync = os.unlink, os.fsync
        storage = self.settings.storage

        def watched_unlink(path: Any, *, dir_fd: int | None = None) -> None:
            if dir_fd is not None:
                self.note("unlink", f"cam1/{path}")
            unlink(path, dir_fd=dir_fd)

        def watched_fsync(fd: int) -> None:
            fsync(fd)
            path = Path(os.readlink(f"/proc/self/fd/{fd}"))
            if path == storage.recordings_dir / "cam1":
                self.note("sync", "cam1")
            elif path.is_dir() and path.is_relative_to(storage.clips):
                for file in path.glob("*.mp4"):
                    self.note("made", str(file.relative_to(storage.clips)), file.read_bytes())

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "unlink", watched_unlink)
            patch.setattr(os, "fsync", watched_fsync)
            yield

    def unlinks(self) -> list[int]:
        """The operations directly after a recording was deleted."""
        notes = ((at, op.at - _FIRST_EVENT) for at, op in enumerate(self.tape.ops, 1) if op.kind == "note")
        return [at for at, event in notes if event >= 0 and self.events[event][0] == "unlink"]

    def disk_at(self, cut: int, rnd: Random) -> tuple[set[str], dict[str, bytes]]:
        """Recordings and clip files as the cut leaves them."""
        there, leaving, made = set(self.recordings), set[str](), dict[str, bytes]()
        for number in self.tape.notes_before(cut):
            what, name, content = self.events[number - _FIRST_EVENT]
            if what == "unlink":
                leaving.add(name)
            elif what == "sync":
                there -= leaving
            else:
                made[name] = content
        return {name for name in there if name not in leaving or rnd.random() < 0.5}, made


@asynccontextmanager
async def keeping(
    settings: Settings, store: Store, limits: RetentionLimits
) -> AsyncIterator[tuple[RecordingsHandle, RetentionHandle]]:
    """Index, clip files and retention as the daemon connects them; retention has run once."""
    storage = settings.storage

    async def announce(fact: Fact) -> None:
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        recordings: RecordingsHandle = await nursery.start(
            lambda task_status: run_recordings(
                recordings_dir=storage.recordings_dir,
                index_dir=storage.state_dir / "index",
                channels={"cam1": 0},
                clock=WallClock(),
                name_timezone=UTC,
                announce=announce,
                after_cut=True,
                task_status=task_status,
            )
        )
        files = await nursery.start(
            lambda task_status: run_clip_files(
                store=store,
                footage=recordings,
                clips_dir=storage.clips,
                look_inside=True,
                task_status=task_status,
            )
        )
        with trio.fail_after(LIMIT_S):
            while recordings.statistics()["segments_waiting"]:
                await recordings.changed.wait_past(recordings.changed.count)
        retention: RetentionHandle = await nursery.start(
            lambda task_status: run_retention(
                store=store,
                recordings=recordings,
                clips=files,
                expire_clip=lambda tx, clip_id, reason: marks.expire_clip(
                    tx, product_rules(), clip_id, reason
                ),
                folders=Folders(storage.state_dir, storage.recordings_dir, storage.clips),
                limits=limits,
                task_status=task_status,
            )
        )
        with trio.fail_after(LIMIT_S):
            await retention.look_now()
        yield recordings, retention
        nursery.cancel_scope.cancel()


def add_clips(tx: Tx) -> None:
    """A ready clip from every other recording; none has a file yet."""
    add_channel(tx, "cam1")
    session_id = add_session(tx)
    for number in range(0, RECORDINGS, 2):
        body = ClipIn(session_id=session_id, channel_id="cam1", duration_seconds=5.0)
        marks.create_clip(tx, COACH, product_rules(), body)
        job = cuts.claim(tx, cuts.waiting_jobs(tx)[0])
        assert job is not None
        plan = plan_of(job.start_us, job.end_us, job.end_us)
        object.__setattr__(plan, "ranges", (Range(f"cam1/{number}.mp4", 100, 90),))
        object.__setattr__(plan, "size", len(HEADER) + 90)
        assert cuts.finish(tx, job, plan)


async def record_deleting(folder: Path) -> tuple[Shelf, int]:
    """Retention deletes everything it may; the second value is the operation at its start."""
    shelf = Shelf(settings_in(folder))
    shelf.fill()
    vfs = TapeVfs(shelf.tape)
    path = shelf.settings.storage.state_dir / "box.db"
    async with open_store(path, WallClock(), in_thread=False, vfs=vfs.name) as store:
        await store.write(add_clips)
        began = len(shelf.tape.ops)
        with shelf.watching():
            async with keeping(shelf.settings, store, DELETE_ALL):
                pass
    assert sum(what == "unlink" for what, _, _ in shelf.events) == RECORDINGS, "everything went"
    return shelf, began


async def cut_and_start(shelf: Shelf, cut: int, rnd: Random, folder: Path, tally: Tally) -> None:
    """The power fails at operation `cut`; the box starts on the remaining disk."""
    survive = rnd.choice(_SURVIVALS)
    where = f"cut {cut} of {len(shelf.tape.ops)}, unsynced {survive}"
    settings = settings_in(folder)
    settings.storage.state_dir.mkdir(parents=True)
    for name, data in shelf.tape.disk_at(cut, survive, rnd).items():
        (settings.storage.state_dir / name).write_bytes(data)
    shelf.lay_out(settings, *shelf.disk_at(cut, rnd))
    tally.rounds += 1
    path = settings.storage.state_dir / "box.db"
    async with open_store(path, WallClock(), in_thread=False) as store:
        tally.struck += bool(await store.read(lambda tx: tx.value("SELECT count(*) FROM condemned")))
        async with keeping(settings, store, KEEP_ALL) as (recordings, _):
            indexed = {each.name for each in recordings.stored("cam1")}
        for wrong in await store.read(partial(_faults, shelf=shelf, settings=settings, indexed=indexed)):
            tally.wrong(f"{where}: {wrong}")
        tally.acknowledged += RECORDINGS + RECORDINGS // 2
    await check_fsck(settings, tally, where)


def _faults(tx: ReadTx, shelf: Shelf, settings: Settings, indexed: set[str]) -> list[str]:
    results = [f"{row['recording']} is still to be deleted" for row in tx.all("SELECT * FROM condemned")]
    count = sum(tx.all("SELECT count(*) AS n FROM journal WHERE type = 'footage_deleted'")[0].values())
    gone = 0
    for name, (_, written_us) in shelf.recordings.items():
        middle_us = written_us - 300_000
        is_told = tx.value(
            "SELECT 1 FROM footage_gone WHERE start_us <= ? AND end_us >= ?", (middle_us, middle_us)
        )
        is_there = (settings.storage.recordings_dir / name).exists()
        gone += not is_there
        if bool(is_told) == is_there:
            results.append(f"{name} is {'there' if is_there else 'gone'} and the rows say otherwise")
        if is_there != (name in indexed):
            results.append(f"{name} is {'not ' if is_there else ''}indexed")
    if bool(gone) != bool(count):
        results.append(f"{gone} recordings are gone and {count} events tell of it")
    rows = tx.all("SELECT clips.status, plans.* FROM clips JOIN plans ON plans.clip_id = clips.id")
    return results + [wrong for row in rows if (wrong := _clip_fault(row, shelf, settings))]


def _clip_fault(row: Any, shelf: Shelf, settings: Settings) -> str:
    """Every clip plays its original bytes, from its file or from the recording."""
    name = row["ranges"].split('"')[1]
    want = shelf.recordings[name][0][100:190]
    if row["status"] != "ready":
        return f"the clip of {name} is {row['status']}"
    if row["file_path"] is not None:
        path = settings.storage.clips / row["file_path"]
        is_good = path.exists() and path.read_bytes() == HEADER + want
        return "" if is_good else f"the file of the clip of {name} is not its bytes"
    path = settings.storage.recordings_dir / name
    return "" if path.exists() and path.read_bytes()[100:190] == want else f"{name} is gone under its clip"


async def retention_cuts(rounds: int, seed: int, folder: Path) -> Tally:
    """`rounds` cuts around deletions, fifteen of each; at least half of them hit."""
    tally, rnd, game = Tally(), Random(seed), 0
    while tally.rounds < rounds:
        game += 1
        place = folder / f"game{game}"
        shelf, began = await record_deleting(place / "box")
        for number in range(min(15, rounds - tally.rounds)):
            # every second one during the deletions, so that each run has hits
            cut = rnd.randrange(began, len(shelf.tape.ops) + 1) if number % 2 else rnd.choice(shelf.unlinks())
            await cut_and_start(shelf, cut, rnd, place / str(number), tally)
        if tally.is_clean:
            shutil.rmtree(place)
    return tally
