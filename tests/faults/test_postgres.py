"""Kills of processes and of their PostgreSQL: the small form of `scripts/faults --only postgres_kill`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.postgres_kills import process_kills
from tests.kit import postgres

pytestmark = [pytest.mark.slow, pytest.mark.postgres]


async def test_processes_and_server_are_killed_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    if reason := postgres.missing():
        pytest.skip(reason)
    tally = await process_kills(10, 1, tmp_path)
    assert tally.violations == [] and tally.lost == 0
    assert tally.struck == 10 and tally.acknowledged >= 200
