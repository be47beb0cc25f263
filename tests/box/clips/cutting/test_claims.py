"""An OUT whose footage is already indexed: claimed, planned and published in one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from appliance.box.clips.cutting.cutter import CutterHandle, run_cutter
from appliance.box.clips.cutting.planner import Wanted
from appliance.box.clips.model import ClipIn, EndIn, PlayIn
from appliance.box.clips.records import marks, plays
from appliance.kernel import json
from appliance.kernel.errors import Unavailable
from appliance.kernel.operation import Answer
from appliance.kernel.sqlite.engine import on_disk
from appliance.kernel.store import Store
from appliance.kernel.tx import Row, Tx
from appliance.media.cut.plan import NoFootage, Plan
from tests.kit.box import COACH, add_channel, add_session, mark_rules, sim_store, types
from tests.kit.clock import KICKOFF_US
from tests.kit.hand_footage import HandFootage, HandPlanner

RULES = mark_rules(coverage_wait_s=15, max_duration_s=60)
IN, OUT = "2026-11-20T18:59:50Z", "2026-11-20T18:59:58Z"


class TwoAngles(HandFootage):
    """cam2 may lag behind."""

    other_until_us: int | None = None

    def video_until_us(self, channel_id: str) -> int | None:
        return self.until_us if channel_id == "cam1" else self.other_until_us


@dataclass
class Together:
    """Plans of several spans, made one by one by HandPlanner; reads the rows while it plans."""

    planner: HandPlanner
    store: Store
    calls: list[list[str]] = field(default_factory=list)
    seen: list[tuple[str, int]] = field(default_factory=list)
    without: str = ""
    error: Exception | None = None

    async def __call__(self, wanted: Sequence[Wanted]) -> list[Plan | None]:
        self.calls.append([each.channel_id for each in wanted])
        rows = await self.store.read(lambda tx: tx.all("SELECT status, attempts FROM clips ORDER BY id"))
        self.seen += [(row["status"], row["attempts"]) for row in rows]
        if self.error is not None:
            raise self.error
        return [None if each.channel_id == self.without else await self.planner(*each) for each in wanted]


@dataclass
class Desk:
    store: Store
    session_id: str
    footage: TwoAngles
    planner: HandPlanner
    together: Together
    handle: CutterHandle

    async def play(self) -> str:
        body = PlayIn.model_validate({"session_id": self.session_id, "start_time": IN})
        answer = await self.store.write(lambda tx: plays.create_play(tx, COACH, RULES, body))
        return str(answer.resource["id"])

    async def end(self, play_id: str) -> Answer:
        """OUT, as the route does it."""
        body = EndIn.model_validate({"end_time": OUT})
        return await self.handle.marked(
            self.store.write, lambda tx: plays.end_play(tx, COACH, RULES, play_id, body)
        )

    async def clip(self, **fields: Any) -> Answer:
        body = ClipIn.model_validate(
            {"session_id": self.session_id, "channel_id": "cam1", "start_time": IN, "duration": 8, **fields}
        )
        return await self.handle.marked(
            self.store.write, lambda tx: marks.create_clip(tx, COACH, RULES, body)
        )

    async def rows(self) -> list[Row]:
        return await self.store.read(lambda tx: tx.all("SELECT * FROM clips ORDER BY channel_id"))

    async def until(self, *states: str) -> list[Row]:
        with trio.fail_after(3600):
            while True:
                seen = self.store.journal.changed.count
                rows = await self.rows()
                if tuple(row["status"] for row in rows) == states:
                    return rows
                await self.store.journal.changed.wait_past(seen)


@asynccontextmanager
async def cutting(tmp_path: Path, *, paused: bool = False) -> AsyncIterator[Desk]:
    async with sim_store(tmp_path) as store, trio.open_nursery() as nursery:

        def setup(tx: Tx) -> str:
            add_channel(tx, "cam1", latency_ms=100)
            add_channel(tx, "cam2")
            return add_session(tx)

        session_id = await store.write(setup)
        footage = TwoAngles()
        planner = HandPlanner(footage)
        together = Together(planner, store)
        handle = await nursery.start(
            lambda task_status: run_cutter(
                store=store,
                footage=footage,
                source_down=lambda channel_id: False,
                rules=RULES,
                clock=store.clock,
                plan_span=planner,
                plan_together=together,
                hold=trio.Event() if paused else None,
                task_status=task_status,
            )
        )
        await wait_all_tasks_blocked()
        yield Desk(store, session_id, footage, planner, together, handle)
        nursery.cancel_scope.cancel()


async def test_all_angles_of_an_out_are_planned_once_and_reported_together(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.until_us = desk.footage.other_until_us = KICKOFF_US
        play_id = await desk.play()
        before = len(types(desk.store))
        await desk.end(play_id)
        rows = await desk.until("ready", "ready")
        assert desk.together.calls == [["cam1", "cam2"]]
        assert desk.planner.asked == [
            ("cam1", KICKOFF_US - 10_000_000, KICKOFF_US - 2_000_000, 100_000),
            ("cam2", KICKOFF_US - 10_000_000, KICKOFF_US - 2_000_000, 0),
        ]
        assert [(row["attempts"], row["waiting_for"]) for row in rows] == [(1, None)] * 2
        both = ["clip_updated"] * 2 + ["clip_processing"] * 2 + ["clip_ready"] * 2
        assert types(desk.store)[before:] == ["play_updated", *both]


async def test_the_attempt_is_on_the_disk_before_the_footage_is_read(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.until_us = desk.footage.other_until_us = KICKOFF_US
        await desk.end(await desk.play())
        await desk.until("ready", "ready")
        assert desk.together.seen == [("processing", 1)] * 2


async def test_an_angle_whose_footage_is_not_there_waits_for_it_alone(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.until_us, desk.footage.other_until_us = KICKOFF_US, KICKOFF_US - 3_000_000
        await desk.end(await desk.play())
        await desk.until("ready", "pending")
        desk.footage.other_until_us = KICKOFF_US
        desk.footage.changed.notify()
        await desk.until("ready", "ready")
        assert desk.together.calls == [["cam1"]] and len(desk.planner.asked) == 2


@pytest.mark.parametrize("error", [None, ZeroDivisionError("poison")])
async def test_a_claimed_clip_without_a_plan_is_cut_later(
    tmp_path: Path, autojump_clock: MockClock, error: Exception | None
) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.until_us = desk.footage.other_until_us = KICKOFF_US
        desk.together.without, desk.together.error = "cam2", error
        await desk.end(await desk.play())
        rows = await desk.until("ready", "ready")
        assert [row["attempts"] for row in rows] == [1, 1], "it is the same attempt"


async def test_the_reason_of_a_failure_is_found_by_itself(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.until_us = desk.footage.other_until_us = KICKOFF_US
        desk.together.error = desk.planner.error = NoFootage("nothing there")
        await desk.end(await desk.play())
        rows = await desk.until("failed", "failed")
        assert str(rows[0]["error_message"]).startswith("No footage of cam1")


async def test_a_mark_that_is_refused_claims_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.until_us = KICKOFF_US

        def mark(tx: Tx) -> Answer:
            raise ValueError("refused")

        with pytest.raises(ValueError, match="refused"):
            await desk.handle.marked(desk.store.write, mark)
        assert desk.together.calls == [] and await desk.rows() == []


@pytest.mark.parametrize("is_made", [True, False])
async def test_an_out_whose_commit_is_not_answered_is_cut_when_it_was_made(
    tmp_path: Path, autojump_clock: MockClock, is_made: bool
) -> None:
    async with cutting(tmp_path) as desk:
        play_id = await desk.play()
        desk.footage.until_us = desk.footage.other_until_us = KICKOFF_US
        body = EndIn.model_validate({"end_time": OUT})

        async def unanswered(closure: Callable[[Tx], Answer]) -> Answer:
            def run(tx: Tx) -> Answer:
                answer = closure(tx)
                if not is_made:
                    raise Unavailable("storage_unavailable", "the disk failed")
                return answer

            await desk.store.write(run)
            raise Unavailable("storage_unavailable", "the disk failed")

        with pytest.raises(Unavailable):
            await desk.handle.marked(unanswered, lambda tx: plays.end_play(tx, COACH, RULES, play_id, body))
        if not is_made:  # the coach's tablet sends it again
            await wait_all_tasks_blocked()
            assert desk.together.calls == []
            await desk.end(play_id)
        rows = await desk.until("ready", "ready")
        assert [row["attempts"] for row in rows] == [1, 1] and len(desk.together.calls) == 1


async def test_a_whole_clip_in_the_past_is_claimed_with_its_mark_and_an_export_is_not(
    tmp_path: Path, autojump_clock: MockClock
) -> None:  # V16
    async with cutting(tmp_path) as desk:
        desk.footage.until_us = KICKOFF_US
        await desk.clip()
        await desk.until("ready")
        await desk.clip(mode="exact")
        await wait_all_tasks_blocked()
        assert desk.together.calls == [["cam1"]]
        assert sorted(row["status"] for row in await desk.rows()) == ["pending", "ready"]


async def test_in_safe_mode_nothing_is_claimed(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with cutting(tmp_path, paused=True) as desk:
        desk.footage.until_us = desk.footage.other_until_us = KICKOFF_US
        await desk.end(await desk.play())
        await wait_all_tasks_blocked()
        assert [row["status"] for row in await desk.rows()] == ["pending", "pending"]


async def test_the_answer_to_a_mark_waits_for_what_it_has_claimed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.until_us = desk.footage.other_until_us = KICKOFF_US
        answer = await desk.end(await desk.play())
        await desk.handle.settle(list(answer.resource["clip_ids"]))
        assert [row["status"] for row in await desk.rows()] == ["ready", "ready"]


async def test_events_of_an_out_hold_the_counters_after_all_its_clips_ended(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """They are read once for all events: they count every clip of the game."""
    async with cutting(tmp_path) as desk:
        desk.footage.until_us = desk.footage.other_until_us = KICKOFF_US
        play_id = await desk.play()
        before = desk.store.journal.head
        await desk.end(play_id)
        await desk.until("ready", "ready")
        entries = await desk.store.journal.read(before, 100)
        of_clips = [json.decode(entry.event)["session"] for entry in entries if entry.type != "play_updated"]
        assert len(of_clips) == 6
        assert {(each["clip_count"], each["total_duration_seconds"]) for each in of_clips} == {(2, 16.0)}


async def test_a_transaction_that_is_run_twice_claims_each_clip_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with cutting(tmp_path) as desk:
        desk.footage.until_us = desk.footage.other_until_us = KICKOFF_US
        play_id = await desk.play()
        on_disk(desk.store)._rehearse = True
        await desk.end(play_id)
        await desk.until("ready", "ready")
        assert desk.together.calls == [["cam1", "cam2"]]
