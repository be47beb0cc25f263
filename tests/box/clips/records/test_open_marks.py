"""Forgotten marks: how many may be open, and the cost of those the box closes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio

from appliance.box.clips.housekeeping.actor import ClipFiles
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records import marks, plays
from appliance.box.clips.records.plays import close_session_ghosts
from appliance.box.clips.records.stored_plans import note_looked, plans_to_write, unwritten_plans
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Caller
from appliance.kernel.tx import Tx
from tests.box.clips.conftest import Bench
from tests.box.clips.housekeeping.test_actor import DiskFootage
from tests.kit.box import mark_rules
from tests.kit.clock import KICKOFF_US
from tests.kit.hand_footage import plan_of, with_header

S = 1_000_000


@pytest.fixture
def small(bench: Bench) -> Bench:
    bench.rules = mark_rules(max_open=6, max_duration_s=600)
    return bench


def device(bench: Bench, name: str) -> Bench:
    return Bench(bench.store, bench.session_id, bench.rules, bench.clock, Caller(name))


async def test_the_refusal_of_too_many_open_marks_has_the_limit_and_a_hint(small: Bench) -> None:
    made = [await small.clip() for _ in range(4)] + [await small.play() for _ in range(2)]
    for mark in (small.clip, small.play):
        with pytest.raises(Refused) as refused:
            await mark()
        error = refused.value
        assert (error.status, error.code, error.extra["limit"]) == (409, "too_many_open", 6)
        assert error.detail == "coach-ipad has 6 open marks, and 6 is the limit"
        assert error.hint is not None and "600 s" in error.hint
    await device(small, "second-ipad").play()  # another device is not affected
    await small.end(made[0]["id"], end_time=to_rfc3339(KICKOFF_US + S // 2))
    await small.play()


async def test_whole_clips_and_repeated_requests_are_no_open_marks(small: Bench) -> None:
    key = "0199f8a0-0000-7000-8000-000000000001"
    await small.clip(id=key)
    for _ in range(5):
        await small.clip()
    assert (await small.clip(id=key))["http"] == 200
    for _ in range(20):
        await small.clip(start_time="2026-11-20T18:59:00Z", duration=5)


async def test_a_tablet_that_comes_back_loses_none_of_its_marks(small: Bench) -> None:
    """IN and OUT in order, and INs without OUT, from two hours without the box."""
    for minute in range(59):
        play = await small.play(start_time=f"2026-11-20T18:{minute:02}:00Z")
        if minute % 2:
            await small.end_play(play["id"], end_time=f"2026-11-20T18:{minute:02}:20Z")
    with pytest.raises(Refused, match="too_many_open"):
        await small.play()


async def test_even_what_comes_late_has_a_limit(small: Bench) -> None:
    for _ in range(6 * 20):
        await small.clip(start_time="2026-11-20T18:50:00Z")
    with pytest.raises(Refused, match="too_many_open"):
        await small.clip(start_time="2026-11-20T18:50:00Z")


async def test_a_full_channel_refuses_only_the_device_that_fills_it(small: Bench) -> None:
    for number in range(4):
        for _ in range(6):
            await device(small, f"wall-{number}").clip()
    more = device(small, "wall-5")
    for _ in range(5):
        await more.clip()
    with pytest.raises(Refused) as refused:
        await more.clip()
    assert "cam1 has 29 open marks, and 24 is the limit" in refused.value.detail
    await more.clip(channel_id="cam2")
    await device(small, "coach").play()


async def test_a_device_that_never_presses_end_is_not_refused_while_the_box_closes_its_plays(
    bench: Bench,
) -> None:
    """A play every 20 s; the box ends each after ten minutes."""
    for _ in range(120):
        await bench.play()
        bench.clock.advance(20)
        overdue = [
            ghost
            for ghost in await bench.store.read(cuts.open_ghosts)
            if ghost.since_us <= bench.clock.now_us() - 600 * S
        ]
        for ghost in overdue:
            close = partial(cuts.close_overdue, rules=bench.rules, kind=ghost.kind, row_id=ghost.id)
            await bench.store.write(close)


# -- marks closed by the box ------------------------------------------------------------------------


async def cut_all(bench: Bench) -> None:
    def change(tx: Tx) -> None:
        for waiting in cuts.waiting_jobs(tx):
            job = cuts.claim(tx, waiting)
            assert job is not None
            plan = plan_of(job.start_us, job.end_us, job.end_us)
            assert cuts.finish(tx, job, with_header(plan, b"%d us" % (job.end_us - job.start_us)))

    await bench.store.write(change)


@pytest.fixture
async def forgotten(bench: Bench, tmp_path: Path) -> tuple[ClipFiles, list[str]]:
    """Forty clips over the same twenty seconds that were never ended, and the actor that writes files."""
    ids = [str((await bench.clip())["id"]) for _ in range(40)]
    bench.clock.advance(20)
    await bench.store.write(lambda tx: close_session_ghosts(tx, bench.rules, bench.session_id))
    await cut_all(bench)
    (tmp_path / "cam1").mkdir()
    (tmp_path / "cam1" / "a.mp4").write_bytes(bytes(range(200)))
    return ClipFiles(bench.store, DiskFootage(tmp_path), tmp_path / "clips", trio.Lock()), ids


async def write_all(files: ClipFiles) -> list[Path]:
    while await files.write_next():
        pass
    return sorted(files.clips_dir.glob("*/*.mp4"))


async def test_clips_closed_by_the_box_get_no_file_until_they_are_viewed(
    bench: Bench, forgotten: tuple[ClipFiles, list[str]]
) -> None:
    files, ids = forgotten
    assert await write_all(files) == []
    assert len(await bench.store.read(lambda tx: unwritten_plans(tx, 100))) == 40, "all of them play"
    await bench.store.write(partial(note_looked, clip_id=ids[3]))
    assert [path.name for path in await write_all(files)] == [f"{ids[3]}-m1.mp4"]


Look = Callable[[Tx, Bench, str], object]


@pytest.mark.parametrize(
    "look",
    [
        lambda tx, bench, clip_id: marks.view_clip(tx, clip_id),
        lambda tx, bench, clip_id: marks.star_clip(tx, bench.caller, clip_id, True),
        lambda tx, bench, clip_id: tx.insert(
            "tags",
            {
                "id": "t",
                "clip_id": clip_id,
                "session_id": bench.session_id,
                "labels": "[]",
                "created_by": "x",
                "created_us": 1,
                "updated_us": 1,
                "request_hash": "x",
            },
        ),
    ],
    ids=["view", "star", "tag"],
)
async def test_starring_or_changing_a_clip_counts_as_viewing_it(
    bench: Bench, forgotten: tuple[ClipFiles, list[str]], look: Look
) -> None:
    _, ids = forgotten
    await bench.store.write(lambda tx: look(tx, bench, ids[7]))
    assert [plan.clip_id for plan in await bench.store.read(plans_to_write)] == [ids[7]]


async def test_a_star_on_the_play_counts_for_its_angles(bench: Bench) -> None:
    play = await bench.play()
    bench.clock.advance(20)
    await bench.store.write(lambda tx: close_session_ghosts(tx, bench.rules, bench.session_id))
    await cut_all(bench)
    assert await bench.store.read(plans_to_write) == []
    await bench.store.write(lambda tx: plays.star_play(tx, bench.caller, play["id"], True))
    assert len(await bench.store.read(lambda tx: plans_to_write(tx, 10))) == 2


async def test_clips_of_the_same_bytes_share_one_file_and_each_may_go(
    bench: Bench, forgotten: tuple[ClipFiles, list[str]]
) -> None:
    files, ids = forgotten
    for clip_id in ids:
        await bench.store.write(partial(note_looked, clip_id=clip_id))
    paths = await write_all(files)
    assert len(paths) == 40
    assert len({path.stat().st_ino for path in paths}) == 1, "written once"
    assert paths[0].read_bytes() == b"20000000 us" + bytes(range(100, 150))
    for clip_id in ids[:39]:
        await bench.store.write(partial(marks.expire_clip, rules=bench.rules, clip_id=clip_id, reason="x"))
    await files.collect_now()
    [left] = files.clips_dir.glob("*/*.mp4")
    assert left.name == f"{ids[39]}-m1.mp4" and left.stat().st_nlink == 1


async def test_an_incomplete_file_is_not_reused(bench: Bench, forgotten: tuple[ClipFiles, list[str]]) -> None:
    files, ids = forgotten
    await bench.store.write(partial(note_looked, clip_id=ids[0]))
    [first] = await write_all(files)
    first.write_bytes(b"short")
    await bench.store.write(partial(note_looked, clip_id=ids[1]))
    _, second = sorted(await write_all(files), key=lambda path: path != first)
    assert second.read_bytes() == b"20000000 us" + bytes(range(100, 150))
