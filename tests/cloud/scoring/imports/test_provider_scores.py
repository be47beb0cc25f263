"""Fields that look like the result and contain the shoot-out."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.cloud.scoring.imports.provider_scores import ProviderScore, football_data, sofascore


def test_sofascore_of_argentina_france_in_2022() -> None:
    """`current` is 7-5; the match ended 3-3 after extra time, 2-2 after 90 minutes, 4-2 on penalties."""
    home = {
        "current": 7,
        "display": 3,
        "period1": 2,
        "period2": 0,
        "normaltime": 2,
        "overtime": 1,
        "penalties": 4,
    }
    away = {
        "current": 5,
        "display": 3,
        "period1": 0,
        "period2": 2,
        "normaltime": 2,
        "overtime": 1,
        "penalties": 2,
    }
    assert sofascore(home, away) == ProviderScore((2, 2), (2, 0), (3, 3), (4, 2))


@pytest.mark.parametrize(
    ("home", "away", "expected"),
    [
        (
            {"current": 2, "display": 2, "normaltime": 2, "period1": 1},
            {"current": 0, "display": 0, "normaltime": 0, "period1": 0},
            ProviderScore((2, 0), (1, 0)),
        ),
        ({"current": 1, "display": 1}, {"current": 1, "display": 1}, ProviderScore((1, 1))),
        ({"current": 5, "penalties": 4}, {"current": 4, "penalties": 3}, ProviderScore(shoot_out=(4, 3))),
        ({}, {}, ProviderScore()),
        ({"display": "1"}, {"display": None}, ProviderScore()),
    ],
)  # fmt: skip
def test_sofascore(home: dict[str, Any], away: dict[str, Any], expected: ProviderScore) -> None:
    assert sofascore(home, away) == expected


def sides(home: int, away: int) -> dict[str, int]:
    return {"home": home, "away": away}


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        ({"duration": "REGULAR", "fullTime": sides(2, 1)}, ProviderScore((2, 1))),
        (
            {
                "duration": "EXTRA_TIME", "fullTime": sides(3, 2), "halfTime": sides(1, 0),
                "regularTime": sides(2, 2), "extraTime": sides(1, 0),
            },
            ProviderScore((2, 2), (1, 0), (3, 2)),
        ),
        (
            {
                "duration": "PENALTY_SHOOTOUT", "fullTime": sides(7, 5),
                "regularTime": sides(2, 2), "extraTime": sides(1, 1), "penalties": sides(4, 2),
            },
            ProviderScore((2, 2), None, (3, 3), (4, 2)),
        ),
        (
            {"duration": "PENALTY_SHOOTOUT", "fullTime": sides(7, 5), "penalties": sides(4, 2)},
            ProviderScore(None, None, (3, 3), (4, 2)),
        ),
        ({"duration": None, "fullTime": {"home": None, "away": None}}, ProviderScore()),
    ],
)  # fmt: skip
def test_football_data(score: dict[str, Any], expected: ProviderScore) -> None:
    assert football_data(score) == expected
