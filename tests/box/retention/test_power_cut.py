"""Power cuts while retention deletes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from appliance.box.recordings import actor
from tests.box.retention.power_cut import retention_cuts

pytestmark = pytest.mark.slow


async def test_a_power_cut_around_a_deletion_leaves_a_recording_or_its_deletion_event(tmp_path: Path) -> None:
    tally = await retention_cuts(10, 1, tmp_path)
    assert tally.violations == [] and tally.lost == 0
    assert tally.rounds == 10 and tally.struck >= 5


async def test_a_deletion_that_is_not_synced_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the test above would prove nothing."""

    def unlink_lazily(recordings_dir: Path, channel_id: str, segments: Iterable[str]) -> None:
        directory = os.open(recordings_dir / channel_id, os.O_RDONLY)
        for segment in segments:
            os.unlink(segment, dir_fd=directory)
        os.close(directory)

    monkeypatch.setattr(actor, "unlink_segments", unlink_lazily)
    tally = await retention_cuts(5, 1, tmp_path)
    assert any("the rows say otherwise" in wrong for wrong in tally.violations)
