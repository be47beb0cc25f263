"""What every recordings test begins with."""

from __future__ import annotations

import pytest

from tests.recordings import family


@pytest.fixture(autouse=True)
def _children_of_others() -> None:
    family.remember()
