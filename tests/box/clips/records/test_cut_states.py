"""The effect of a job's result on its clip, and when a result is ignored."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records.cut_states import Job
from appliance.kernel.tx import Tx
from tests.box.clips.conftest import Bench
from tests.kit.clock import KICKOFF_US
from tests.kit.hand_footage import plan_of

S_US = 1_000_000


async def begun(bench: Bench) -> tuple[str, Job]:
    """A clip whose first attempt has started."""
    clip = await bench.clip(start_time="2026-11-20T18:59:50Z", duration_seconds=5.0)
    job = await bench.store.write(lambda tx: cuts.claim(tx, cuts.waiting_jobs(tx)[0]))
    assert job is not None and job.attempt == 1
    return clip["id"], job


@pytest.mark.parametrize("result", ["finish", "finish with a file", "fail", "put back", "progress"])
async def test_the_result_of_an_attempt_that_was_begun_again_does_not_count(
    bench: Bench, result: str
) -> None:
    """The box was stopped in between: only the second attempt counts."""
    clip_id, first = await begun(bench)
    await bench.store.write(cuts.recover)
    second = await bench.store.write(lambda tx: cuts.claim(tx, cuts.waiting_jobs(tx)[0]))
    assert second is not None and second.attempt == 2
    before, head = await bench.row("clips", clip_id), bench.store.journal.head
    plan = plan_of(KICKOFF_US - 10 * S_US, KICKOFF_US - 5 * S_US, KICKOFF_US)
    results: dict[str, Callable[[Tx], bool | None]] = {
        "finish": partial(cuts.finish, job=first, plan=plan),
        "finish with a file": partial(cuts.finish, job=first, plan=plan, file_path="late.mp4"),
        "fail": partial(cuts.fail, job=first, message="late"),
        "put back": partial(cuts.put_back, job=first),
        "progress": partial(cuts.journal_progress, job=first, share=0.5),
    }
    assert not await bench.store.write(results[result])
    assert await bench.row("clips", clip_id) == before and bench.store.journal.head == head
    assert await bench.store.read(lambda tx: tx.value("SELECT count(*) FROM plans")) == 0
    garbage = await bench.store.read(lambda tx: tx.all("SELECT * FROM garbage"))
    assert len(garbage) == (result == "finish with a file"), "what it wrote is deleted"
    assert await bench.store.write(partial(cuts.finish, job=second, plan=plan))
    assert (await bench.row("clips", clip_id))["status"] == "ready"


async def test_a_wanted_attempt_is_the_newest_alone(bench: Bench) -> None:
    _, first = await begun(bench)
    assert await bench.store.read(lambda tx: cuts.is_wanted(tx, first))
    await bench.store.write(cuts.recover)
    assert not await bench.store.read(lambda tx: cuts.is_wanted(tx, first)), "nobody works on it"
    second = await bench.store.write(lambda tx: cuts.claim(tx, cuts.waiting_jobs(tx)[0]))
    assert second is not None
    wanted = await bench.store.read(lambda tx: (cuts.is_wanted(tx, first), cuts.is_wanted(tx, second)))
    assert wanted == (False, True)


async def test_a_result_that_is_stored_already_keeps_its_file(bench: Bench) -> None:
    """Its COMMIT was not answered, so it is stored once more."""
    clip_id, job = await begun(bench)
    plan = plan_of(KICKOFF_US - 10 * S_US, KICKOFF_US - 5 * S_US, KICKOFF_US)
    finish = partial(cuts.finish, job=job, plan=plan, file_path="whole.mp4")
    await bench.store.write(finish)
    await bench.store.write(finish)
    row = await bench.row("clips", clip_id)
    assert (row["status"], row["file_path"]) == ("ready", "whole.mp4")
    assert await bench.store.read(lambda tx: tx.all("SELECT * FROM garbage")) == []


async def test_a_claim_that_was_not_answered_is_taken_up(bench: Bench) -> None:
    await bench.clip(start_time="2026-11-20T18:59:50Z", duration_seconds=5.0)
    waiting = (await bench.store.read(cuts.waiting_jobs))[0]
    claimed = await bench.store.write(partial(cuts.claim, job=waiting))
    assert claimed is not None
    for _ in range(2):
        assert await bench.store.write(partial(cuts.claim_again, job=waiting)) == claimed
    await bench.store.write(partial(cuts.put_back, job=claimed))
    assert await bench.store.write(partial(cuts.claim_again, job=waiting)) == claimed, "it was not made"
    await bench.store.write(cuts.recover)
    await bench.store.write(lambda tx: cuts.claim(tx, cuts.waiting_jobs(tx)[0]))
    assert await bench.store.write(partial(cuts.claim_again, job=waiting)) is None, "another attempt"


async def test_recovery_leaves_what_was_claimed_since(bench: Bench) -> None:
    clip_id, _ = await begun(bench)
    recover = partial(cuts.recover, jobs=await bench.store.read(cuts.running_jobs))
    await bench.store.write(recover)
    assert (await bench.row("clips", clip_id))["status"] == "pending"
    second = await bench.store.write(lambda tx: cuts.claim(tx, cuts.waiting_jobs(tx)[0]))
    await bench.store.write(recover)
    assert second is not None and await bench.store.read(partial(cuts.is_wanted, job=second))
