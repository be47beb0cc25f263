"""SofaScore: its rounds, scores and words."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from appliance.cloud.scoring.providers.model import ProviderFailed, Wanted
from appliance.cloud.scoring.providers.readers import read_answer
from appliance.cloud.scoring.providers.scrape.events import read_sofascore
from appliance.cloud.scoring.providers.scrape.sofascore import SofaScore
from appliance.kernel import json


def event(**other: Any) -> dict[str, Any]:
    """The final of 2022, as the provider has it."""
    given = {
        "id": 10385636,
        "startTimestamp": 1671375600,
        "status": {"code": 120, "type": "finished", "description": "AP"},
        "roundInfo": {"round": 29, "name": "Final", "slug": "final", "cupRoundType": 1},
        "winnerCode": 1,
        "homeTeam": {"name": "Argentina"},
        "awayTeam": {"name": "France"},
        "homeScore": {"current": 7, "display": 3, "period1": 2, "period2": 0, "normaltime": 2}
        | {"overtime": 1, "penalties": 4},
        "awayScore": {"current": 5, "display": 3, "period1": 0, "period2": 2, "normaltime": 2}
        | {"overtime": 1, "penalties": 2},
    }
    return {**given, **other}


def test_current_is_never_the_score() -> None:
    file = read_sofascore({"events": [event()]}, None)
    assert file is not None and file.defects == []
    (final,) = file.matches
    assert (final.score, final.extra_time, final.shoot_out) == ((2, 2), (3, 3), (4, 2))
    assert (final.slug, final.kind, final.status, final.detail) == ("final", "knockout", "ended", "ap")
    assert (final.kickoff, final.reference) == ("2022-12-18T15:00:00Z", "10385636")


def test_a_day_is_that_of_the_tournament() -> None:
    late = event(startTimestamp=1671409800)  # 00:30 UTC on the next day
    for zone, day in ((None, "2022-12-19"), (ZoneInfo("America/Sao_Paulo"), "2022-12-18")):
        file = read_sofascore({"events": [late]}, zone)
        assert file is not None and [each.date for each in file.matches] == [day]


@pytest.mark.parametrize(  # D21
    ("kind", "words", "status"),
    [
        ("notstarted", "Not started", "open"),
        ("inprogress", "2nd half", "open"),
        ("postponed", "Postponed", "not-defined"),
        ("canceled", "Canceled", "not-defined"),
        ("finished", "Abandoned", "not-defined"),
        ("finished", "Ended", "ended"),
        ("finished", "AET", "ended"),
        ("willcontinue", "", "not-defined"),
    ],
)
def test_its_words(kind: str, words: str, status: str) -> None:
    given = event(status={"type": kind, "description": words}, roundInfo={"round": 7})
    file = read_sofascore({"events": [given]}, None)
    assert file is not None
    assert [(each.status, each.slug) for each in file.matches] == [(status, "matchday-7")]


def test_what_is_no_match_is_a_defect() -> None:
    given = [3, event(homeTeam=None), event(startTimestamp="x"), event(homeScore=1, status=None)]
    file = read_sofascore({"events": given}, None)
    assert file is not None and file.found == 4
    assert [each.code for each in file.defects][:3] == ["not_a_match", "no_team", "no_date"]
    assert read_sofascore({"events": 1}, None) is None and read_sofascore([], None) is None


@pytest.mark.parametrize(
    ("wanted", "end"),
    [
        (Wanted("17/61627", "matchday-7"), "/17/season/61627/events/round/7"),
        (Wanted("16/41087", "final", kind="knockout"), "/16/season/41087/events/round/29/slug/final"),
        (
            Wanted("16/41087", "knockout-semi-finals", kind="knockout"),
            "/16/season/41087/events/round/28/slug/semifinals",
        ),
    ],
)
async def test_the_page_of_a_round_is_opened(wanted: Wanted, end: str) -> None:
    opened = []

    async def open_page(url: str) -> bytes:
        opened.append(url)
        return json.encode({"events": [event()]})

    provider = SofaScore(open_page)
    file = read_answer(provider.name, await provider.fetch(provider.address(wanted)), wanted)
    assert len(file.matches) == 1
    assert opened == [f"https://www.sofascore.com/api/v1/unique-tournament{end}"]


@pytest.mark.parametrize(
    "wanted", [Wanted("17", "matchday-1"), Wanted("17/1"), Wanted("17/1", "replay", kind="knockout")]
)
def test_what_has_no_address_is_refused(wanted: Wanted) -> None:
    async def open_page(url: str) -> bytes:
        raise AssertionError(url)

    with pytest.raises(ProviderFailed) as caught:
        SofaScore(open_page).address(wanted)
    assert caught.value.code == "bad_reference"


def test_a_page_that_is_no_json_is_no_answer() -> None:
    for raw in (b"Access denied", b"{}", b'{"events": 3}', b'{"events": []}'):
        with pytest.raises(ProviderFailed) as caught:
            read_answer("sofascore", raw, Wanted("17/1", "matchday-1"))
        assert caught.value.code == "bad_answer"
