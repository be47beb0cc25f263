"""A file by tus to a real process that is killed, as scripts/faults does it for 2 GB."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import upload_cuts as faults


@pytest.mark.slow
async def test_a_file_survives_cuts_and_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "ROUND", 1_000_000)
    tally = await faults.upload_cuts(6, 1, tmp_path)
    assert tally.is_clean, tally.violations
    assert tally.rounds == 6
