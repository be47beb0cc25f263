"""The cutter: when clips are cut, and with which result. Simulated time, artificial footage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from appliance.box.clips.cutting.cutter import CutterHandle, run_cutter
from appliance.box.clips.model import ClipIn, ClipPatch, EndIn, PlayIn
from appliance.box.clips.records import marks, plays
from appliance.box.clips.records.rows import clip_resource
from appliance.kernel.store import Store
from appliance.kernel.tx import Row, Tx
from appliance.media.cut.plan import NoEntry
from tests.kit.box import COACH, add_channel, add_session, mark_rules, sim_store, types
from tests.kit.clock import KICKOFF_US, SimClock
from tests.kit.hand_footage import HandFootage, HandPlanner
from tests.kit.unanswered import lose_first_answers

SECOND = 1_000_000


class Desk:
    """A running cutter over a store with one camera."""

    def __init__(self, store: Store, session_id: str) -> None:
        self.store = store
        self.session_id = session_id
        self.footage = HandFootage()
        self.planner = HandPlanner(self.footage)
        self.rules = mark_rules(coverage_wait_s=15, max_duration_s=60)
        self.handle: CutterHandle | None = None

    async def clip(self, **fields: Any) -> str:
        body = ClipIn.model_validate({"session_id": self.session_id, "channel_id": "cam1", **fields})
        answer = await self.store.write(lambda tx: marks.create_clip(tx, COACH, self.rules, body))
        return str(answer.resource["id"])

    async def row(self, clip_id: str) -> Row:
        row = await self.store.read(lambda tx: tx.one("SELECT * FROM clips WHERE id = ?", (clip_id,)))
        assert row is not None
        return row

    async def until(self, clip_id: str, status: str) -> Row:
        """Wait for the clip's status; simulated time passes meanwhile."""
        with trio.fail_after(3600):
            while True:
                seen = self.store.journal.changed.count
                row = await self.row(clip_id)
                if row["status"] == status:
                    return row
                await self.store.journal.changed.wait_past(seen)


@asynccontextmanager
async def cutting(tmp_path: Path, prepare: Callable[[Tx], None] | None = None) -> AsyncIterator[Desk]:
    async with sim_store(tmp_path) as store, trio.open_nursery() as nursery:

        def setup(tx: Tx) -> str:
            add_channel(tx, "cam1", latency_ms=100)
            return add_session(tx)

        desk = Desk(store, await store.write(setup))
        if prepare is not None:
            await store.write(prepare)
        desk.handle = await nursery.start(
            lambda task_status: run_cutter(
                store=store,
                footage=desk.footage,
                source_down=lambda channel_id: desk.footage.down,
                rules=desk.rules,
                clock=store.clock,
                plan_span=desk.planner,
                task_status=task_status,
            )
        )
        yield desk
        nursery.cancel_scope.cancel()


async def test_a_clip_whose_footage_is_there_is_cut_at_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.grow(KICKOFF_US + 100_000)
        clip_id = await desk.clip(start_time="2026-11-20T18:59:50Z", duration=8)
        row = await desk.until(clip_id, "ready")
        assert trio.current_time() == 0, "no time may pass"
        assert (row["ready_media_rev"], row["attempts"], row["waiting_for"], row["preroll_us"]) == (
            1,
            1,
            None,
            500_000,
        )
        assert row["ready_after_us"] == 0
        assert types(desk.store)[-3:] == ["clip_created", "clip_processing", "clip_ready"]
        assert desk.planner.asked == [("cam1", KICKOFF_US - 10 * SECOND, KICKOFF_US - 2 * SECOND, 100_000)]


