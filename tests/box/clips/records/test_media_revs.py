"""A media_rev always names the same bytes, also after a restore from a copy older than some cuts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import trio

from appliance.box.clips.cutting.late_clips import find_late
from appliance.box.clips.cutting.late_footage import mend
from appliance.box.clips.model import ClipIn, ClipPatch
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records import marks
from appliance.kernel.rescue import install, rescue
from appliance.kernel.sqlite.connection import backup_file
from appliance.kernel.sqlite.engine import on_disk
from appliance.kernel.tx import Tx
from appliance.media.cut.plan import Plan
from tests.kit.box import COACH, add_channel, add_session, mark_rules, sim_store
from tests.kit.clock import KICKOFF_US
from tests.kit.hand_footage import plan_of, with_header

S = 1_000_000
SENT = "01930000-0000-7000-8000-000000000001"  # an id made by a tablet: a lost mark is sent again
_bytes = itertools.count()


def new_bytes(start_us: int, end_us: int) -> Plan:
    return with_header(plan_of(start_us, end_us, end_us - S), b"cut %d" % next(_bytes))


class Life:
    """A database and the bytes tablets have fetched from it, by (clip, media_rev)."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.given = folder, dict[tuple[str, int], bytes]()

    def run(self, *changes: Callable[[Tx], None]) -> None:
        async def start() -> None:
            async with sim_store(self.folder) as store:
                self.path = on_disk(store).path
                for change in (cuts.recover, *changes):
                    await store.write(change)
                    await store.write(self._fetch)

        trio.run(start)

    def _fetch(self, tx: Tx) -> None:
        for row in tx.all("SELECT clip_id, media_rev, header FROM plans"):
            cut = row["clip_id"], row["media_rev"]
            assert self.given.setdefault(cut, row["header"]) == row["header"], f"m{cut[1]} names two cuts"


def begin(tx: Tx) -> None:
    add_channel(tx, "cam1")
    add_session(tx)
    mark(tx)
    cut_all(tx)
    mark(tx)  # not cut yet when the copy is made


def mark(tx: Tx, clip_id: str | None = None) -> None:
    session_id = tx.value("SELECT id FROM sessions")
    body = {"session_id": session_id, "channel_id": "cam1", "duration_seconds": 10.0, "id": clip_id}
    marks.create_clip(tx, COACH, mark_rules(), ClipIn.model_validate(body))


def cut_all(tx: Tx) -> None:
    for job in cuts.waiting_jobs(tx):
        claimed = cuts.claim(tx, job)
        assert claimed is not None and cuts.finish(tx, claimed, new_bytes(job.start_us, job.end_us))


def trim(tx: Tx, length_s: float) -> None:
    for row in tx.all("SELECT id FROM clips"):
        change = ClipPatch(duration_seconds=length_s)
        marks.change_clip(tx, COACH, mark_rules(), row["id"], change)
    cut_all(tx)


def lose(tx: Tx) -> None:
    for row in tx.all("SELECT id, ready_media_rev FROM clips"):
        cuts.lost(tx, row["id"], row["ready_media_rev"])
    cut_all(tx)


def find_more(tx: Tx) -> None:
    for late in find_late(tx):
        assert mend(tx, late, new_bytes(late.start_us, late.end_us))


# everything that causes another cut, and a mark that is not in the copy
LATER: Sequence[Callable[[Tx], None]] = (
    partial(mark, clip_id=SENT),
    cut_all,
    partial(trim, length_s=8.0),
    partial(trim, length_s=6.0),
    lose,
    find_more,
)


def test_no_restore_gives_a_media_rev_other_bytes(tmp_path: Path) -> None:
    life, copy = Life(tmp_path), tmp_path / "copy.db"
    life.run(begin)
    backup_file(life.path, copy)
    life.run(*LATER)
    for number in range(3):  # the same copy again, also with a clock that was set back
        install(life.path, copy, KICKOFF_US + (100 - number) * S)
        life.run(*LATER)
    assert len(life.given) > 50


def test_a_rescue_from_a_snapshot_neither(tmp_path: Path) -> None:
    life, copy = Life(tmp_path), tmp_path / "copy.db"
    life.run(begin)
    backup_file(life.path, copy)
    life.run(*LATER)
    life.path.write_bytes(b"damaged")
    rescue(life.path, [copy], "test", KICKOFF_US + 100 * S)
    life.run(*LATER)


def test_a_database_that_was_never_restored_counts_from_one(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.run(begin)
    life.run(*LATER)
    assert {media_rev for _, media_rev in life.given} == {1, 2, 3, 4, 5}
