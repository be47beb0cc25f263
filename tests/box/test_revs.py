"""A rev always names the same content of a row, also after a restore from a copy older than some changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.box.channels.model import ChannelIn, ChannelPatch
from appliance.box.channels.store import change_channel, create_channel
from appliance.box.clips.model import ClipPatch, CueIn, PlayIn
from appliance.box.clips.records import marks, plays
from appliance.box.sessions.model import SessionPatch
from appliance.box.sessions.store import change_session
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Caller
from appliance.kernel.rescue import install, rescue
from appliance.kernel.sqlite.connection import backup_file
from appliance.kernel.sqlite.engine import on_disk
from appliance.kernel.tx import Row, Tx
from appliance.kernel.witness import Witness, write_witness
from tests.kit.box import COACH, add_channel, add_session, mark_rules, sim_store
from tests.kit.clock import KICKOFF_US

S = 1_000_000
NEWER = "01930000-0000-7000-8000-00000000000"  # ids that a tablet made, after the copy
TABLES = ("channels", "sessions", "plays", "clips")


class Life:
    """A database, and the rows that tablets have loaded from it, by table, id and rev."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.loaded = folder, dict[tuple[str, str, int], Row]()

    def run(self, *changes: Callable[[Tx], Any]) -> None:
        async def start() -> None:
            async with sim_store(self.folder) as store:
                self.path = on_disk(store).path
                for change in changes:
                    await store.write(change)
                    await store.write(self._load)
                floor = on_disk(store).floor
                witness = Witness("stadium", store.journal.epoch, store.journal.head, floor=floor)
                write_witness(self.folder, witness)  # as a running box does every few seconds

        trio.run(start)

    def _load(self, tx: Tx) -> None:
        for table in TABLES:
            for row in tx.all(f"SELECT * FROM {table}"):
                key = table, row["id"], row.pop("rev")
                assert self.loaded.setdefault(key, row) == row, f"{key} names two contents"

    def newest(self) -> dict[tuple[str, str], int]:
        """The greatest rev loaded of each row."""
        revs: dict[tuple[str, str], int] = {}
        for table, row_id, rev in self.loaded:
            revs[table, row_id] = max(rev, revs.get((table, row_id), 0))
        return revs


def begin(tx: Tx) -> None:
    add_channel(tx, "cam1")
    add_session(tx)
    press(tx, f"{NEWER}1")


def press(tx: Tx, play_id: str) -> None:
    body = {"session_id": tx.value("SELECT id FROM sessions"), "duration_seconds": 10.0, "id": play_id}
    plays.create_play(tx, COACH, mark_rules(), PlayIn.model_validate(body))


def press_again(tx: Tx) -> None:
    """What the copy lacks: tablets send it once more."""
    press(tx, f"{NEWER}2")
    create_channel(tx, COACH, ChannelIn.model_validate({"id": "cam2", "name": "End zone"}))


def change_all(tx: Tx) -> None:
    """Contents that no earlier change made."""
    name = f"changed at {tx.now_us}"
    for row in tx.all("SELECT id FROM sessions"):
        change_session(tx, COACH, row["id"], SessionPatch(name=name))
    for row in tx.all("SELECT id FROM channels"):
        change_channel(tx, COACH, row["id"], ChannelPatch(name=name))
    for row in tx.all("SELECT id FROM plays"):
        plays.cue_play(tx, COACH, row["id"], CueIn())
    for row in tx.all("SELECT id FROM clips"):
        marks.change_clip(tx, COACH, mark_rules(), row["id"], ClipPatch(title=name))


LATER: Sequence[Callable[[Tx], Any]] = (press_again, change_all, change_all, change_all)


def by_rescue(life: Life, copy: Path, at_us: int) -> None:
    life.path.write_bytes(b"damaged")
    rescue(life.path, [copy], "test", at_us)


def by_hand(life: Life, copy: Path, at_us: int) -> None:
    install(life.path, copy, at_us)


@pytest.mark.parametrize("bring_back", [by_rescue, by_hand])
def test_no_restore_gives_a_rev_another_content(
    tmp_path: Path, bring_back: Callable[[Life, Path, int], None]
) -> None:
    life, copy = Life(tmp_path), tmp_path / "copy.db"
    life.run(begin)
    backup_file(life.path, copy)
    life.run(*LATER)
    for number in range(3):  # the same copy again, also with a clock that was set back
        bring_back(life, copy, KICKOFF_US + (100 - number) * S)
        life.run(*LATER)
    assert {table for table, *_ in life.loaded} == set(TABLES)


def test_a_client_takes_a_restored_row_for_a_newer_one(tmp_path: Path) -> None:
    """Clients ignore a row whose rev is not above the one they have."""
    life, copy = Life(tmp_path), tmp_path / "copy.db"
    life.run(begin)
    backup_file(life.path, copy)
    life.run(*LATER)
    before = life.newest()
    install(life.path, copy, KICKOFF_US)
    restored = Life(tmp_path)
    restored.run(press_again)
    assert all(rev > before.get(row, 0) for row, rev in restored.newest().items())


def test_an_etag_of_the_lost_time_changes_nothing(tmp_path: Path) -> None:
    life, copy = Life(tmp_path), tmp_path / "copy.db"
    life.run(begin)
    backup_file(life.path, copy)
    life.run(*LATER)
    lost = {key[2] for key in life.loaded if key[0] == "sessions"}
    install(life.path, copy, KICKOFF_US)

    def overwrite(tx: Tx) -> None:
        session_id = tx.value("SELECT id FROM sessions")
        for rev in lost:
            with pytest.raises(Refused, match="its ETag is now"):
                change_session(tx, Caller(if_match=rev), session_id, SessionPatch(name="of the lost time"))

    life.run(overwrite, *[change_all, overwrite] * len(lost))


def test_a_database_that_was_never_restored_counts_from_one(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.run(begin, *LATER)
    assert {rev for *_, rev in life.loaded} == {1, 2, 3, 4}
