"""Providers' words for the state of a match."""

from __future__ import annotations

import pytest

from appliance.cloud.scoring.imports.statuses import status_of


@pytest.mark.parametrize(
    ("word", "status"),
    [  # D21
        ("finished", "ended"), ("AP", "ended"), ("AET", "ended"), ("awarded", "ended"), ("closed", "ended"),
        ("notstarted", "open"), ("inprogress", "open"), ("IN_PLAY", "open"), ("TIMED", "open"),
        ("postponed", "not-defined"), ("CANCELED", "not-defined"), ("abandoned", "not-defined"),
        ("suspended", "not-defined"), ("coverage lost", "not-defined"),
    ],
)  # fmt: skip
def test_status(word: str, status: str) -> None:
    assert status_of(word)[0] == status


def test_the_providers_word_is_kept() -> None:
    assert status_of("Coverage  lost")[1] == "coverage lost" and status_of("canceled")[1] == "cancelled"
