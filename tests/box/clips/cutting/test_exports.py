"""Exports beside the cutter: order, progress, interruptions. Simulated time, a worker run by the test."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from appliance.box.clips.cutting.cutter import CutterHandle, run_cutter
from appliance.box.clips.cutting.exports import Exports, difference, has_sound
from appliance.box.clips.cutting.media_jobs import Inspection, JobSource
from appliance.box.clips.files.delivery import ClipDelivery
from appliance.box.clips.model import ClipIn, ClipPatch
from appliance.box.clips.records import marks
from appliance.kernel import json
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.journal import Entry
from appliance.kernel.store import Store
from appliance.kernel.tx import Row
from tests.kit.box import COACH, add_channel, add_session, mark_rules, sim_store
from tests.kit.clock import KICKOFF_US
from tests.kit.hand_footage import HandFootage, HandPlanner, plan_of

SECOND = 1_000_000
FILM = b"encoded anew"


def inspected(**changes: Any) -> Inspection:
    """The expected probe result of the file of `plan_of`, over 8 s."""
    result = Inspection(
        frames=10,
        packets=10,
        width=320,
        height=180,
        codec="h264",
        end_s=8.0,
        errors=0,
        black_share=0.0,
        frozen_share=0.0,
        sounds=0,
        read_error="",
    )
    return replace(result, **changes)


@dataclass
class HandJobs:
    """A worker whose encoding ends when the test opens its gate."""

    inspection: Inspection = field(default_factory=inspected)
    gate: trio.Event = field(default_factory=trio.Event)
    trouble: Exception | None = None
    modes: list[str] = field(default_factory=list)
    under_way: int = 0
    most: int = 0
    tell: Callable[[float], None] = lambda second: None

    async def encode(self, source: JobSource, output: int, *, mode: str, **job: Any) -> None:
        assert [os.fstat(fd).st_size >= 0 for fd in source.descriptors]
        self.modes.append(mode)
        self.tell = job["on_progress"]
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.gate.wait()
        finally:
            self.under_way -= 1
        if self.trouble is not None:
            raise self.trouble
        os.pwrite(output, FILM, 0)

    async def inspect(self, source: JobSource, *, span_s: float) -> Inspection:
        (piece,) = source.pieces
        assert os.pread(source.descriptors[0], 100, 0) == FILM and piece == (0, 0, len(FILM))
        return self.inspection

    async def frame(self, source: JobSource, at_s: float, *, width_px: int, bulk: bool) -> bytes:
        raise Unavailable("no_worker", "not here")


class OneFile(HandFootage):
    """Every recording is the same small file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        path.write_bytes(bytes(200))

    def open_fd(self, name: str) -> int:
        return os.open(self.path, os.O_RDONLY)


async def turns(until: Callable[[], bool]) -> None:
    """Run other tasks until this holds. Limited by scheduler rounds: simulated time stands still."""
    for _ in range(100_000):
        if until():
            return
        await trio.lowlevel.checkpoint()
    raise AssertionError(f"never: {until}")


@dataclass
class Desk:
    store: Store
    session_id: str
    footage: OneFile
    jobs: HandJobs
    clips_dir: Path
    handle: CutterHandle
    stop: Callable[[], None]

    async def clip(self, mode: str = "exact", duration: float = 8) -> str:
        body = ClipIn.model_validate(
            {
                "session_id": self.session_id,
                "channel_id": "cam1",
                "start_time": "2026-11-20T18:59:50Z",
                "duration": duration,
                "mode": mode,
            }
        )
        answer = await self.store.write(lambda tx: marks.create_clip(tx, COACH, mark_rules(), body))
        return str(answer.resource["id"])

    async def patch(self, clip_id: str, **fields: Any) -> None:
        body = ClipPatch.model_validate(fields)
        await self.store.write(lambda tx: marks.change_clip(tx, COACH, mark_rules(), clip_id, body))

    async def row(self, clip_id: str) -> Row:
        row = await self.store.read(lambda tx: tx.one("SELECT * FROM clips WHERE id = ?", (clip_id,)))
        assert row is not None
        return row

    async def until(self, clip_id: str, status: str) -> Row:
        """The row once it has this status. Limited by real time: simulated time stands still."""
        for _ in range(100_000):
            row = await self.row(clip_id)
            if row["status"] == status:
                return row
            await trio.lowlevel.checkpoint()
        raise AssertionError(f"never {status}: {row}")

    async def encoding(self, count: int = 1) -> None:
        await turns(lambda: len(self.jobs.modes) >= count)

    def events(self, clip_id: str, type_: str = "clip_updated") -> list[dict[str, Any]]:
        entries: list[Entry] = self.store.journal.recent(0, 10_000) or []
        mine = [each for each in entries if each.subject == f"clip:{clip_id}" and each.type == type_]
        return [json.decode(each.event) for each in mine]

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.clips_dir)) for path in self.clips_dir.glob("*/*"))


