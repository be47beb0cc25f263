"""A database that temporarily refuses writes: actors wait, callers get 507 or 503, no task ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
import trio

from appliance.box.channels.configured import channels_of_the_file
from appliance.box.channels.health import settings_part
from appliance.box.clips.cutting.cutter import run_cutter
from appliance.box.clips.records.cut_states import claim, waiting_jobs
from appliance.box.settings import check_settings
from appliance.kernel.actor import running
from appliance.kernel.clock import BoxClock
from appliance.kernel.retry import Backoff
from appliance.kernel.sqlite.engine import on_disk
from appliance.kernel.store import Store, StoreFull
from appliance.kernel.tx import Tx
from appliance.ops.clockwatch import adopt_clock
from tests.faults.work import Work
from tests.kit.box import add_channel, sim_store
from tests.kit.clock import KICKOFF_US, HandClock
from tests.kit.hand_footage import HandFootage, HandPlanner
from tests.kit.waiting import LIMIT_S


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "next_s", lambda self: 0.001)


@contextmanager
def full(store: Store) -> Iterator[None]:
    """No additional page for the database, until the end of the block."""
    db = on_disk(store).db
    assert db is not None
    pages = int(db.pragma("page_count"))
    db.pragma("max_page_count", pages)
    try:
        yield
    finally:
        db.pragma("max_page_count", 1_000_000)


async def fill(store: Store) -> None:
    """Use up the half-empty pages."""
    with pytest.raises(StoreFull):
        for number in range(1000):
            await store.write(lambda tx, n=number: tx.append("filler", f"x:{n}", {"x": "y" * 500}))  # type: ignore[misc]


async def test_an_actors_write_waits_until_there_is_space(tmp_path: Path) -> None:
    async with sim_store(tmp_path, HandClock()) as store:
        done = trio.Event()

        async def actor() -> None:
            await store.write_retrying(lambda tx: tx.append("clip_created", "clip:a", {"x": "y" * 20_000}))
            done.set()

        async with trio.open_nursery() as nursery:
            with full(store):
                await fill(store)
                nursery.start_soon(actor)
                for _ in range(50):
                    await trio.lowlevel.checkpoint()
                assert not done.is_set()
            with trio.fail_after(LIMIT_S):
                await done.wait()


async def test_the_cutter_lives_through_a_full_disk_and_cuts_afterwards(tmp_path: Path) -> None:
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store:
        work = Work(store, Random(1))
        await work.open()
        footage = HandFootage(until_us=KICKOFF_US)
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
        async with cutter:
            await work.clip()
            with full(store):
                await fill(store)
                clock.advance(60)
                footage.grow(KICKOFF_US + 60_000_000)
                for _ in range(100):
                    await trio.lowlevel.checkpoint()
            with trio.fail_after(LIMIT_S):
                while store.journal.recent(0, 10_000)[-1].type != "clip_ready":  # type: ignore[index]
                    await store.journal.changed.wait_past(store.journal.changed.count)


async def test_the_box_starts_on_a_full_disk_and_recovers_its_jobs_later(tmp_path: Path) -> None:
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store:
        work = Work(store, Random(1))
        await work.open()
        await work.clip()

        def claimed(tx: Tx) -> None:
            assert claim(tx, waiting_jobs(tx)[0]) is not None

        await store.write(claimed)
        footage = HandFootage()
        async with trio.open_nursery() as nursery:
            with full(store):
                await fill(store)
                await adopt_clock(store, BoxClock.start(None, None))
                await nursery.start(
                    lambda task_status: run_cutter(
                        store=store,
                        footage=footage,
                        source_down=lambda channel_id: False,
                        rules=work.rules,
                        clock=clock,
                        plan_span=HandPlanner(footage),
                        task_status=task_status,
                    )
                )
                assert await store.read(lambda tx: tx.value("SELECT status FROM clips")) == "processing"
            with trio.fail_after(LIMIT_S):
                while await store.read(lambda tx: tx.value("SELECT status FROM clips")) != "pending":
                    await store.journal.changed.wait_past(store.journal.changed.count)
            nursery.cancel_scope.cancel()


async def test_channels_of_the_file_are_applied_when_there_is_room(tmp_path: Path) -> None:
    async with sim_store(tmp_path, HandClock()) as store:
        await store.write(lambda tx: add_channel(tx, "cam1"))
        with full(store):
            await fill(store)
            settings = check_settings({"channels": [{"id": "cam1", "name": "End zone"}, {"id": "cam2"}]})
            async with channels_of_the_file(store, settings.channels) as channels:
                assert settings_part(channels.applied).status == "bad"
                names = await store.read(
                    lambda tx: [row["name"] for row in tx.all("SELECT name FROM channels")]
                )
                assert names == ["cam1"]
                db = on_disk(store).db
                assert db is not None
                db.pragma("max_page_count", 1_000_000)
                with trio.fail_after(LIMIT_S):
                    while channels.applied is None:  # set one loop turn after the commit's signal
                        await trio.lowlevel.checkpoint()
                assert (channels.applied.created, channels.applied.updated) == (["cam2"], ["cam1"])
                assert settings_part(channels.applied).status == "ok"
