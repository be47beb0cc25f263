"""Late footage: a clip is cut again when it would show more, and for no other reason."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from appliance.box.clips.cutting.cutter import CutterHandle, run_cutter
from appliance.box.clips.cutting.exports import BadExport, Exports
from appliance.box.clips.cutting.late_clips import GAIN_US
from appliance.box.clips.model import ClipIn
from appliance.box.clips.records import marks
from appliance.kernel import json
from appliance.kernel.clock import from_rfc3339
from appliance.kernel.store import Store
from appliance.kernel.tx import Row, Tx
from appliance.media.cut.coverage import MissingSpan, Reason, absent_us
from appliance.media.cut.plan import NoFootage, Plan
from appliance.media.mp4.fmp4 import Malformed
from tests.kit.box import COACH, add_channel, add_session, mark_rules, sim_store, types
from tests.kit.clock import KICKOFF_US
from tests.kit.hand_footage import HandFootage, plan_of, with_header

S = 1_000_000
START_US, END_US = KICKOFF_US - 20 * S, KICKOFF_US - 10 * S


class Piece(NamedTuple):
    """Seconds of the clip. `format` "": covered in the index, but no plan can show it."""

    start: float
    end: float
    format: str


@dataclass
class Pieces(HandFootage):
    """Footage of several formats that appears and disappears in parts."""

    until_us: int | None = KICKOFF_US
    have: list[Piece] = field(default_factory=list)

    def known(self, channel_id: str, start_us: int, end_us: int) -> str:
        return repr((sorted(each[:2] for each in self.have), self.published_gaps))

    def put(self, piece: Piece) -> None:
        self.have.append(piece)
        self.changed.notify()

    def take(self, piece: Piece) -> None:
        self.have.remove(piece)
        self.changed.notify()


@dataclass
class LongestGroup:
    """Plans like the product's: the longest group of adjacent parts of one format."""

    footage: Pieces
    asked: int = 0
    error: Exception | None = None
    reason: Reason = "format_change"

    async def __call__(self, channel_id: str, start_us: int, end_us: int, latency_us: int) -> Plan:
        self.asked += 1
        if self.error is not None:
            raise self.error
        shown = best(self.footage.have)
        if not shown:
            raise NoFootage("nothing there")
        spans = [(start_us + round(item.start * S), start_us + round(item.end * S)) for item in shown]
        edges = [start_us, *itertools.chain(*spans), end_us]
        gaps = zip(edges[::2], edges[1::2], strict=True)
        missing = tuple(MissingSpan(left, right, self.reason) for left, right in gaps if left < right)
        made = replace(plan_of(start_us, end_us, end_us), missing=missing)
        return with_header(made, repr(missing).encode())


def best(pieces: Iterable[Piece]) -> list[Piece]:
    usable = sorted(piece for piece in pieces if piece.format)
    groups = [list(group) for _, group in itertools.groupby(usable, key=lambda piece: piece.format)]
    return max(groups, key=length, default=[])


def length(pieces: Iterable[Piece]) -> float:
    return sum(element.end - element.start for element in pieces)


class Desk:
    """A box that can be restarted: its store stays, its cutter is new."""

    def __init__(self, store: Store, footage: Pieces, planner: LongestGroup) -> None:
        self.store, self.footage, self.planner = store, footage, planner
        self.exports: Exports | None = None

    @asynccontextmanager
    async def cutter(self) -> AsyncIterator[CutterHandle]:
        async with trio.open_nursery() as nursery:
            yield await nursery.start(
                lambda task_status: run_cutter(
                    store=self.store,
                    footage=self.footage,
                    source_down=lambda channel_id: False,
                    rules=mark_rules(coverage_wait_s=1),
                    clock=self.store.clock,
                    plan_span=self.planner,
                    exports=self.exports,
                    task_status=task_status,
                )
            )
            nursery.cancel_scope.cancel()

    async def mark(self, **fields: Any) -> str:
        def change(tx: Tx) -> str:
            add_channel(tx, "cam1")
            body = ClipIn.model_validate(
                {
                    "session_id": add_session(tx),
                    "channel_id": "cam1",
                    "start_time": "2026-11-20T18:59:40Z",
                    "duration_seconds": 10.0,
                    **fields,
                }
            )
            return str(marks.create_clip(tx, COACH, mark_rules(), body).resource["id"])

        return await self.store.write(change)

    async def mark_over(self, *have: Piece, **fields: Any) -> None:
        """The clip, of footage that exists already."""
        self.footage.have = list(have)
        await self.mark(**fields)

    async def look(self, times: int, every_s: float = 2) -> None:
        """Number of changes the footage has reported."""
        for _ in range(times):
            self.footage.changed.notify()
            await trio.sleep(every_s)

    async def row(self) -> Row:
        row = await self.store.read(lambda tx: tx.one("SELECT * FROM clips"))
        assert row is not None
        return row

    def cuts(self) -> int:
        return sum(type_ in ("clip_ready", "clip_failed") for type_ in types(self.store))