@asynccontextmanager
async def exporting(tmp_path: Path, slots: int = 1) -> AsyncIterator[Desk]:
    async with sim_store(tmp_path) as store, trio.open_nursery() as nursery:
        await store.write(lambda tx: add_channel(tx, "cam1"))
        session_id = await store.write(add_session)
        footage, jobs = OneFile(tmp_path / "recording.mp4"), HandJobs()
        footage.grow(KICKOFF_US)
        delivery = ClipDelivery(footage, tmp_path / "clips", trio.CapacityLimiter(4))
        handle = await nursery.start(
            lambda task_status: run_cutter(
                store=store,
                footage=footage,
                source_down=lambda channel_id: False,
                rules=mark_rules(),
                clock=store.clock,
                plan_span=HandPlanner(footage),
                exports=Exports(store, jobs, delivery, slots),
                task_status=task_status,
            )
        )
        stop = nursery.cancel_scope.cancel
        yield Desk(store, session_id, footage, jobs, tmp_path / "clips", handle, stop)
        stop()


async def test_an_export_is_published_when_it_was_found_whole(tmp_path: Path, mock_clock: MockClock) -> None:
    async with exporting(tmp_path) as desk:
        clip_id = await desk.clip("exact")
        await desk.encoding()
        assert (await desk.row(clip_id))["file_path"] is None
        desk.jobs.gate.set()
        row = await desk.until(clip_id, "ready")
        name = f"{desk.session_id}/{clip_id}-m1.mp4"
        assert (row["file_path"], row["preroll_us"], row["ready_media_rev"]) == (name, 0, 1)
        assert desk.files() == [name] and (desk.clips_dir / name).read_bytes() == FILM
        (ready,) = desk.events(clip_id, "clip_ready")
        assert ready["clip"]["file_path"] == name and ready["clip"]["preroll_s"] == 0
        plan = await desk.store.read(lambda tx: tx.one("SELECT * FROM plans"))
        assert plan is not None
        assert (plan["header"], plan["ranges"], plan["size"], plan["file_path"]) == (b"", "[]", 12, name)


async def test_a_file_that_is_not_the_clip_is_never_published(tmp_path: Path, mock_clock: MockClock) -> None:
    async with exporting(tmp_path) as desk:
        desk.jobs.inspection = inspected(frames=9, packets=9)
        desk.jobs.gate.set()
        row = await desk.until(await desk.clip(), "failed")
        assert row["error_message"].endswith("not the one asked for: 9 frames instead of 10")
        assert desk.files() == []


