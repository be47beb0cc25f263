"""kill -9, a few times with all clients at work; scripts/faults does it for hours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.kills import ANSWERS, daemon_kills, worker_kills

pytestmark = [
    pytest.mark.slow,
    # a request interrupted by the box's death, or by the end of the game
    pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning"),
]


async def test_kill_9_of_the_daemon_loses_no_answer_and_no_event(tmp_path: Path) -> None:
    tally = await daemon_kills(3, 1, tmp_path)
    assert tally.violations == [] and tally.lost == 0
    assert tally.rounds == 3 and tally.acknowledged >= 3 * ANSWERS


async def test_kill_9_of_a_media_worker_costs_no_picture(tmp_path: Path) -> None:
    tally = await worker_kills(3, 1, tmp_path)
    assert tally.violations == [] and tally.lost == 0
    assert tally.rounds == tally.struck == 3 and tally.acknowledged > 12
