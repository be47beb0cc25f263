"""Setup of every recorder test."""

from __future__ import annotations

import pytest

from tests.box.recorder import family


@pytest.fixture(autouse=True)
def _children_of_others() -> None:
    family.remember()
