"""Kills of processes and of their PostgreSQL, and its disk full: the small forms of `scripts/faults --only
postgres_kill`, `postgres_full`, `cloud_kill` and `logging_kill`."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.kernel.postgres import server as servers
from tests.faults.cloud_kills import cloud_kills
from tests.faults.logging_kills import logging_kills
from tests.faults.postgres_full import full_disks
from tests.faults.postgres_kills import process_kills
from tests.kit import postgres

pytestmark = [pytest.mark.slow, pytest.mark.postgres]


async def test_processes_and_server_are_killed_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    if reason := postgres.missing():
        pytest.skip(reason)
    tally = await process_kills(10, 1, tmp_path)
    assert tally.violations == [] and tally.lost == 0
    assert tally.struck == 10 and tally.acknowledged >= 200


async def test_a_disk_that_is_full_loses_nothing_and_is_used_again_once_there_is_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason := postgres.missing():
        pytest.skip(reason)
    monkeypatch.setattr(servers, "AWAY_S", 0.5)
    tally = await full_disks(1, 1, tmp_path)
    assert tally.violations == [] and tally.lost == 0 and tally.struck == 1


async def test_two_services_are_killed_with_their_server_and_every_create_stands_once(tmp_path: Path) -> None:
    if reason := postgres.missing():
        pytest.skip(reason)
    tally = await cloud_kills(2, 1, tmp_path)
    assert tally.violations == [] and tally.lost == 0
    assert tally.struck == 2 and tally.acknowledged >= 25


async def test_services_are_killed_and_every_job_is_given_and_logged_once(tmp_path: Path) -> None:  # L10 L15
    if reason := postgres.missing():
        pytest.skip(reason)
    tally = await logging_kills(2, 1, tmp_path)
    assert tally.violations == [] and tally.lost == 0
    assert tally.struck == 2 and tally.acknowledged == 24
