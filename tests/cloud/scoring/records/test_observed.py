"""The score that a box observes comes with its events, is provisional, and changes no provider's result."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from appliance.cloud.competitions import store as competitions
from appliance.cloud.competitions.kinds import KINDS
from appliance.cloud.scoring.match import Match
from appliance.cloud.scoring.model import StandingsQuery
from appliance.cloud.scoring.public.reads import read_standings
from appliance.cloud.scoring.records.discrepancies import discrepancies_of
from appliance.cloud.scoring.records.observed import score_observed
from appliance.cloud.scoring.records.season import matches_of
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.cloud.fleet.sending import event, send
from tests.cloud.scoring.records.kit import CALLER, loaded, matchdays


def make_event(tx: Tx, site_id: str = "north", kickoff: str = "2026-08-08T19:30:00Z") -> str:
    """The event of A against B, with the teams of the tournament."""
    league_id = tx.value("SELECT league_id FROM teams WHERE name = 'A'")
    fields = {name: tx.value("SELECT id FROM teams WHERE name = ?", (name,)) for name in "AB"}
    season_id = _make(tx, "season", league_id=league_id, name="2026-27")
    sides = {"home_team_id": fields["A"], "away_team_id": fields["B"]}
    return _make(tx, "event", season_id=season_id, kickoff=kickoff, site_id=site_id, **sides)


def _make(tx: Tx, kind: str, **fields: Any) -> str:
    body = KINDS[kind].takes.model_validate(fields)
    return str(competitions.create(tx, CALLER, KINDS[kind], body).resource["id"])


def session_event(seq: int, event_id: str | None) -> dict[str, Any]:
    session = {"id": "s1", "rev": 1, "event_id": event_id}
    return event(seq, "session_created", "session:s1", {"session_id": "s1", "session": session})


def score_event(seq: int, home: Any, away: Any) -> dict[str, Any]:
    score = {"session_id": "s1", "home": home, "away": away, "period": 2, "clock": None}
    return event(seq, "score_observed", "score:s1", {"session_id": "s1", "score": score, "session": {}})


async def one_match(store: Store) -> Match:
    (match,) = await store.read(partial(matches_of, tournament_id="cup"))
    return match


async def table(store: Store, *, live: bool) -> tuple[list[int], bool]:
    query = StandingsQuery(live=live)
    answer = await store.read(partial(read_standings, tournament_id="cup", query=query))
    return [row["points"] for row in answer["items"]], answer["provisional"]


async def differing(store: Store) -> list[tuple[str, ...]]:
    rows = await store.read(lambda tx: discrepancies_of(tx, "cup", is_open=True))
    return [tuple(row[name] for name in ("source", "value", "other_source", "other_value")) for row in rows]


@pytest.fixture
async def filmed(store: Store) -> Store:
    """A match of a tournament that a box films; its score is 1-0 so far."""
    await loaded(store, matchdays("A v B"))
    event_id = await store.write(make_event)
    await send(store, [session_event(1, event_id), score_event(2, 1, 0)])
    return store


async def test_it_is_shown_and_is_provisional(filmed: Store) -> None:
    match = await one_match(filmed)
    assert (match.score, match.status, match.is_provisional) == ((1, 0), "open", True)
    assert await table(filmed, live=False) == ([0, 0], False)
    assert await table(filmed, live=True) == ([3, 0], True)
    await send(filmed, [score_event(3, 1, 1)])
    assert (await one_match(filmed)).score == (1, 1)


async def test_a_provider_counts_and_a_difference_is_named(filmed: Store) -> None:
    await loaded(filmed, matchdays("A 2-0 B"))
    match = await one_match(filmed)
    assert (match.score, match.is_provisional) == ((2, 0), False)
    assert await differing(filmed) == [("first", "2-0", "site:north", "1-0")]
    await send(filmed, [score_event(3, 2, 0)])
    assert await differing(filmed) == []
    await send(filmed, [score_event(4, 3, 0)])
    assert (await one_match(filmed)).score == (2, 0)
    assert await differing(filmed) == [("first", "2-0", "site:north", "3-0")]


@pytest.mark.parametrize(("home", "away"), [("1", 0), (None, None), (-1, 0), (1000, 0), (True, 0)])
async def test_a_score_that_is_not_understood_changes_nothing(filmed: Store, home: Any, away: Any) -> None:
    await send(filmed, [score_event(3, home, away)])
    assert (await one_match(filmed)).score == (1, 0)


async def test_a_box_speaks_of_the_events_of_its_site_alone(store: Store) -> None:
    await loaded(store, matchdays("A v B"))
    event_id = await store.write(partial(make_event, site_id="south"))
    await send(store, [session_event(1, event_id), score_event(2, 1, 0)])
    assert (await one_match(store)).score is None


@pytest.mark.parametrize("event_id", [None, "019307a0-0000-7000-8000-00000000dead"])
async def test_a_session_of_no_match_changes_nothing(store: Store, event_id: str | None) -> None:
    await loaded(store, matchdays("A v B"))
    await send(store, [session_event(1, event_id), score_event(2, 1, 0)])
    assert (await one_match(store)).score is None
    data = {"score": {"home": 1, "away": 0}}
    closure = partial(score_observed, site_id="north", session_id="none", data=data)
    assert await store.write(closure) is None


async def test_an_event_of_another_week_is_not_the_match(store: Store) -> None:
    await loaded(store, matchdays("A v B"))
    event_id = await store.write(partial(make_event, kickoff="2026-09-20T19:30:00Z"))
    await send(store, [session_event(1, event_id), score_event(2, 1, 0)])
    assert (await one_match(store)).score is None
