"""Whose a tournament is."""

from __future__ import annotations

import pytest

from appliance.cloud.scoring.public.owners import may_own
from appliance.kernel.operation import Caller


@pytest.mark.parametrize(
    ("caller", "league_id", "may"),
    [
        (Caller(role="admin"), None, True),
        (Caller(role="internal"), "a", True),
        (Caller(role="league", scopes=("league:a", "league:b")), "b", True),
        (Caller(role="league", scopes=("league:a",)), "b", False),
        (Caller(role="league", scopes=("league:a",)), None, False),
        (Caller(role="league"), None, False),
    ],
)
def test_a_league_owns_the_tournaments_of_its_scope(caller: Caller, league_id: str | None, may: bool) -> None:
    assert may_own(caller, league_id) is may
