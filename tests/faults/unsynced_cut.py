"""Power cuts under a growing recording: data not covered by fdatasync is missing, zero or torn.

The product indexes a live recording, syncs it, and cuts clips from its newest parts, which are not synced
yet. The box is then started on copies that lost those bytes in every possible way: clips whose bytes exist
are unchanged, all others are cut again from the remaining footage or report that there is none.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from fractions import Fraction
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio

from appliance.box.clips.cutting.cutter import run_cutter
from appliance.box.clips.cutting.planner import Planner
from appliance.box.clips.housekeeping.actor import run_clip_files
from appliance.box.clips.model import ClipIn
from appliance.box.clips.records import marks
from appliance.box.recordings.actor import RecordingsHandle, run_recordings
from appliance.box.recordings.following import fdatasync as durability
from appliance.box.recordings.following.cache import ChannelCache
from appliance.box.recordings.model import Fact
from appliance.box.settings import Settings
from appliance.kernel import json
from appliance.kernel.actor import running
from appliance.kernel.clock import wall_us
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import ReadTx, Tx
from tests.faults.power_cut import check_fsck
from tests.faults.tally import Tally
from tests.faults.work import product_rules
from tests.kit.box import COACH, add_channel, add_session
from tests.kit.camera import RecordingWriter, make_footage
from tests.kit.clock import WallClock
from tests.kit.waiting import LIMIT_S
from tests.ops.box import settings_in

SECTOR = 512
MOMENTS = 3
FATES = ("missing", "zero", "torn", "gone")


@dataclass(frozen=True)
class Moment:
    """The state of the box: a copy of its folder, and how much of each recording was synced."""

    box: Path
    synced: dict[str, int]


@dataclass
class Film:
    """A box with one camera, and the moments at which its power may fail."""

    folder: Path
    rnd: Random
    synced: dict[str, int] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    may_sync: threading.Event = field(default_factory=threading.Event)

    @property
    def settings(self) -> Settings:
        return settings_in(self.folder / "box")

    @contextmanager
    def watching(self) -> Iterator[None]:
        """How far each recording is synced."""
        fdatasync = os.fdatasync

        def watched(fd: int) -> None:
            size = os.fstat(fd).st_size
            fdatasync(fd)
            self.synced[Path(os.readlink(f"/proc/self/fd/{fd}")).name] = size

        sync = durability._sync

        def held(fds: list[int], cache: ChannelCache | None) -> None:
            self.may_sync.wait()
            sync(fds, cache)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fdatasync", watched)
            patch.setattr(durability, "_sync", held)
            patch.setattr(durability, "SYNC_S", 0.3)
            yield

    async def fall_behind(self) -> None:
        """From now on no growing file is synced, and a part is written that was not synced."""
        self.may_sync.clear()
        folder = self.settings.storage.recordings_dir / "cam1"
        known = sum(path.stat().st_size for path in folder.glob("*.mp4"))
        with trio.fail_after(LIMIT_S):
            while sum(path.stat().st_size for path in folder.glob("*.mp4")) == known:  # noqa: ASYNC110
                await trio.sleep(0.01)

    def take(self, tx: ReadTx) -> None:
        """Inside a transaction that writes nothing: no half-written page is copied."""
        target = self.folder / f"moment{len(self.moments)}"
        shutil.copytree(self.settings.storage.state_dir.parent, target)
        self.moments.append(Moment(target, dict(self.synced)))


@asynccontextmanager
async def box_on(settings: Settings, store: Store, clips_dir: Path, **cut: bool) -> AsyncIterator[None]:
    """Index, cutter and clip files as the daemon connects them."""

    async def announce(fact: Fact) -> None:
        await trio.lowlevel.checkpoint()

    index = running(
        "recordings",
        run_recordings,
        recordings_dir=settings.storage.recordings_dir,
        index_dir=settings.storage.state_dir / "index",
        channels={"cam1": 0},
        clock=WallClock(),
        name_timezone=UTC,
        announce=announce,
        after_cut=bool(cut),
    )
    async with index as recordings:
        files = running(
            "clip files",
            run_clip_files,
            store=store,
            footage=recordings,
            clips_dir=clips_dir,
            look_inside=bool(cut),
        )
        with trio.fail_after(LIMIT_S):
            # an empty file sends no signal
            while recordings.statistics()["segments_waiting"]:  # noqa: ASYNC110
                await trio.sleep(0.005)
        async with files, _cutter(store, recordings):
            yield


@asynccontextmanager
async def _cutter(store: Store, recordings: RecordingsHandle) -> AsyncIterator[None]:
    cutter = running(
        "cutter",
        run_cutter,
        store=store,
        footage=recordings,
        source_down=lambda channel_id: True,  # known: missing footage will not arrive
        rules=product_rules(),
        clock=WallClock(),
        plan_span=Planner(recordings, trio.CapacityLimiter(4)).plan_span,
    )
    async with cutter:
        yield


async def record_live(folder: Path, rnd: Random) -> Film:
    """Clips of the newest second, cut while the camera records; none can have its file."""
    film = Film(folder, rnd)
    settings = film.settings
    footage = make_footage(frames=60, fps=Fraction(30), gop=15, b_frames=0, sound=True)
    writer = RecordingWriter(settings.storage.recordings_dir / "cam1", footage, wall_us(), segment_s=1.5)
    no_folder = folder / "file"
    no_folder.write_bytes(b"")
    async with open_store(settings.storage.state_dir / "box.db", WallClock(), in_thread=False) as store:
        session_id = await store.write(_begin)
        with film.watching():
            async with trio.open_nursery() as nursery, box_on(settings, store, no_folder / "clips"):
                nursery.start_soon(lambda: writer.run_live(wall_us, until_us=wall_us() + 60_000_000))
                try:
                    for number in range(MOMENTS):
                        film.may_sync.set()
                        await trio.sleep(rnd.uniform(0.3, 0.9) if number else 1.2)
                        await film.fall_behind()
                        await _clip_now(store, session_id, film)
                        await store.read(film.take)
                finally:
                    film.may_sync.set()  # the box ends when its threads do
                nursery.cancel_scope.cancel()
    return film


def _begin(tx: Tx) -> str:
    add_channel(tx, "cam1")
    return add_session(tx)


async def _clip_now(store: Store, session_id: str, film: Film) -> None:
    """A clip of the newest second that is ready and uses bytes that are not synced.

    Another one if the camera was late, on a busy machine, or a finished file was synced completely.
    """
    has_such = False
    with trio.fail_after(LIMIT_S):
        while not has_such:
            await store.write(partial(_mark, session_id=session_id))
            await _settled(store)
            newest = (await store.read(_clips))[-1]
            ranges = json.decode(newest["ranges"].encode()) if newest["status"] == "ready" else []
            ends = [(name.partition("/")[2], offset + length) for name, offset, length in ranges]
            has_such = any(end > film.synced.get(name, 0) for name, end in ends)


def _mark(tx: Tx, session_id: str) -> None:
    body = ClipIn(session_id=session_id, channel_id="cam1", duration_seconds=0.7)
    marks.create_clip(tx, COACH, product_rules(), body)


def _unsettled(tx: ReadTx) -> object:
    return tx.value("SELECT 1 FROM clips WHERE status IN ('pending', 'processing')")


async def _settled(store: Store) -> None:
    """Every clip is cut or failed."""
    with trio.fail_after(LIMIT_S):
        while True:
            seen = store.journal.changed.count
            if not await store.read(_unsettled):
                return
            await store.journal.changed.wait_past(seen)


def lose(path: Path, synced: int, fate: str, rnd: Random, *, whole: bool = False) -> None:
    """The unsynced bytes as the disk has them after the cut: some of them, or `whole`."""
    data = bytearray(path.read_bytes())
    if fate == "gone" and synced == 0:
        path.unlink()
        return
    if fate in ("missing", "gone"):
        path.write_bytes(data[: synced if whole else rnd.randrange(synced, len(data) + 1)])
        return
    first = synced + -synced % SECTOR  # the rest of a synced sector was in a page that was written later
    for at in range(first, len(data), SECTOR):
        if whole or fate == "zero" or rnd.random() < 0.5:
            data[at : at + SECTOR] = bytes(len(data[at : at + SECTOR]))
    path.write_bytes(data)


async def cut_and_start(
    moment: Moment, rnd: Random, folder: Path, tally: Tally, *, strikes: bool = False
) -> None:
    """The power fails at `moment`; the machine and the box start on the remaining disk. `strikes`: no
    unsynced byte survives, so the newest clip has lost bytes."""
    fate = rnd.choice(FATES)
    shutil.copytree(moment.box, folder)
    settings = settings_in(folder)
    originals = {path.name: path.read_bytes() for path in settings.storage.recordings_dir.rglob("*.mp4")}
    for path in list(settings.storage.recordings_dir.rglob("*.mp4")):
        lose(path, moment.synced.get(path.name, 0), fate, rnd, whole=strikes)
    left = {path.name: path.read_bytes() for path in settings.storage.recordings_dir.rglob("*.mp4")}
    tally.rounds += 1
    path = settings.storage.state_dir / "box.db"
    async with open_store(path, WallClock(), in_thread=False) as store:
        before = await store.read(_clips)
        async with box_on(settings, store, settings.storage.clips, after_cut=True):
            await _settled(store)
        for row in await store.read(_clips):
            was = next(each for each in before if each["id"] == row["id"])
            tally.acknowledged += 1
            wrong = _fault(was, row, originals, left)
            tally.check(not wrong, f"{fate}: {wrong}")
        tally.struck += any(each["media_rev"] > 1 for each in await store.read(_clips))
    await check_fsck(settings, tally, fate)


def _clips(tx: ReadTx) -> list[dict[str, Any]]:
    return tx.all(
        "SELECT clips.*, plans.ranges FROM clips LEFT JOIN plans"
        " ON plans.clip_id = clips.id AND plans.media_rev = clips.ready_media_rev ORDER BY clips.id"
    )


def _fault(
    was: dict[str, Any], row: dict[str, Any], originals: dict[str, bytes], left: dict[str, bytes]
) -> str:
    """The problem of a clip after the start."""
    if was["status"] != "ready":
        return ""
    if _is_whole(was["ranges"], originals, left):
        is_same = (row["status"], row["media_rev"]) == ("ready", was["media_rev"])
        is_same |= row["status"] == "ready" and _says_less(row["coverage"], was["coverage"])  # late footage
        return "" if is_same else f"its bytes are there, and it is {row['status']} m{row['media_rev']}"
    if row["media_rev"] == was["media_rev"]:
        return f"its bytes are lost, and it is {row['status']} as if nothing were"
    if row["status"] == "failed":
        return "" if row["error_message"].startswith("No footage") else str(row["error_message"])
    if not _says_less(was["coverage"], row["coverage"]):
        return "it was cut again and says that nothing is missing"
    return "" if _is_whole(row["ranges"], originals, left) else "it was cut again from bytes that are lost"


def _says_less(was: str, now: str) -> bool:
    """Something is missing; a single frame at an edge moves the edge and is no gap."""
    before, after = json.decode(was.encode()), json.decode(now.encode())
    return bool(after["missing"]) or (before["start"], before["end"]) != (after["start"], after["end"])


def _is_whole(ranges: str, originals: dict[str, bytes], left: dict[str, bytes]) -> bool:
    for name, offset, length in json.decode(ranges.encode()):
        file = name.partition("/")[2]
        if left.get(file, b"")[offset : offset + length] != originals[file][offset : offset + length]:
            return False
    return True


async def unsynced_cuts(rounds: int, seed: int, folder: Path) -> Tally:
    """`rounds` cuts, forty of each film."""
    tally, rnd, game = Tally(), Random(seed), 0
    while tally.rounds < rounds:
        game += 1
        place = folder / f"game{game}"
        place.mkdir()
        film = await record_live(place, rnd)
        for number in range(min(40, rounds - tally.rounds)):
            moment, strikes = rnd.choice(film.moments), number % 2 == 0
            await cut_and_start(moment, rnd, place / str(number), tally, strikes=strikes)
        if tally.is_clean:
            shutil.rmtree(place)
    return tally
