"""E9: the reason for a clip's missing footage is the timeline's, also when it is known only after the cut."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from appliance.kernel import json
from appliance.kernel.tx import Row
from appliance.media.cut.coverage import Reason
from appliance.media.index.spans import Gap
from tests.box.clips.cutting.test_late_footage import START_US, Piece, S, desk_in
from tests.kit.box import types


def words(row: Row) -> list[str]:
    return [each["reason"] for each in json.decode(row["coverage"].encode())["missing"]]


@pytest.mark.parametrize("first", ["no_footage", "source_lost", "indexing"])
async def test_a_reason_that_is_known_later_is_reported_without_another_cut(
    tmp_path: Path, autojump_clock: MockClock, first: Reason
) -> None:
    """E9: a clip cut just after the footage stopped finally has the timeline's reason."""
    async with desk_in(tmp_path) as desk:
        desk.footage.have, desk.planner.reason = [Piece(0, 4, "A")], first
        await desk.mark()
        async with desk.cutter():
            await trio.sleep(10)
            assert words(await desk.row()) == [first]
            desk.footage.published_gaps = [Gap(START_US + 4 * S, None, "recorder_restart")]
            for _ in range(20):
                desk.footage.changed.notify()
                await trio.sleep(2)
        row = await desk.row()
        assert (words(row), row["media_rev"], desk.cuts()) == (["recorder_restart"], 1, 1)
        assert types(desk.store)[-2:] == ["clip_ready", "clip_updated"], "said once"


async def test_a_missing_span_keeps_its_reason(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with desk_in(tmp_path) as desk:
        desk.footage.have = [Piece(0, 4, "A"), Piece(4, 9, "B")]
        await desk.mark()
        async with desk.cutter():
            await trio.sleep(10)
            desk.footage.published_gaps = [Gap(START_US, None, "recorder_restart")]
            for _ in range(5):
                desk.footage.changed.notify()
                await trio.sleep(2)
        assert set(words(await desk.row())) == {"format_change"}