async def test_progress_is_reported_once_a_second_and_changes_no_row(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    async with exporting(tmp_path) as desk:
        clip_id = await desk.clip()
        await desk.encoding()
        rev = (await desk.row(clip_id))["rev"]
        before = len(desk.events(clip_id))
        for second in (1.0, 2.0, 4.0, 4.0, 100.0):
            desk.jobs.tell(second / 2)
            desk.jobs.tell(second)
            mock_clock.jump(1.0)
            await wait_all_tasks_blocked()
        events = desk.events(clip_id)[before:]
        assert [event["progress"] for event in events] == [0.125, 0.25, 0.5, 0.99]
        assert {event["clip"]["rev"] for event in events} == {rev}
        assert {event["clip"]["status"] for event in events} == {"processing"}
        desk.jobs.gate.set()
        await desk.until(clip_id, "ready")


@pytest.mark.parametrize("change", ["trim", "delete"])
async def test_a_trim_or_a_delete_stops_the_export_at_once_and_leaves_no_file(
    tmp_path: Path, mock_clock: MockClock, change: str
) -> None:
    async with exporting(tmp_path) as desk:
        clip_id = await desk.clip()
        await desk.encoding()
        if change == "trim":
            await desk.patch(clip_id, duration_seconds=5.0)
            await desk.encoding(2)
            desk.jobs.inspection = inspected(end_s=5.0)
            desk.jobs.gate.set()
            row = await desk.until(clip_id, "ready")
            assert (row["media_rev"], row["ready_media_rev"], row["attempts"]) == (2, 2, 1)
            assert desk.files() == [f"{desk.session_id}/{clip_id}-m2.mp4"]
        else:
            await desk.store.write(lambda tx: marks.delete_clip(tx, COACH, mark_rules(), clip_id))
            await turns(lambda: not desk.jobs.under_way and not desk.files())


async def test_a_file_finished_as_its_clip_was_deleted_is_garbage(
    tmp_path: Path, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with exporting(tmp_path) as desk:
        clip_id = await desk.clip()
        await desk.encoding()
        write_retrying = desk.store.write_retrying

        async def too_late(closure: Any, again: Any = None) -> Any:
            await desk.store.write(lambda tx: marks.delete_clip(tx, COACH, mark_rules(), clip_id))
            return await write_retrying(closure, again)

        monkeypatch.setattr(Store, "write_retrying", lambda self, *closures: too_late(*closures))
        desk.jobs.gate.set()
        await turns(lambda: desk.handle.statistics()["running"] == 0)
        paths = await desk.store.read(lambda tx: tx.all("SELECT path FROM garbage"))
        assert [each["path"] for each in paths] == desk.files() == [f"{desk.session_id}/{clip_id}-m1.mp4"]
        assert await desk.store.read(lambda tx: tx.value("SELECT count(*) FROM plans")) == 0


async def test_instant_clips_pass_forty_exports_that_wait_as_rows(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    async with exporting(tmp_path) as desk:
        exports = [await desk.clip("transcode") for _ in range(40)]
        await desk.encoding()
        row = await desk.until(await desk.clip("instant"), "ready")
        assert row["attempts"] == 1 and mock_clock.current_time() == 0
        await turns(lambda: len(desk.events(exports[-1])) > 0)
        rows = [await desk.row(each) for each in exports]
        assert [row["status"] for row in rows] == ["processing"] + ["pending"] * 39, "oldest first"
        assert [row["attempts"] for row in rows] == [1] + [0] * 39, "a crash now counts against one alone"
        figures = desk.handle.statistics()
        assert (figures["exports"], figures["waiting"], figures["running"]) == (39, 0, 1)
        desk.jobs.gate.set()
        await desk.until(exports[-1], "ready")
        assert desk.jobs.most == 1 and set(desk.jobs.modes) == {"transcode"}


async def test_the_answer_to_a_mark_does_not_wait_for_an_export(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    async with exporting(tmp_path) as desk:
        clip_id = await desk.clip()
        await desk.encoding()
        await desk.handle.settle([clip_id])
        assert mock_clock.current_time() == 0
        desk.jobs.gate.set()
        await desk.until(clip_id, "ready")


async def test_without_a_worker_an_export_waits_without_using_an_attempt(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    async with exporting(tmp_path) as desk:
        desk.jobs.trouble = Unavailable("no_worker", "media workers do not start")
        desk.jobs.gate.set()
        clip_id = await desk.clip()
        await desk.encoding()
        row = await desk.until(clip_id, "pending")
        assert (row["attempts"], row["waiting_for"], desk.files()) == (0, "worker", [])
        await wait_all_tasks_blocked()
        assert len(desk.jobs.modes) == 1, "it is not tried again at once"
        desk.jobs.trouble = None
        mock_clock.jump(4.0)
        assert (await desk.until(clip_id, "ready"))["attempts"] == 1


async def test_media_that_cannot_be_encoded_fails_with_the_reason_and_can_be_retried(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    async with exporting(tmp_path) as desk:
        desk.jobs.trouble = Refused(409, "bad_media", "no frame is shown")
        desk.jobs.gate.set()
        clip_id = await desk.clip()
        row = await desk.until(clip_id, "failed")
        assert row["error_message"] == "The clip could not be encoded: no frame is shown"
        desk.jobs.trouble = None
        await desk.store.write(lambda tx: marks.retry_clip(tx, COACH, clip_id))
        assert (await desk.until(clip_id, "ready"))["retries"] == 1


async def test_a_box_that_stops_puts_its_export_back_without_an_attempt(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    async with exporting(tmp_path) as desk:
        clip_id = await desk.clip()
        await desk.encoding()
        desk.stop()
    async with sim_store(tmp_path) as store:
        row = await store.read(lambda tx: tx.one("SELECT * FROM clips WHERE id = ?", (clip_id,)))
        assert row is not None
        assert (row["status"], row["attempts"], row["waiting_for"]) == ("pending", 0, "worker")
        assert desk.files() == []


async def test_another_mode_is_another_cut_and_the_old_one_plays_meanwhile(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    async with exporting(tmp_path) as desk:
        clip_id = await desk.clip("instant")
        await desk.until(clip_id, "ready")
        await desk.patch(clip_id, mode="instant")
        assert (await desk.row(clip_id))["media_rev"] == 1, "nothing was changed"
        await desk.patch(clip_id, mode="transcode")
        await desk.encoding()
        row = await desk.row(clip_id)
        assert (row["mode"], row["media_rev"], row["ready_media_rev"]) == ("transcode", 2, 1)
        desk.jobs.gate.set()
        assert (await desk.until(clip_id, "ready"))["ready_media_rev"] == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, None),
        ({"end_s": 8.04}, None),
        ({"end_s": 7.9}, "7.900 s instead of 8.000"),
        ({"read_error": "EOF"}, "it cannot be read to its end: EOF"),
        ({"codec": ""}, "its video is missing"),
        ({"errors": 2}, "2 packets cannot be decoded"),
        ({"packets": 13}, "3 frames are hidden"),
        ({"width": 322}, "pictures of 322x180"),
        ({"sounds": 1}, "1 sound tracks instead of 0"),
    ],
)
def test_every_difference_from_the_plan_is_seen(changes: dict[str, Any], message: str | None) -> None:
    assert difference(inspected(**changes), plan_of(0, 8 * SECOND, 8 * SECOND)) == message


def test_sound_is_reported_by_its_handler() -> None:
    assert has_sound(b"xxxxhdlr" + bytes(8) + b"soun")
    assert not has_sound(b"xxxxhdlr" + bytes(8) + b"vide" + b"soun")
