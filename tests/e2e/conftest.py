"""What several files of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.game import Game, recorded_game


@pytest.fixture(scope="package")
def game(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Game]:
    """The recorded game: about 12 s, once."""
    with recorded_game(tmp_path_factory.mktemp("game")) as one:
        yield one
