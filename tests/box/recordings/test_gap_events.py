"""recording_gap in the journal: one entry at its start, one at its end."""

from __future__ import annotations

from pathlib import Path

import trio.testing

from appliance.box.recordings.gap_events import journal_gap
from appliance.box.recordings.model import RecordingGap
from appliance.kernel import json
from tests.kit.box import add_channel, sim_store
from tests.kit.clock import KICKOFF_US


async def test_a_gap_is_journaled_when_it_begins_and_again_with_its_end(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    begun = RecordingGap("cam1", KICKOFF_US, None, "source_lost")
    over = RecordingGap("cam1", KICKOFF_US, KICKOFF_US + 4_000_000, "recorder_restart")
    async with sim_store(tmp_path) as store:
        await store.write(lambda tx: add_channel(tx, "cam1"))
        assert await store.write(lambda tx: journal_gap(tx, begun))
        assert await store.write(lambda tx: journal_gap(tx, over))
        entries = store.journal.recent(0) or []
        events = [json.decode(entry.event) for entry in entries if entry.type == "recording_gap"]
        assert [(event["end"], event["reason"]) for event in events] == [
            (None, "source_lost"),
            ("2026-11-20T19:00:04.000000Z", "recorder_restart"),
        ]
        assert {(event["channel_id"], event["start"]) for event in events} == {
            ("cam1", "2026-11-20T19:00:00.000000Z")
        }


async def test_a_gap_seen_again_after_a_restart_is_reported_once(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    gap = RecordingGap("cam1", KICKOFF_US, KICKOFF_US + 2_000_000, "recorder_restart")
    async with sim_store(tmp_path) as store:
        await store.write(lambda tx: add_channel(tx, "cam1"))
        assert await store.write(lambda tx: journal_gap(tx, gap))
        assert not await store.write(lambda tx: journal_gap(tx, gap))


async def test_a_folder_without_a_channel_has_no_events(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    gap = RecordingGap("ghost", KICKOFF_US, None, "source_lost")
    async with sim_store(tmp_path) as store:
        assert not await store.write(lambda tx: journal_gap(tx, gap))
        assert store.journal.head == 0
