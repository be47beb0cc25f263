"""Zones by position."""

from __future__ import annotations

import pytest

from appliance.cloud.scoring.rules.model import Zone
from appliance.cloud.scoring.rules.reader import load_rules
from appliance.cloud.scoring.tables.zones import ZoneMap


def league_one() -> ZoneMap:
    """Promotion 1-2, play-offs 3-6, relegation 21-24."""
    return ZoneMap(load_rules("england:3", "2010-11").zones, 24)


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
        (24, (21, 24), True, True),
        (21, (6, 24), False, False),
    ],
)
def test_certain_and_out_of_reach(
    position: int, reach: tuple[int, int], is_certain: bool, is_out: bool
) -> None:
    assert (league_one().is_certain(position, reach), league_one().is_out(reach)) == (is_certain, is_out)


def test_a_table_without_zones_claims_nothing() -> None:
    assert not ZoneMap((), 4).is_out((4, 4)) and ZoneMap((), 4).name(1) is None


def test_places_of_one_zone() -> None:
    assert league_one().is_one(1, 2) and not league_one().is_one(2, 2) and league_one().is_one(7, 14)


def test_every_place_has_its_zone() -> None:
    names = [league_one().name(position) for position in range(1, 25)]
    assert names == ["Promotion"] * 2 + ["Play-offs"] * 4 + [None] * 14 + ["Relegation"] * 4


def test_a_zone_of_all_places_counted_from_the_bottom() -> None:
    """Wanted: the last three of four."""
    zones = ZoneMap((Zone("Rest", "qualification", -3, -1),), 4)
    assert [zones.name(position) for position in range(1, 5)] == [None, "Rest", "Rest", "Rest"]
    assert zones.is_certain(2, (2, 4)) and zones.is_out((1, 1)) and not zones.is_out((1, 2))
