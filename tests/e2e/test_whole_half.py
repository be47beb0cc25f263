"""Nobody loses a play: a small half of two tablets, judged as the whole one of scripts/faults is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.half import half
from tests.kit.browser import executable

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]


def test_a_small_half_loses_nothing(tmp_path: Path) -> None:
    """A lost link, a killed box, another session, undo, trim, tags, a star: each play once, by whom."""
    _, tally = half({"coach": "chromium", "operator": "chromium"}, 0, 1, tmp_path)
    assert tally.violations == []
    assert tally.lost == 0