async def test_changes_whose_first_commit_is_not_answered_cut_a_clip_once(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_first_answers(monkeypatch)
    async with cutting(tmp_path) as desk:
        desk.footage.grow(KICKOFF_US + 100_000)
        clip_id = await desk.clip(start_time="2026-11-20T18:59:50Z", duration=8)
        row = await desk.until(clip_id, "ready")
        assert row["attempts"] == 1
        assert types(desk.store)[-3:] == ["clip_created", "clip_processing", "clip_ready"]


async def test_out_before_its_footage_waits_for_exactly_that(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.grow(KICKOFF_US)
        clip_id = await desk.clip(start_time="2026-11-20T18:59:50Z", duration=10)
        await wait_all_tasks_blocked()
        assert desk.planner.asked == [], "latency: the box has the field's picture of 100 ms ago"
        desk.footage.grow(KICKOFF_US + 99_999)
        await wait_all_tasks_blocked()
        assert desk.planner.asked == []
        desk.footage.grow(KICKOFF_US + 100_000)
        await desk.until(clip_id, "ready")
        assert trio.current_time() == 0


async def test_footage_that_never_comes_is_given_up_after_the_wait(  # V09
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.grow(KICKOFF_US - 4 * SECOND)
        clip_id = await desk.clip(start_time="2026-11-20T18:59:50Z", duration=10)
        row = await desk.until(clip_id, "ready")
        assert trio.current_time() == pytest.approx(15.1), "coverage_wait_s after OUT received, plus latency"
        assert '"reason":"no_footage"' in row["coverage"]
        resource = await desk.store.read(lambda tx: clip_resource(tx, row))
        assert resource["ready_after_s"] == pytest.approx(15.1), "the same figure for every tablet"


async def test_a_clip_without_footage_fails_with_a_readable_reason(  # V26
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with cutting(tmp_path) as desk:
        clip_id = await desk.clip(start_time="2026-11-20T18:59:50Z", duration=8)
        row = await desk.until(clip_id, "failed")
        assert row["error_message"].startswith("No footage of cam1 2026-11-20T18:59:50")
        event = (desk.store.journal.recent(0) or [])[-1]
        assert event.type == "clip_failed" and b'"error":"No footage' in event.event


async def test_a_source_known_to_be_down_is_not_waited_for(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.grow(KICKOFF_US - 4 * SECOND)
        desk.footage.down, desk.footage.age_s = True, 3.5
        await desk.until(await desk.clip(start_time="2026-11-20T18:59:50Z", duration=10), "ready")
        assert trio.current_time() == 0


async def test_a_later_run_ends_the_wait(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.grow(KICKOFF_US - 4 * SECOND)
        desk.footage.begun_after = True
        await desk.until(await desk.clip(start_time="2026-11-20T18:59:50Z", duration=10), "ready")
        assert trio.current_time() == 0


async def test_a_ghost_without_an_out_is_closed_by_the_box(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with cutting(tmp_path) as desk:
        clip_id = await desk.clip()
        await trio.sleep(59)
        assert (await desk.row(clip_id))["duration_us"] == 0
        await trio.sleep(2)
        row = await desk.row(clip_id)
        assert (row["duration_us"], row["auto_closed"]) == (60 * SECOND, 1)


async def test_a_ghost_begun_far_back_is_given_as_long_for_its_out(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Marked while looking back, or by a tablet that was offline: the OUT has not been received."""
    async with cutting(tmp_path) as desk:
        clip_id = await desk.clip(start_time="2026-11-20T18:50:00Z")
        await trio.sleep(59)
        assert (await desk.row(clip_id))["duration_us"] == 0
        await trio.sleep(2)
        row = await desk.row(clip_id)
        assert (row["duration_us"], row["auto_closed"]) == (60 * SECOND, 1)


async def test_ghosts_that_are_all_overdue_at_once_are_all_closed(tmp_path: Path) -> None:
    """In real time: each close triggers a load, which recomputes the other deadlines."""

    def forget_five(tx: Tx) -> None:
        session_id = tx.value("SELECT id FROM sessions")
        fields = {"session_id": session_id, "channel_id": "cam1", "start_time": "2026-11-20T18:50:00Z"}
        for _ in range(5):
            marks.create_clip(tx, COACH, mark_rules(), ClipIn.model_validate(fields))
        tx.run("UPDATE clips SET created_us = start_us")  # time passed while the box was off

    async with cutting(tmp_path, forget_five) as desk:
        with trio.fail_after(5):
            while types(desk.store).count("clip_updated") < 5:
                await desk.store.journal.changed.wait_past(desk.store.journal.changed.count)
    assert types(desk.store).count("clip_updated") == 5


async def test_a_play_without_an_end_is_closed_with_its_clips(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with cutting(tmp_path) as desk:
        body = PlayIn(session_id=desk.session_id)
        play = await desk.store.write(lambda tx: plays.create_play(tx, COACH, desk.rules, body))
        await trio.sleep(61)
        row = await desk.row(play.resource["clip_ids"][0])
        assert (row["duration_us"], row["auto_closed"]) == (60 * SECOND, 1)


async def test_a_trim_while_a_cut_runs_discards_that_cut(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.grow(KICKOFF_US + SECOND)
        real, gate = desk.planner.__call__, trio.Event()

        async def slow(*span: Any) -> Any:
            plan = await real(*span)
            await gate.wait()
            return plan

        desk.handle._cutting.plan_span = slow  # type: ignore[union-attr]
        clip_id = await desk.clip(start_time="2026-11-20T18:59:50Z", duration=8)
        await desk.until(clip_id, "processing")
        body = ClipPatch(duration_seconds=5.0)
        await desk.store.write(lambda tx: marks.change_clip(tx, COACH, desk.rules, clip_id, body))
        gate.set()
        row = await desk.until(clip_id, "ready")
        assert (row["media_rev"], row["ready_media_rev"]) == (2, 2)
        plans = await desk.store.read(lambda tx: tx.all("SELECT media_rev FROM plans"))
        assert plans == [{"media_rev": 2}]


async def test_an_unreadable_recording_fails_that_clip_alone(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.grow(KICKOFF_US + SECOND)
        desk.planner.error = RuntimeError("box too large")
        bad = await desk.clip(start_time="2026-11-20T18:59:50Z", duration=8)
        row = await desk.until(bad, "failed")
        assert row["error_message"] == "The recording could not be read: box too large"
        desk.planner.error = None
        await desk.until(await desk.clip(start_time="2026-11-20T18:59:50Z", duration=7), "ready")


async def test_undecodable_footage_fails_with_the_reason(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.grow(KICKOFF_US + SECOND)
        desk.planner.error = NoEntry("footage is there, but no picture at which decoding may begin")
        row = await desk.until(await desk.clip(start_time="2026-11-20T18:59:50Z", duration=8), "failed")
        assert row["error_message"].startswith("cam1: footage is there, but no picture")


async def test_a_job_a_crash_left_running_is_cut_after_the_start(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    clip_ids: list[str] = []

    def crashed(tx: Tx) -> None:  # V29
        session_id = str(tx.value("SELECT id FROM sessions"))
        for attempts in (2, 3):
            body = ClipIn(session_id=session_id, channel_id="cam1", duration_seconds=5.0)
            clip = marks.create_clip(tx, COACH, mark_rules(), body).resource
            tx.run("UPDATE clips SET status='processing', attempts=? WHERE id=?", (attempts, clip["id"]))
            clip_ids.append(clip["id"])

    async with cutting(tmp_path, crashed) as desk:
        desk.footage.grow(KICKOFF_US + 60 * SECOND)
        row = await desk.until(clip_ids[0], "ready")
        assert row["attempts"] == 3
        row = await desk.until(clip_ids[1], "failed")
        assert row["error_message"] == "cutting this clip stopped the box 3 times"


async def test_footage_that_turns_up_late_recuts_the_clip_by_itself(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.grow(KICKOFF_US - 4 * SECOND)
        desk.footage.news = "6 s"
        clip_id = await desk.clip(start_time="2026-11-20T18:59:50Z", duration=10)
        row = await desk.until(clip_id, "ready")
        await trio.sleep(5)
        assert (await desk.row(clip_id))["media_rev"] == 1, "nothing gained, nothing re-cut"
        desk.footage.news = "10 s"
        desk.footage.grow(KICKOFF_US + SECOND)
        while row["ready_media_rev"] == 1:
            await trio.sleep(1)
            row = await desk.row(clip_id)
        assert (row["status"], row["ready_media_rev"], row["retries"]) == ("ready", 2, 1)
        assert row["ready_after_us"] == 15_100_000, "the first cut's, not the mending's"
        assert '"missing":[]' in row["coverage"]


async def test_the_answer_to_out_waits_only_for_a_clip_with_indexed_footage(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with cutting(tmp_path) as desk:
        assert desk.handle is not None
        desk.footage.grow(KICKOFF_US + SECOND)
        covered, ahead = await desk.clip(start_time="2026-11-20T18:59:50Z"), await desk.clip()
        for clip_id, end in ((covered, "2026-11-20T18:59:58Z"), (ahead, "2026-11-20T19:00:04Z")):
            body = EndIn.model_validate({"end_time": end})
            await desk.store.write(lambda tx, c=clip_id, b=body: marks.end_clip(tx, COACH, desk.rules, c, b))  # type: ignore[misc]
            await desk.handle.settle([clip_id])
        assert (await desk.row(covered))["status"] == "ready"
        assert (await desk.row(ahead))["status"] == "pending"
        assert trio.current_time() == 0
        assert isinstance(desk.store.clock, SimClock)
