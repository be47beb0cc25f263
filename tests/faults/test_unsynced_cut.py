"""Power cuts before a growing recording is synced."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.unsynced_cut import unsynced_cuts

pytestmark = pytest.mark.slow


async def test_clips_of_bytes_that_were_not_synced_are_cut_again_or_say_so(tmp_path: Path) -> None:
    tally = await unsynced_cuts(8, 1, tmp_path)
    assert tally.violations == [] and tally.lost == 0
    assert tally.rounds == 8 and tally.struck >= 4
