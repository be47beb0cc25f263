"""Power cuts under a busy store: every answer and every published event before the cut still exists.

The store is the product's, on a VFS that records all writes; the disk is rebuilt as it would be after a cut
at a random operation, and the product opens it.
"""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import apsw
import trio

from appliance.box.clips.cutting.cutter import run_cutter
from appliance.box.settings import Settings
from appliance.kernel.actor import running
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import ReadTx
from appliance.ops.fsck import check_box
from tests.faults.tally import Tally
from tests.faults.tape import Survive, Tape, TapeVfs
from tests.faults.work import Work, missing
from tests.kit.clock import KICKOFF_US, HandClock
from tests.kit.hand_footage import HandFootage, HandPlanner
from tests.ops.box import settings_in

CUTS_PER_TAPE = 10
HOUR_US = 3_600_000_000
_PEOPLE = 8
_SURVIVALS: tuple[Survive, ...] = ("dropped", "kept", "torn", "torn")


@dataclass(frozen=True)
class Recording:
    """A record of one busy store. A negative note is -1 - seq of an event that readers have seen."""

    tape: Tape
    work: Work
    events: Mapping[int, bytes]


async def record(folder: Path, rnd: Random, *, steps: int = 60, in_thread: bool = False) -> Recording:
    """Clients and the cutter at work on a store in `folder`, to its clean end."""
    tape = Tape()
    vfs = TapeVfs(tape)
    clock = HandClock()
    events: dict[int, bytes] = {}
    keep = _small_wal(rnd.choice((8, 40, 1000)), vfs.name)
    apsw.connection_hooks.append(keep)
    try:
        async with open_store(folder / "box.db", clock, in_thread=in_thread, vfs=vfs.name) as store:
            work = Work(store, rnd, tape.note)
            await work.open()
            await _play_a_game(store, work, clock, steps, partial(_publish, store, tape, events))
    finally:
        apsw.connection_hooks.remove(keep)
    return Recording(tape, work, events)


async def _play_a_game(
    store: Store, work: Work, clock: HandClock, steps: int, publish: Callable[[], Awaitable[None]]
) -> None:
    footage = HandFootage(until_us=KICKOFF_US + HOUR_US)
    cutter = running(
        "cutter",
        run_cutter,
        store=store,
        footage=footage,
        source_down=lambda channel_id: False,
        rules=work.rules,
        clock=clock,
        plan_span=HandPlanner(footage),
    )
    async with cutter, trio.open_nursery() as nursery:
        nursery.start_soon(publish)
        async with trio.open_nursery() as people:
            for _ in range(_PEOPLE):
                people.start_soon(_press, work, clock, steps // _PEOPLE)
        nursery.cancel_scope.cancel()


def _small_wal(pages: int, vfs: str) -> Callable[[apsw.Connection], None]:
    """Checkpoints also in the middle of the game."""

    def hook(db: apsw.Connection) -> None:
        if db.open_vfs == vfs:
            db.wal_autocheckpoint(pages)

    return hook


async def _press(work: Work, clock: HandClock, times: int) -> None:
    for _ in range(times):
        clock.advance(0.5)
        await work.step()


async def _publish(store: Store, tape: Tape, events: dict[int, bytes]) -> None:
    """A reader of the journal: what it has read is public."""
    while True:
        seen = store.journal.changed.count
        for entry in store.journal.recent(max(events, default=0)) or []:
            events[entry.seq] = entry.event
            tape.note(-1 - entry.seq)
        await store.journal.changed.wait_past(seen)


async def cut_and_open(recording: Recording, cut: int, rnd: Random, folder: Path, tally: Tally) -> None:
    """The power fails at operation `cut`; the box starts on the remaining disk."""
    survive = rnd.choice(_SURVIVALS)
    where = f"cut {cut} of {len(recording.tape.ops)}, unsynced {survive}"
    settings = settings_in(folder)
    state = settings.storage.state_dir
    state.mkdir(parents=True)
    for name, data in recording.tape.disk_at(cut, survive, rnd).items():
        (state / name).write_bytes(data)
    notes = recording.tape.notes_before(cut)
    reports = [recording.work.acknowledged[number] for number in notes if number >= 0]
    shown = [-1 - number for number in notes if number < 0]
    tally.rounds += 1
    tally.acknowledged += len(reports)
    try:
        async with open_store(state / "box.db", HandClock(), in_thread=False) as store:
            tally.lose(await store.read(lambda tx: missing(tx, reports)))
            for wrong in await store.read(journal_faults):
                tally.wrong(f"{where}: {wrong}")
            entries = {entry.seq: entry.event for entry in await store.journal.read(0, 100_000)}
            changed = [seq for seq in shown if entries.get(seq) != recording.events[seq]]
            tally.check(not changed, f"{where}: events {changed[:5]} were published and are others now")
            head = store.journal.head
            await Work(store, rnd).open(0)  # the box continues where it was
            tally.check(store.journal.head == head + 2, f"{where}: numbers went on at {store.journal.head}")
    except apsw.Error as error:
        tally.wrong(f"{where}: {type(error).__name__}: {error}")
        return
    await check_fsck(settings, tally, where)


def journal_faults(tx: ReadTx) -> list[str]:
    """Gaps, or a number that differs from the count of entries."""
    row = tx.one(
        "SELECT count(*) AS n, coalesce(min(seq), 1) AS first, coalesce(max(seq), 0) AS last FROM journal"
    )
    assert row is not None
    faults = []
    if row["first"] != 1 or row["n"] != row["last"]:
        faults.append(f"journal has {row['n']} entries from {row['first']} to {row['last']}")
    if tx.head() != row["last"]:
        faults.append(f"the next number is counted from {tx.head()}, the newest entry is {row['last']}")
    return faults


async def check_fsck(settings: Settings, tally: Tally, where: str) -> None:
    for finding in await check_box(settings, repair=False):
        tally.wrong(f"{where}: fsck: {finding}")


async def power_cuts(rounds: int, seed: int, folder: Path) -> Tally:
    """`rounds` cuts, ten for each game."""
    tally, rnd, game = Tally(), Random(seed), 0
    while tally.rounds < rounds:
        game += 1
        place = folder / f"game{game}"
        recording = await record(place, rnd, in_thread=game % 2 == 0)
        started = next(n for n, op in enumerate(recording.tape.ops) if op.kind == "note")
        for number in range(min(CUTS_PER_TAPE, rounds - tally.rounds)):
            cut = rnd.randrange(started, len(recording.tape.ops))
            _footage_for(place / str(number))
            await cut_and_open(recording, cut, rnd, place / str(number), tally)
        shutil.rmtree(place)
    return tally


def _footage_for(folder: Path) -> None:
    """The one recording every constructed plan refers to."""
    path = settings_in(folder).storage.recordings_dir / "cam1" / "a.mp4"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(200))
