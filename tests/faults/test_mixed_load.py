"""A few seconds of all loads at once; scripts/faults --only mixed_load --rounds 60 does it for an hour."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.mixed_load import mixed_load

pytestmark = [
    pytest.mark.slow,
    # requests interrupted by the end of the load
    pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning"),
]


async def test_everybody_at_once_is_served_by_one_process(tmp_path: Path) -> None:
    tally = await mixed_load(2, 1, tmp_path, round_s=3)
    assert tally.violations == []
    assert tally.rounds == 2 and tally.acknowledged > 10
