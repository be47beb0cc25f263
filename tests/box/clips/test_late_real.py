"""A camera that reconnects with another picture size, with the real index: the clip is cut once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.box.clips.cutting import late_footage
from appliance.box.clips.cutting.cutter import run_cutter
from appliance.box.clips.cutting.planner import Planner
from appliance.box.clips.model import ClipIn
from appliance.box.clips.records import marks
from appliance.box.clips.records.marks import MarkRules
from appliance.box.clips.viewing.thumbnails import Pictures
from appliance.box.recordings.actor import RecordingsHandle, run_recordings
from appliance.box.recordings.following import footage_facts
from appliance.box.recordings.following.channel_state import WhyEnded
from appliance.box.recordings.model import Fact
from appliance.kernel.clock import BoxClock, to_rfc3339, wall_us
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import Row, Tx
from appliance.media.cut.plan import Plan
from appliance.media.index.spans import Reason
from tests.box.recordings.clocks.test_file_times import BEGUN_US, following, leaping
from tests.kit.box import COACH, add_channel, add_session, mark_rules, types
from tests.kit.camera import RecordingWriter, make_footage
from tests.kit.waiting import LIMIT_S

LOOKS = 20
S = 1_000_000


def film(folder: Path) -> int:
    """Four seconds of one size, then three of another, without a gap; returns the end (us)."""
    at_us = wall_us() - 60 * S
    for run, (height, seconds) in enumerate(((180, 4), (144, 3))):
        footage = make_footage(
            frames=30 * seconds, fps=Fraction(30), gop=30, b_frames=0, height=height, sound=False
        )
        writer = RecordingWriter(folder, footage, at_us, run=run)
        at_us += seconds * S
        writer.write_until(at_us)
        writer.close()
    return at_us


class Counted(Planner):
    """Counts its plans."""

    asked = 0

    async def plan_span(self, channel_id: str, start_us: int, end_us: int, latency_us: int) -> Plan:
        Counted.asked += 1
        return await super().plan_span(channel_id, start_us, end_us, latency_us)


async def announce(fact: Fact) -> None:
    await trio.lowlevel.checkpoint()


def covered_us(handle: RecordingsHandle, start_us: int, end_us: int) -> int:
    return handle.covered_us("cam1", start_us, end_us)


async def the_clip(store: Store) -> Row:
    row = await store.read(lambda tx: tx.one("SELECT * FROM clips"))
    assert row is not None
    return row


@dataclass
class Desk:
    """The real index and cutter over a folder of recordings."""

    store: Store
    handle: RecordingsHandle
    planner: Counted
    session_id: str

    async def clip(self, start_us: int, end_us: int, rules: MarkRules, status: str = "ready") -> None:
        """Mark it, and wait until it has this `status`."""
        body = ClipIn.model_validate(
            {
                "session_id": self.session_id,
                "channel_id": "cam1",
                "start_time": to_rfc3339(start_us),
                "duration_seconds": (end_us - start_us) / 1e6,
            }
        )
        await self.store.write(lambda tx: marks.create_clip(tx, COACH, rules, body))
        await self.until(lambda row: row["status"] == status)

    async def until(self, condition: Callable[[Row], bool]) -> Row:
        """The clip, once the condition holds."""
        with trio.fail_after(LIMIT_S):
            while True:
                seen = self.store.journal.changed.count
                if condition(row := await the_clip(self.store)):
                    return row
                await self.store.journal.changed.wait_past(seen)


def session_of(tx: Tx) -> str:
    """The session of a box that may have run before."""
    if (known := tx.value("SELECT id FROM sessions")) is not None:
        return str(known)
    add_channel(tx, "cam1")
    return add_session(tx)


@asynccontextmanager
async def desk_over(folder: Path, rules: MarkRules, why_ended: WhyEnded | None = None) -> AsyncIterator[Desk]:
    clock = BoxClock.start(None, None)
    async with open_store(folder / "box.db", clock) as store, trio.open_nursery() as nursery:
        session_id = await store.write(session_of)
        handle: RecordingsHandle = await nursery.start(
            lambda task_status: run_recordings(
                recordings_dir=folder,
                index_dir=folder / "index",
                channels={"cam1": 0},
                clock=clock,
                name_timezone=UTC,
                announce=announce,
                why_ended=why_ended,
                task_status=task_status,
            )
        )
        planner = Counted(handle, handle.reads)
        await nursery.start(
            lambda task_status: run_cutter(
                store=store,
                footage=handle,
                source_down=lambda channel_id: False,
                rules=rules,
                clock=clock,
                plan_span=planner.plan_span,
                task_status=task_status,
            )
        )
        yield Desk(store, handle, planner, session_id)
        nursery.cancel_scope.cancel()


async def test_a_clip_over_a_change_of_size_is_cut_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_footage, "CHECK_S", 0.02)
    monkeypatch.setattr(Counted, "asked", 0)
    filmed_us = film(tmp_path / "cam1")
    async with desk_over(tmp_path, mark_rules()) as desk:
        start_us, end_us = filmed_us - 7 * S, filmed_us - S // 10
        with trio.fail_after(LIMIT_S):
            # a walk may signal earlier
            while covered_us(desk.handle, start_us, end_us) < 6.89 * S:  # noqa: ASYNC110
                await trio.sleep(0.01)
        await desk.clip(start_us, end_us, mark_rules())
        for _ in range(LOOKS):
            desk.handle.changed.notify()
            await trio.sleep(0.03)
        row = await the_clip(desk.store)
        assert '"reason":"format_change"' in row["coverage"]
        covered = covered_us(desk.handle, start_us, end_us)
        assert covered > 6.89 * S, "the index covers what the clip cannot show"
        assert (row["media_rev"], types(desk.store).count("clip_ready")) == (1, 1)
        assert Counted.asked == 2, "the cut, and one look at whether there is more"


async def test_a_clip_cut_before_the_outage_had_a_reason_gets_it_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E9: the reason MediaMTX's API gives arrives after the cut; the clip is not cut again."""
    monkeypatch.setattr(late_footage, "CHECK_S", 0.02)
    monkeypatch.setattr(footage_facts, "STALLED_S", 60.0)  # no outage is reported before the clip is cut
    rules, known = mark_rules(coverage_wait_s=1), list[Reason]()
    footage = make_footage(frames=90, fps=Fraction(30), gop=30, b_frames=0, sound=False)
    async with desk_over(tmp_path, rules, lambda channel_id, since_s: known[0] if known else None) as desk:
        writer = RecordingWriter(tmp_path / "cam1", footage, wall_us() - 3 * S)
        writer.write_seconds(3)
        with trio.fail_after(LIMIT_S):
            while covered_us(desk.handle, 0, wall_us() + 60 * S) < 2.5 * S:  # noqa: ASYNC110  # see above
                await trio.sleep(0.01)
        until_us = desk.handle.video_until_us("cam1")  # by its arrival time: the machine may be busy
        assert until_us is not None
        await desk.clip(until_us - 2 * S, until_us + S, rules)
        known.append("recorder_restart")
        monkeypatch.setattr(footage_facts, "STALLED_S", 0.1)
        row = await desk.until(lambda row: '"reason":"recorder_restart"' in row["coverage"])
        assert (row["status"], row["media_rev"], row["retries"]) == ("ready", 1, 0)
        assert types(desk.store).count("clip_ready") == 1


