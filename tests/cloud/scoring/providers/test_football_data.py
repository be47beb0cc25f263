"""football-data.org: its addresses, its token, its scores and words; hostile answers."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from appliance.cloud.scoring.imports.football_data import read_football_data
from appliance.cloud.scoring.providers.calls import TIMEOUT_S
from appliance.cloud.scoring.providers.football_data import FootballData
from appliance.cloud.scoring.providers.model import ProviderFailed, Wanted
from appliance.cloud.scoring.providers.readers import read_answer
from tests.cloud.scoring.providers.calls import outbound

URL = "http://127.0.0.1/v4"


def match(**other: Any) -> dict[str, Any]:
    given = {
        "id": 327117,
        "utcDate": "2022-12-18T15:00:00Z",
        "status": "FINISHED",
        "matchday": None,
        "stage": "FINAL",
        "group": None,
        "homeTeam": {"id": 762, "name": "Argentina"},
        "awayTeam": {"id": 773, "name": "France"},
        "score": {
            "winner": "HOME_TEAM",
            "duration": "PENALTY_SHOOTOUT",
            "fullTime": {"home": 7, "away": 5},
            "halfTime": {"home": 2, "away": 0},
            "regularTime": {"home": 2, "away": 2},
            "extraTime": {"home": 1, "away": 1},
            "penalties": {"home": 4, "away": 2},
        },
    }
    return {**given, **other}


def test_a_shoot_out_adds_no_goals() -> None:  # D22
    file = read_football_data({"matches": [match()]})
    assert file is not None and file.defects == []
    (final,) = file.matches
    assert (final.kind, final.round, final.slug) == ("knockout", "Final", "final")
    assert (final.score, final.extra_time, final.shoot_out) == ((2, 2), (3, 3), (4, 2))
    assert (final.status, final.detail, final.reference) == ("ended", "finished", "327117")


@pytest.mark.parametrize(  # D21
    ("word", "status", "detail"),
    [
        ("TIMED", "open", "timed"),
        ("IN_PLAY", "open", "inprogress"),
        ("PAUSED", "open", "paused"),
        ("POSTPONED", "not-defined", "postponed"),
        ("SUSPENDED", "not-defined", "suspended"),
        ("CANCELLED", "not-defined", "cancelled"),
        ("SOMETHING_NEW", "not-defined", "something_new"),
    ],
)
def test_its_words(word: str, status: str, detail: str) -> None:
    file = read_football_data({"matches": [match(status=word)]})
    assert file is not None
    assert [(each.status, each.detail) for each in file.matches] == [(status, detail)]


def test_an_award_is_official_and_nothing_was_played_that_is_known() -> None:
    score = {"duration": "REGULAR", "fullTime": {"home": 0, "away": 2}, "halfTime": {}}
    file = read_football_data({"matches": [match(status="AWARDED", score=score)]})
    assert file is not None and [(each.official, each.score) for each in file.matches] == [((0, 2), None)]


def test_rounds_of_a_league_and_of_groups() -> None:
    league = match(stage="REGULAR_SEASON", matchday=7)
    group = match(stage="GROUP_STAGE", group="GROUP_C", matchday=1)
    file = read_football_data({"matches": [league, group]})
    assert file is not None
    rounds = [(each.kind, each.group, each.round, each.slug) for each in file.matches]
    assert rounds == [
        ("league", "", "Matchday 7", "matchday-7"),
        ("group", "Group C", "Matchday 1", "group-stage-matchday-1"),
    ]


def test_what_is_not_drawn_yet_is_a_defect_and_not_a_match() -> None:
    file = read_football_data({"matches": [match(homeTeam={"id": None, "name": None}), 3, match(utcDate=5)]})
    assert file is not None and file.found == 3
    assert [(each.line, each.code) for each in file.defects] == [
        (1, "no_team"),
        (2, "not_a_match"),
        (3, "no_date"),
    ]


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        (Wanted("PL", "matchday-7"), "/v4/competitions/PL/matches?matchday=7"),
        (Wanted("pl/2024"), "/v4/competitions/PL/matches?season=2024"),
        (Wanted("WC/2022", "final", kind="knockout"), "/v4/competitions/WC/matches?season=2022"),
    ],
)
async def test_its_address_and_its_token(wanted: Wanted, path: str) -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.raw_path.decode(), request.headers["x-auth-token"]))
        return httpx.Response(200, json={"matches": [match()]})

    provider = FootballData(outbound(answer), "secret", URL)
    file = read_answer(provider.name, await provider.fetch(provider.address(wanted)), wanted)
    assert seen == [(path, "secret")] and len(file.matches) == 1


@pytest.mark.parametrize("reference", ["", "PL/24", "../x", "PL?x=1", "http://x", "P" * 9])
def test_another_reference_is_refused(reference: str) -> None:
    with pytest.raises(ProviderFailed, match="PL/2024"):
        FootballData(outbound(lambda _: httpx.Response(500)), "").address(Wanted(reference))


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, b"<html>", "bad_answer"),
        (200, b"[]", "bad_answer"),
        (200, b'{"matches": {}}', "bad_answer"),
        (200, b'{"matches": [' + b"[" * 5000, "bad_answer"),
        (200, b" " * (5 * 1024 * 1024), "too_large"),
        (403, b"{}", "bad_status"),
        (429, b"{}", "bad_status"),
        (500, b"{}", "bad_status"),
    ],
)
async def test_hostile_answers_are_errors_without_the_token(status: int, body: bytes, code: str) -> None:
    provider = FootballData(outbound(lambda _: httpx.Response(status, content=body)), "secret", URL)
    wanted = Wanted("PL")
    with pytest.raises(ProviderFailed) as caught:
        read_answer(provider.name, await provider.fetch(provider.address(wanted)), wanted)
    assert caught.value.code == code and "secret" not in repr(caught.value)


async def test_a_redirect_into_a_private_network_is_not_followed() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "127.0.0.1"
        return httpx.Response(302, headers={"location": "http://10.0.0.1/v4"})

    with pytest.raises(ProviderFailed, match="not called from here") as caught:
        await FootballData(outbound(answer), "secret", URL).fetch(URL)
    assert caught.value.code == "refused"


async def test_a_slow_server_is_given_up(autojump_clock: MockClock) -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    with pytest.raises(ProviderFailed) as caught:
        await FootballData(outbound(answer), "", URL).fetch(URL)  # type: ignore[arg-type]
    assert caught.value.code == "timeout" and trio.current_time() <= TIMEOUT_S + 1


def test_what_is_no_json_object_is_no_answer() -> None:
    for text in ("null", "[]", "1", '{"matches": null}', '{"a": 1}'):
        assert read_football_data(json.loads(text)) is None
