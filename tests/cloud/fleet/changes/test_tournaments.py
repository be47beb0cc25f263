"""Tables and results of the tournaments that concern a site: they come when they change, to it alone."""

from __future__ import annotations

from typing import Any

from appliance.box.sync.down.model import Tournament
from appliance.cloud.scoring.model import OfficialIn
from appliance.cloud.scoring.records.decisions import set_official, tournament_of_match
from appliance.kernel.store import Store
from tests.cloud.fleet.changes.world import (
    OTHER,
    SITE,
    League,
    add_event,
    add_league,
    change,
    everything,
    since,
)
from tests.cloud.scoring.records.kit import CALLER, loaded, matchdays


async def load(store: Store, league: League, *rounds: str) -> None:
    await loaded(store, matchdays(*rounds), tournament={"league_id": league.league_id})


async def tables_since(store: Store, cursor: str, site_id: str = SITE) -> tuple[list[Any], str]:
    changes, cursor = await since(store, cursor, site_id)
    return [each["resource"] for each in changes if each["kind"] == "tournament"], cursor


async def test_a_site_gets_the_tournaments_of_its_teams_when_they_change(store: Store) -> None:
    league = await store.write(add_league)
    await load(store, league, "Rovers 2-1 United", "United v Rovers")
    _, start = await everything(store)
    await store.write(lambda tx: add_event(tx, league))
    (cup,), cursor = await tables_since(store, start)
    Tournament.model_validate(cup)
    ((table),) = cup["tables"]
    assert [(row["team"], row["points"], row["played"]) for row in table["rows"]] == [
        ("Rovers", 3, 1),
        ("United", 0, 1),
    ]
    assert [(each["home"], each["home_score"], each["status"]) for each in cup["matches"]] == [
        ("Rovers", 2, "ended"),
        ("United", None, "open"),
    ]
    await load(store, league, "Rovers 2-1 United", "United 4-0 Rovers")
    (*_, cup), cursor = await tables_since(store, cursor)
    assert [row["team"] for row in cup["tables"][0]["rows"]] == ["United", "Rovers"]
    await store.write(lambda tx: change(tx, "team", league.home, name="City"))
    (*_, cup), cursor = await tables_since(store, cursor)
    assert cup["matches"][0]["home"] == "City" == cup["tables"][0]["rows"][1]["team"]
    match_id, body = cup["matches"][0]["id"], OfficialIn(home=0, away=3, reason="a player without a licence")
    await store.write(lambda tx: set_official(tx, CALLER, tournament_of_match(tx, match_id), match_id, body))
    (*_, cup), cursor = await tables_since(store, cursor)
    assert (cup["matches"][0]["away_score"], cup["matches"][0]["official"]) == (3, True)
    assert (await everything(store, OTHER))[0] == {} and await tables_since(store, cursor) == ([], cursor)


async def test_a_tournament_that_is_made_after_the_event_comes_too(store: Store) -> None:
    league = await store.write(add_league)
    await store.write(lambda tx: add_event(tx, league))
    _, cursor = await everything(store)
    await load(store, league, "Rovers 2-1 United")
    tournaments, _ = await tables_since(store, cursor)
    assert tournaments and tournaments[-1]["tables"][0]["rows"][0]["team"] == "Rovers"