async def test_a_clip_over_copied_files_is_cut_again_when_the_next_one_shows_a_leap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Media time of the first file jumps by 3 s; only the second file shows that no picture is missing."""
    monkeypatch.setattr(late_footage, "CHECK_S", 0.02)
    folder = tmp_path / "cam1"
    folder.mkdir()
    leaping(tmp_path / "a.mp4", 3.0)
    following(tmp_path / "b.mp4", 12.0, 2.005)
    async with desk_over(tmp_path, mark_rules()) as desk:
        (tmp_path / "a.mp4").rename(folder / "a.mp4")
        with trio.fail_after(LIMIT_S):
            while not covered_us(desk.handle, BEGUN_US, BEGUN_US + 20 * S):  # noqa: ASYNC110  # see above
                await trio.sleep(0.01)
        await desk.clip(BEGUN_US + 4 * S, BEGUN_US + 8 * S, mark_rules())
        first = await the_clip(desk.store)
        assert '"missing":[{' in first["coverage"] and first["media_rev"] == 1
        (tmp_path / "b.mp4").rename(folder / "b.mp4")
        row = await desk.until(lambda row: row["media_rev"] == 2 and row["status"] == "ready")
        assert '"missing":[]' in row["coverage"]
        assert types(desk.store).count("clip_ready") == 2


async def key(recording: int, **job: Any) -> bytes:
    return b"key"


async def test_a_clip_without_footage_has_no_thumbnail_until_its_footage_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A channel that was never recorded: pictures are waited for no longer than footage."""
    monkeypatch.setattr(late_footage, "CHECK_S", 0.02)
    rules = mark_rules(coverage_wait_s=0.1)
    filmed_us = film(tmp_path / "elsewhere")
    async with desk_over(tmp_path, rules) as desk:
        pictures = Pictures(desk.store, desk.handle, key, tmp_path / "clips", desk.handle.reads)
        await desk.clip(filmed_us - 2 * S, filmed_us - S, rules, "failed")
        clip_id = (await the_clip(desk.store))["id"]
        for _ in range(2):
            with pytest.raises(Refused, match="No footage of cam1") as refused:
                await pictures.thumbnail(clip_id)
            assert (refused.value.status, refused.value.code) == (409, "no_picture")
        (tmp_path / "elsewhere").rename(tmp_path / "cam1")
        await desk.until(lambda row: row["status"] == "ready")
        assert (await pictures.thumbnail(clip_id)).jpeg == b"key"


async def test_a_clip_that_waits_for_its_first_footage_is_pending_with_its_picture(tmp_path: Path) -> None:
    rules = mark_rules()
    async with desk_over(tmp_path, rules) as desk:
        pictures = Pictures(desk.store, desk.handle, key, tmp_path / "clips", desk.handle.reads)
        await desk.clip(wall_us() - S, wall_us(), rules, "pending")
        with pytest.raises(Unavailable, match="thumbnail_pending"):
            await pictures.thumbnail((await the_clip(desk.store))["id"])
