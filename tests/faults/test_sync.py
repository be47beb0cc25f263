"""Kills of both sides of a link: the small form of `scripts/faults --only sync`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.sync_kills import sync_kills

pytestmark = [pytest.mark.slow, pytest.mark.postgres]


async def test_box_and_hosted_side_are_killed_and_all_arrives_once(tmp_path: Path) -> None:
    tally = await sync_kills(10, 1, tmp_path)
    assert tally.violations == [] and tally.lost == 0
    assert tally.struck == 10 and tally.acknowledged >= 10