def shown_s(row: Row) -> float:
    """Seconds a ready clip shows; 0 for a failed one."""
    if row["status"] != "ready":
        return 0.0
    missing = json.decode(row["coverage"].encode())["missing"]
    spans = [(from_rfc3339(entry["start"]), from_rfc3339(entry["end"])) for entry in missing]
    return (END_US - START_US - absent_us(spans, START_US, END_US)) / S


@asynccontextmanager
async def desk_in(folder: Path) -> AsyncIterator[Desk]:
    async with sim_store(folder) as store:
        footage = Pieces()
        yield Desk(store, footage, LongestGroup(footage))


# -- every order --------------------------------------------------------------------------------------------

PIECES = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(("A", "A", "B", ""))).map(
        lambda drawn: Piece(drawn[0], drawn[0] + 1, drawn[1])
    ),
    unique_by=lambda piece: piece.start,
    min_size=1,
    max_size=10,
)
STEPS = st.lists(st.sampled_from(("restart", "ring", "wait", "go", "none")), min_size=0, max_size=12)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(pieces=PIECES, steps=STEPS)
@example(pieces=[Piece(0, 4, "A"), Piece(4, 10, "B")], steps=["ring"] * 12)
@example(pieces=[Piece(0, 5, "A"), Piece(5, 10, "")], steps=["restart", "ring"] * 3)
def test_no_order_of_footage_formats_gaps_and_restarts_cuts_without_news(
    pieces: list[Piece], steps: list[str]
) -> None:
    # in memory if possible: thousands of commits would wait for a busy disk
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        trio.run(_any_order, Path(folder), pieces, steps, clock=MockClock(autojump_threshold=0))


async def _any_order(folder: Path, pieces: list[Piece], steps: list[str]) -> None:
    async with desk_in(folder) as desk:
        await desk.mark()
        news, shown = 0, [0.0]
        todo = list(itertools.zip_longest(pieces, steps, fillvalue=None))
        at = 0
        while at < len(todo):
            async with desk.cutter():
                while at < len(todo):
                    piece, step = todo[at]
                    at += 1
                    if piece is not None:
                        news += 1
                        desk.footage.put(piece)
                    if step == "go" and desk.footage.have:
                        news += 2  # removed and added again
                        gone = desk.footage.have[0]
                        desk.footage.take(gone)
                        await trio.sleep(9)
                        desk.footage.put(gone)
                    if step == "ring":
                        desk.footage.changed.notify()
                    before = desk.cuts()
                    await trio.sleep(9)
                    shown.append(shown_s(await desk.row()))
                    if desk.cuts() > max(1, before):
                        assert shown[-1] > shown[-2], "cut again for nothing"
                    if step == "restart":
                        break
        async with desk.cutter():
            await desk.look(12)
        final, cuts = shown_s(await desk.row()), desk.cuts()
        assert cuts <= 1 + news
        assert final >= length(best(desk.footage.have)) - GAIN_US / S, "what has turned up is shown"
        async with desk.cutter() as cutter:
            await desk.look(20, 15)
            assert desk.cuts() == cuts, "without news for five minutes"
            assert cutter.cut_too_often() == {}


# -- one by one ---------------------------------------------------------------------------------------------


