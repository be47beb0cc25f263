"""Zones by position."""

from __future__ import annotations

import pytest

from appliance.cloud.scoring.rules.reader import load_rules
from appliance.cloud.scoring.tables.zones import ZoneMap

LEAGUE_ONE = ZoneMap(load_rules("england:3", "2010-11").zones, 24)  # 1-2, 3-6, 21-24


@pytest.mark.parametrize(
    ("position", "reach", "is_certain", "is_out"),
    [
        (1, (1, 2), True, False),
        (1, (1, 3), False, False),
        (3, (1, 6), True, False),  # the play-offs or better
        (6, (3, 7), False, False),
        (10, (7, 20), False, True),
        (7, (6, 9), False, False),
        (22, (21, 24), True, True),
        (22, (20, 24), False, True),
    ],
)
def test_certain_and_out_of_reach(
    position: int, reach: tuple[int, int], is_certain: bool, is_out: bool
) -> None:
    assert (LEAGUE_ONE.is_certain(position, reach), LEAGUE_ONE.is_out(reach)) == (is_certain, is_out)


def test_a_table_without_zones_claims_nothing() -> None:
    assert not ZoneMap((), 4).is_out((4, 4)) and ZoneMap((), 4).name(1) is None


def test_places_of_one_zone() -> None:
    assert LEAGUE_ONE.is_one(1, 2) and not LEAGUE_ONE.is_one(2, 2) and LEAGUE_ONE.is_one(7, 14)
