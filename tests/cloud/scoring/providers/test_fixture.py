"""Invented seasons: the same everywhere, with results that come with time, read like real files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cloud.scoring.imports.model import SeasonFile
from appliance.cloud.scoring.knockouts.slots import slot
from appliance.cloud.scoring.providers.fixture import Fixture
from appliance.cloud.scoring.providers.invented_season import CLUBS, recipe, season
from appliance.cloud.scoring.providers.model import ProviderFailed, Wanted
from appliance.cloud.scoring.providers.readers import read_answer
from appliance.kernel.clock import DAY_US, from_rfc3339
from tests.kit.clock import HandClock

LEAGUE = "league-6@2026-08-15"
CUP = "cup-8@2026-11-01T18:30"


def provider_at(text: str) -> Fixture:
    return Fixture(HandClock(from_rfc3339(text)))


async def season_at(text: str, reference: str) -> SeasonFile:
    provider, wanted = provider_at(text), Wanted(reference)
    return read_answer(provider.name, await provider.fetch(provider.address(wanted)), wanted)


async def test_every_club_meets_every_other_at_home_and_away_and_plays_once_a_round() -> None:
    file = await season_at("2027-12-01T00:00:00Z", LEAGUE)
    assert file.defects == [] and len(file.matches) == 30
    assert len({(each.home, each.away) for each in file.matches}) == 30
    assert {each.status for each in file.matches} == {"ended"}
    for slug in {each.slug for each in file.matches}:
        clubs = [name for each in file.matches if each.slug == slug for name in (each.home, each.away)]
        assert sorted(clubs) == sorted(CLUBS[:6])


async def test_results_come_with_time() -> None:
    before = await season_at("2026-08-15T16:44:59Z", LEAGUE)
    after = await season_at("2026-08-15T16:45:00Z", LEAGUE)
    assert {each.status for each in before.matches} == {"open"}
    ended = [each for each in after.matches if each.status == "ended"]
    assert {each.slug for each in ended} == {"matchday-1"} and len(ended) == 2  # the third begins at 17:00
    assert [(each.home, each.away) for each in before.matches] == [
        (each.home, each.away) for each in after.matches
    ]


async def test_a_reference_may_say_when_results_are_there() -> None:
    early = await season_at("2026-11-30T12:05:00Z", "league-4@2026-11-30T12:00/5")
    assert [each.slug for each in early.matches if each.status == "ended"] == ["matchday-1"]


async def test_a_cup_fills_its_slots_as_ties_are_decided() -> None:
    first = await season_at("2026-10-31T00:00:00Z", CUP)
    assert [slot(each.home) is None for each in first.matches] == [True] * 4 + [False] * 3
    final = await season_at("2027-01-01T00:00:00Z", CUP)
    assert final.defects == [] and {each.kind for each in final.matches} == {"knockout"}
    assert all(slot(each.home) is None and each.status == "ended" for each in final.matches)
    assert [each.round for each in final.matches] == ["Quarter-finals"] * 4 + ["Semi-finals"] * 2 + ["Final"]


@given(st.integers(0, 400))
def test_a_result_never_changes_once_it_is_there(days: int) -> None:
    given_recipe = recipe(CUP)
    assert given_recipe is not None
    start = datetime(2026, 10, 1, tzinfo=UTC)
    earlier = season(given_recipe, start + timedelta(days=days))["matches"]
    later = season(given_recipe, start + timedelta(days=days + 7))["matches"]
    for one, other in zip(earlier, later, strict=True):
        assert "score" not in one or one == other


@pytest.mark.parametrize(
    "reference",
    ["", "league-5@2026-08-15", "league-40@2026-08-15", "cup-6@2026-08-15", "league-4@2026-13-01"],
)
def test_another_reference_is_refused(reference: str) -> None:
    with pytest.raises(ProviderFailed) as caught:
        provider_at("2026-08-15T00:00:00Z").address(Wanted(reference))
    assert caught.value.code == "bad_reference"


def test_a_day_is_a_day() -> None:
    found = recipe("league-20@2026-08-15T12:30")
    assert found is not None and (found.clubs, found.ends_min) == (20, 105)
    assert found.first.timestamp() * 1e6 % DAY_US == 12.5 * 3600e6
