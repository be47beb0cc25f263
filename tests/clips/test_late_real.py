"""A camera that comes back with another picture size, under the real index: the clip is cut once."""

from __future__ import annotations

from datetime import UTC
from fractions import Fraction
from pathlib import Path

import pytest
import trio

from appliance.clips import late, marks
from appliance.clips.cutter import run_cutter
from appliance.clips.model import ClipIn
from appliance.clips.planner import Planner
from appliance.kernel.clock import BoxClock, to_rfc3339, wall_us
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import Row
from appliance.media.plan import Plan
from appliance.recordings.follower import RecordingsHandle, run_recordings
from appliance.recordings.model import Fact
from tests.kit.box import COACH, add_channel, add_session, mark_rules, types
from tests.kit.camera import RecordingWriter, make_footage
from tests.kit.waiting import LIMIT_S

LOOKS = 20
S = 1_000_000


def film(folder: Path) -> int:
    """Four seconds of one size, then three of another, without a gap; the end (us)."""
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


async def test_a_clip_over_a_change_of_size_is_cut_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late, "CHECK_S", 0.02)
    filmed_us, clock = film(tmp_path / "cam1"), BoxClock.start(None, None)
    async with open_store(tmp_path / "box.db", clock) as store, trio.open_nursery() as nursery:
        await store.write(lambda tx: add_channel(tx, "cam1"))
        session_id = await store.write(add_session)
        handle: RecordingsHandle = await nursery.start(
            lambda task_status: run_recordings(
                recordings_dir=tmp_path,
                index_dir=tmp_path / "index",
                channels={"cam1": 0},
                clock=clock,
                name_timezone=UTC,
                announce=announce,
                task_status=task_status,
            )
        )
        start_us, end_us = filmed_us - 7 * S, filmed_us - S // 10
        with trio.fail_after(LIMIT_S):
            while covered_us(handle, start_us, end_us) < 6.89 * S:  # noqa: ASYNC110  # a walk may ring before
                await trio.sleep(0.01)
        planner = Counted(handle, handle.reads)
        await nursery.start(
            lambda task_status: run_cutter(
                store=store,
                footage=handle,
                source_down=lambda channel_id: False,
                rules=mark_rules(),
                clock=clock,
                plan_span=planner.plan_span,
                task_status=task_status,
            )
        )
        body = ClipIn.model_validate(
            {
                "session_id": session_id,
                "channel_id": "cam1",
                "start_time": to_rfc3339(start_us),
                "duration_seconds": (end_us - start_us) / 1e6,
            }
        )
        await store.write(lambda tx: marks.create_clip(tx, COACH, mark_rules(), body))
        with trio.fail_after(LIMIT_S):
            while True:
                seen = store.journal.changed.count
                if (await the_clip(store))["status"] == "ready":
                    break
                await store.journal.changed.wait_past(seen)
        for _ in range(LOOKS):
            handle.changed.ring()
            await trio.sleep(0.03)
        row = await the_clip(store)
        assert '"reason":"format_change"' in row["coverage"]
        assert covered_us(handle, start_us, end_us) > 6.89 * S, "the index covers what the clip cannot show"
        assert (row["media_rev"], types(store).count("clip_ready")) == (1, 1)
        assert Counted.asked == 2, "the cut, and one look at whether there is more"
        nursery.cancel_scope.cancel()
