"""What late footage changes in a row, and that nothing changes when the clip was changed meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from appliance.box.clips.cutting.late_clips import LateClip, find_late
from appliance.box.clips.cutting.late_footage import mend, reword
from appliance.kernel import json
from appliance.media.cut.coverage import MissingSpan
from tests.box.clips.cutting.test_late_footage import END_US, START_US, Desk, Piece, S, desk_in
from tests.kit.box import types
from tests.kit.hand_footage import plan_of

MISSING = [MissingSpan(START_US + 4 * S, END_US, "source_lost")]


@dataclass
class Lacking:
    """A ready clip that lacks its end."""

    desk: Desk
    late: LateClip

    async def mended(self, late: LateClip) -> bool:
        return await self.desk.store.write(partial(mend, late=late, plan=plan_of(START_US, END_US, END_US)))

    async def reasons(self, late: LateClip) -> list[str]:
        await self.desk.store.write(partial(reword, late=late, missing=MISSING))
        coverage = json.decode((await self.desk.row())["coverage"].encode())
        return [each["reason"] for each in coverage["missing"]]


@pytest.fixture
async def lacking(tmp_path: Path) -> AsyncIterator[Lacking]:
    async with desk_in(tmp_path) as desk:
        await desk.mark_over(Piece(0, 4, "A"))
        async with desk.cutter():
            await trio.sleep(10)
        (late,) = await desk.store.read(find_late)
        yield Lacking(desk, late)


async def test_a_clip_is_cut_with_the_new_plan_as_its_first_attempt(
    autojump_clock: MockClock, lacking: Lacking
) -> None:
    assert await lacking.mended(lacking.late)
    row = await lacking.desk.row()
    assert (row["media_rev"], row["attempts"], row["retries"]) == (lacking.late.media_rev + 1, 1, 1)
    assert types(lacking.desk.store)[-1] == "clip_ready"


async def test_reasons_are_replaced_in_the_row_and_published(
    autojump_clock: MockClock, lacking: Lacking
) -> None:
    assert await lacking.reasons(lacking.late) == ["source_lost"]
    assert types(lacking.desk.store)[-1] == "clip_updated"


@pytest.mark.parametrize("by", [-1, 1])
async def test_a_clip_that_was_cut_again_meanwhile_is_left_as_it_is(
    autojump_clock: MockClock, lacking: Lacking, by: int
) -> None:
    other = replace(lacking.late, media_rev=lacking.late.media_rev + by)
    published = types(lacking.desk.store)
    assert not await lacking.mended(other)
    assert await lacking.reasons(other) == ["format_change"]
    assert types(lacking.desk.store) == published


async def test_a_clip_that_waits_or_is_deleted_is_left_as_it_is(
    autojump_clock: MockClock, lacking: Lacking
) -> None:
    for change in ("status = 'pending'", "status = 'ready', deleted_us = 1"):
        await lacking.desk.store.write(lambda tx, change=change: tx.run(f"UPDATE clips SET {change}"))  # type: ignore[misc]
        assert not await lacking.mended(lacking.late)
        assert await lacking.reasons(lacking.late) == ["format_change"]


async def test_an_export_waits_for_a_worker(autojump_clock: MockClock, lacking: Lacking) -> None:
    await lacking.desk.store.write(lambda tx: tx.run("UPDATE clips SET mode = 'exact'"))
    assert await lacking.mended(lacking.late)
    assert (await lacking.desk.row())["status"] == "pending"
    assert types(lacking.desk.store)[-1] == "clip_updated"
