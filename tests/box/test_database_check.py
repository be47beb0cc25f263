"""The owner of a state folder, and the text of a rescue in /readyz."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from appliance.box.database_check import (
    claim_site,
    database_part,
    make_sound,
    read_report,
    snapshots_of,
)
from appliance.box.settings import Settings, SettingsError, check_settings
from appliance.kernel.rescue import RescueReport
from appliance.kernel.store import Store
from appliance.kernel.witness import Witness, write_witness
from appliance.ops.snapshots import take_snapshot
from tests.kit.box import add_session, sim_store
from tests.kit.clock import HandClock

NOW_US = 1_795_203_000_000_000


def box(folder: Path, site: str = "stadium", **storage: str) -> Settings:
    return check_settings({"site": {"id": site}, "storage": {"state_dir": str(folder), **storage}})


async def test_a_state_folder_belongs_to_one_site(tmp_path: Path) -> None:
    async with sim_store(tmp_path, HandClock()) as store:
        await claim_site(store, box(tmp_path))
        await claim_site(store, box(tmp_path))
        await used(store)
        with pytest.raises(SettingsError, match=r"site\.id: is 'other'.*site 'stadium'"):
            await claim_site(store, box(tmp_path, "other"))


async def used(store: Store) -> None:
    """A session was made."""
    await store.write(lambda tx: add_session(tx, "s"))


async def test_a_box_that_was_not_used_yet_takes_another_id(tmp_path: Path) -> None:
    """It is started once before people choose its id: README and OPERATING.md say so."""
    async with sim_store(tmp_path, HandClock()) as store:
        await claim_site(store, box(tmp_path))
    write_witness(tmp_path, Witness("stadium", "e", 1))
    named = box(tmp_path, "north")
    make_sound(named, NOW_US)
    async with sim_store(tmp_path, HandClock()) as store:
        await claim_site(store, named)
        await used(store)
        with pytest.raises(SettingsError, match=r"site 'north'"):
            await claim_site(store, box(tmp_path))
    with pytest.raises(SettingsError, match=r"site 'stadium'"):
        make_sound(named, NOW_US)


def test_the_witness_shows_the_site_even_without_a_database(tmp_path: Path) -> None:
    write_witness(tmp_path, Witness("stadium", "e", 1))
    with pytest.raises(SettingsError, match="site 'stadium'"):
        make_sound(box(tmp_path, "other"), NOW_US)
    assert not (tmp_path / "box.db").exists()


async def copied(folder: Path, copies: Path, site: str) -> None:
    """A box of that site has run on `folder` and made a copy; then its database and witness were lost."""
    settings = box(folder, site, backup_dir=str(copies))
    async with sim_store(folder, HandClock()) as store:
        await claim_site(store, settings)
        await store.write(lambda tx: tx.run("INSERT INTO meta VALUES ('of', ?)", (site,)))
        await take_snapshot(store, copies / f"box-{site}.db", site)
    (folder / "index" / "cam1").mkdir(parents=True)
    (folder / "index" / "cam1" / "log").touch()
    (folder / "box.db").unlink()


def made_from(folder: Path) -> str | None:
    """The site of the copy the database was made from."""
    db = apsw.Connection(str(folder / "box.db"))
    try:
        return db.execute("SELECT value FROM meta WHERE key = 'of'").get  # type: ignore[no-any-return]
    finally:
        db.close()


@pytest.mark.parametrize("left", ["nothing", "an empty file"])
async def test_a_database_that_went_with_its_witness_is_missed(tmp_path: Path, left: str) -> None:
    state, copies = tmp_path / "state", tmp_path / "copies"
    state.mkdir()
    await copied(state, copies, "stadium")
    if left == "an empty file":
        (state / "box.db").touch()
    make_sound(box(state, backup_dir=str(copies)), NOW_US)
    assert made_from(state) == "stadium"
    async with sim_store(state, HandClock()) as store:
        report = await store.read(read_report)
    assert database_part(report, state).status == "bad"


async def test_the_copy_of_another_site_is_never_taken(tmp_path: Path) -> None:
    ours, theirs, copies = tmp_path / "ours", tmp_path / "theirs", tmp_path / "copies"
    for folder, site in ((ours, "stadium"), (theirs, "yonder")):
        folder.mkdir()
        await copied(folder, copies, site)  # box-yonder.db is the newest by name
    make_sound(box(ours, backup_dir=str(copies)), NOW_US)
    assert made_from(ours) == "stadium"


async def test_copies_in_the_state_folder_show_its_site(tmp_path: Path) -> None:
    await copied(tmp_path, tmp_path / "snapshots", "stadium")
    with pytest.raises(SettingsError, match="site 'stadium'"):
        make_sound(box(tmp_path, "other"), NOW_US)
    assert not (tmp_path / "box.db").exists()


def test_a_first_start_makes_nothing_by_itself(tmp_path: Path) -> None:
    make_sound(box(tmp_path), NOW_US)
    assert list(tmp_path.iterdir()) == []


def test_copies_go_where_the_settings_say(tmp_path: Path) -> None:
    assert snapshots_of(box(tmp_path)) == tmp_path / "snapshots"
    assert snapshots_of(box(tmp_path, backup_dir="/mnt/x")) == Path("/mnt/x")


def test_a_rescue_is_red_until_the_old_file_is_put_away(tmp_path: Path) -> None:
    assert database_part(None, tmp_path).status == "ok"
    report = RescueReport("the database is damaged", NOW_US, "box.db.damaged-1", "box-1.db", 12)
    (tmp_path / report.aside).touch()
    part = database_part(report, tmp_path)
    assert part.status == "bad" and "box-1.db and 12 rows" in part.detail
    assert part.hint is not None and report.aside in part.hint
    (tmp_path / report.aside).unlink()
    assert database_part(report, tmp_path).status == "ok"
