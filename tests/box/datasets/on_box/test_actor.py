"""The actor: one run after the other, progress in the journal, cancel, and going on after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from appliance.box.datasets.model import ClipJob, ErrorCode, Unit
from appliance.box.datasets.on_box import store as rows_of_runs
from appliance.box.datasets.on_box.actor import run_datasets
from appliance.box.datasets.on_box.model import DatasetRunIn
from appliance.box.datasets.on_box.performing import Wiring
from appliance.box.datasets.storage.opened import BadRoot
from appliance.kernel.actor import running
from appliance.kernel.operation import Caller
from tests.box.datasets.batches import rows
from tests.box.datasets.hand_engine import HandEngine
from tests.box.datasets.on_box.conftest import Desk
from tests.kit.box import in_the_loop


@pytest.fixture(autouse=True)
def threads_in_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio.to_thread.run_sync", in_the_loop)


async def asked(desk: Desk, *game_ids: str) -> str:
    body = DatasetRunIn(game_ids=list(game_ids))
    answer = await desk.store.write(lambda tx: rows_of_runs.start_run(tx, Caller("operator"), body))
    desk.clock.advance(1)
    return str(answer.resource["id"])


@asynccontextmanager
async def actor(desk: Desk, wiring: Callable[[], Wiring]) -> AsyncIterator[None]:
    async with running("datasets", run_datasets, store=desk.store, clock=desk.clock, wiring=wiring):
        yield


async def ended(desk: Desk, run_id: str) -> dict[str, Any]:
    while True:
        run = await desk.store.read(lambda tx: rows_of_runs.get_run(tx, run_id))
        if run["status"] != "processing":
            return run
        await trio.sleep(1)


async def test_runs_are_performed_one_after_the_other(desk: Desk, autojump_clock: MockClock) -> None:
    def fails(unit: Unit, job: ClipJob) -> ErrorCode | None:
        return "black" if job.play_id == "g1-p0" else None

    desk.engine = HandEngine(fails)
    plays = [*rows("g1", 5), *rows("g2", 2)]
    first = await asked(desk, "g1")
    async with actor(desk, lambda: desk.wiring(plays, bucket="gs://training")):
        one = await ended(desk, first)
        two = await ended(desk, await asked(desk, "g2", "nope"))
    assert one["status"] == "completed" and (one["clips"], one["failed_clips"]) == (8, 2)
    assert one["total_plays"] == 5 and one["message"] == "8 clips, 2 failed"
    assert one["jsonl_files"] == {
        side: f"{(desk.folder / 'out').as_uri()}/games/g1/{side}_data.jsonl"
        for side in ("training", "validation")
    }
    game = one["games"][0]
    assert game["failures"][0]["code"] == "black" and game["training_plays"] + game["validation_plays"] == 4
    view = (await desk.client().get(f"/dataset-runs/{first}/games/g1")).json
    assert (len(view["clips"]), len(view["failures"]), view["status"]) == (8, 2, "completed")
    assert view["clips"][0]["thumbnail_url"] is None and view["failures"][0]["reason"] == "black of g1-p0"
    assert view["training_plays"] + view["validation_plays"] == 4
    assert (await desk.client().get(f"/dataset-runs/{first}/games/g2")).status == 404
    assert two["status"] == "failed" and two["game_id"] is None
    assert [(each["status"], each.get("error")) for each in two["games"]] == [
        ("completed", None),
        ("failed", "unknown_game"),
    ]
    events = desk.events()
    assert [event["type"] for event in events if event["run_id"] == first][-1] == "dataset_run_ended"
    assert {event["type"] for event in events} == {
        "dataset_run_created",
        "dataset_run_updated",
        "dataset_run_ended",
    }
    assert all("failures" not in each for event in events for each in event["dataset_run"]["games"])
    assert not list((desk.folder / "out").glob(".work/*"))


async def test_progress_is_journaled_at_most_once_a_second(desk: Desk, autojump_clock: MockClock) -> None:
    async def before(job: ClipJob) -> None:
        await trio.sleep(0.1)

    desk.engine = HandEngine(before=before, parallel=1)
    run_id = await asked(desk, "g1")
    async with actor(desk, lambda: desk.wiring(rows("g1", 20))):
        await ended(desk, run_id)
    updates = [event["dataset_run"] for event in desk.events() if event["type"] == "dataset_run_updated"]
    assert 4 <= len(updates) <= 7 and trio.current_time() < 8
    assert [each["clips"] for each in updates] == sorted(each["clips"] for each in updates)
    assert updates[0]["clips_wanted"] == 40 and updates[-1]["clips"] == 40


async def test_a_canceled_run_ends_and_keeps_its_clips(desk: Desk, autojump_clock: MockClock) -> None:
    async def before(job: ClipJob) -> None:
        if job.play_id == "g1-p3":
            await trio.sleep_forever()

    desk.engine = HandEngine(before=before)
    run_id = await asked(desk, "g1")
    async with actor(desk, lambda: desk.wiring(rows("g1", 4))):
        await trio.sleep(5)
        await desk.store.write(lambda tx: rows_of_runs.cancel_run(tx, run_id))
        run = await ended(desk, run_id)
        assert run["status"] == "canceled"
        assert [game["error"] for game in run["games"]] == ["canceled"]
        desk.engine.before = None
        again = await ended(desk, await asked(desk, "g1"))
    assert again["status"] == "completed" and desk.engine.cut_clips.count("g1/g1_g1-p0_FAR_LEFT.mp4") == 1


async def test_a_run_that_a_restart_interrupts_goes_on(desk: Desk, autojump_clock: MockClock) -> None:
    async def before(job: ClipJob) -> None:
        if len(desk.engine.cut_clips) == 5:
            await trio.sleep_forever()

    desk.engine = HandEngine(before=before)
    run_id = await asked(desk, "g1")
    async with actor(desk, lambda: desk.wiring(rows("g1", 5))):
        await trio.sleep(5)
    assert (await desk.store.read(lambda tx: rows_of_runs.get_run(tx, run_id)))["status"] == "processing"
    desk.engine.before = None
    async with actor(desk, lambda: desk.wiring(rows("g1", 5))):
        run = await ended(desk, run_id)
    assert run["status"] == "completed" and run["clips"] == 10
    assert len(desk.engine.cut_clips) == len(set(desk.engine.cut_clips)) == 10


async def test_a_run_that_cannot_begin_says_why_and_the_next_one_runs(
    desk: Desk, autojump_clock: MockClock
) -> None:  # T28
    wirings = [None, desk.wiring(rows("g1", 1))]

    def wiring() -> Wiring:
        made = wirings.pop(0)
        if made is None:
            raise BadRoot("s3://bucket needs AWS_ACCESS_KEY_ID in the environment")
        return made

    first, second = await asked(desk, "g1"), await asked(desk, "g1")
    async with actor(desk, wiring):
        failed, done = await ended(desk, first), await ended(desk, second)
    assert failed["status"] == "failed" and "AWS_ACCESS_KEY_ID" in str(failed["problem"])
    assert failed["message"] == failed["problem"] and done["status"] == "completed"