async def test_a_clip_over_a_format_change_is_cut_once_and_planned_twice(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The index covers both formats, the clip shows one of them: no reason to cut again (M1)."""
    async with desk_in(tmp_path) as desk:
        await desk.mark_over(Piece(0, 4, "A"), Piece(4, 10, "B"))
        async with desk.cutter():
            await desk.look(100)
        row = await desk.row()
        assert (row["media_rev"], row["status"], desk.cuts(), desk.planner.asked) == (1, "ready", 1, 2)
        for _ in range(3):
            async with desk.cutter():
                desk.footage.changed.notify()
                await trio.sleep(20)
        assert desk.planner.asked == 2, "a restart is no news either"


async def test_growing_footage_is_waited_for_and_then_cut_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A file that is copied in part by part causes one new cut, not one per part."""
    async with desk_in(tmp_path) as desk:
        await desk.mark_over(Piece(0, 4, "A"))
        async with desk.cutter():
            await trio.sleep(10)
            for tenth in range(40, 100):
                desk.footage.put(Piece(tenth / 10, tenth / 10 + 0.1, "A"))
                await trio.sleep(0.5)
            await trio.sleep(10)
        row = await desk.row()
        assert (row["media_rev"], row["retries"], desk.cuts()) == (2, 1, 2)
        assert shown_s(row) == pytest.approx(10)


async def test_mending_shows_in_one_step_and_keeps_what_out_was(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with desk_in(tmp_path) as desk:
        await desk.mark_over(Piece(0, 4, "A"))
        async with desk.cutter():
            await trio.sleep(10)
            before = await desk.row()
            desk.footage.put(Piece(4, 10, "A"))
            await trio.sleep(10)
        row = await desk.row()
        assert types(desk.store)[-2:] == ["clip_ready", "clip_ready"], "it never stops being ready"
        assert row["out_received_us"] == before["out_received_us"], "the 24 h run from the person's OUT"
        assert row["ready_after_us"] == before["ready_after_us"]


async def test_a_failed_clip_is_mended_by_footage_alone(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with desk_in(tmp_path) as desk:
        await desk.mark_over(Piece(0, 10, ""))
        async with desk.cutter():
            await desk.look(50)
            assert (desk.cuts(), desk.planner.asked) == (1, 2)
            desk.footage.put(Piece(3, 8, "A"))
            await trio.sleep(10)
        row = await desk.row()
        assert (row["status"], row["error_message"], shown_s(row)) == ("ready", None, 5.0)


class NeverWhole:
    """An encoder whose files do not match the clip."""

    slots = 1
    made = 0

    async def make(self, *job: Any) -> None:
        self.made += 1
        raise BadExport("too short")


async def test_an_export_that_cannot_be_encoded_is_tried_again_for_more_footage_only(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with desk_in(tmp_path) as desk:
        exports = NeverWhole()
        desk.exports = exports  # type: ignore[assignment]
        await desk.mark_over(Piece(0, 8, "A"), mode="exact")
        async with desk.cutter():
            await desk.look(50)
            assert exports.made == 1
            desk.footage.put(Piece(8, 10, ""))
            await trio.sleep(10)
            assert exports.made == 1, "news that gives it nothing"
            desk.footage.put(Piece(8, 9, "A"))
            await trio.sleep(10)
            assert exports.made == 2


async def test_a_clip_that_stopped_the_box_is_not_tried_by_itself(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with desk_in(tmp_path) as desk:
        await desk.mark_over(Piece(0, 10, "A"))
        await desk.store.write(lambda tx: tx.run("UPDATE clips SET status = 'processing', attempts = 3"))
        async with desk.cutter():
            await desk.look(20)
        assert ((await desk.row())["status"], desk.planner.asked) == ("failed", 0)


@pytest.mark.parametrize("error", [Malformed("cut short"), RuntimeError("a bug")])
async def test_late_footage_that_cannot_be_read_is_tried_once(
    tmp_path: Path, autojump_clock: MockClock, error: Exception
) -> None:
    async with desk_in(tmp_path) as desk:
        await desk.mark_over(Piece(0, 4, "A"))
        async with desk.cutter():
            await trio.sleep(10)
            desk.planner.error = error
            count = desk.planner.asked
            desk.footage.put(Piece(4, 10, "A"))
            await desk.look(20)
        assert desk.planner.asked == count + 1
        row = await desk.row()
        assert (row["status"], row["media_rev"]) == ("ready", 1), "what plays plays on"


async def test_a_disk_that_refuses_is_asked_again_until_it_answers(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with desk_in(tmp_path) as desk:
        await desk.mark_over(Piece(0, 4, "A"))
        async with desk.cutter():
            await trio.sleep(10)
            desk.planner.error = OSError("the disk refuses")
            desk.footage.put(Piece(4, 10, "A"))
            await trio.sleep(60)
            desk.planner.error = None
            await trio.sleep(30)
        assert shown_s(await desk.row()) == pytest.approx(10)
