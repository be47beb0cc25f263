"""Decisions of people: kept with reason and author, in force from their day, stronger than every update."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from appliance.cloud.scoring.match import result_on
from appliance.cloud.scoring.model import AdjustmentIn, FactIn, OfficialIn, TieOrderIn, WinnerIn
from appliance.cloud.scoring.records import decisions
from appliance.cloud.scoring.records.bracket import draw
from appliance.cloud.scoring.records.discrepancies import discrepancies_of
from appliance.cloud.scoring.records.season import in_force, matches_of, season_of, winners_of
from appliance.cloud.scoring.records.tables import stored_standings
from appliance.cloud.scoring.records.tournaments import load_tournament
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.cloud.scoring.records.kit import SECOND, loaded, matchdays
from tests.cloud.scoring.records.test_bracket import cup, drawn

OFFICE = Caller("office", role="league")


async def team(store: Store, name: str) -> str:
    return str(await store.read(lambda tx: tx.value("SELECT id FROM teams WHERE name = ?", (name,))))


async def decide(store: Store, what: Any, *args: Any) -> dict[str, Any]:
    def closure(tx: Tx) -> dict[str, Any]:
        return dict(what(tx, OFFICE, load_tournament(tx, "cup"), *args))

    return await store.write(closure)


async def points(store: Store) -> dict[str, int]:
    rows = await store.read(lambda tx: stored_standings(tx, "cup"))
    names = await store.read(
        lambda tx: {row["id"]: row["name"] for row in tx.all("SELECT id, name FROM teams")}
    )
    return {names[row["team_id"]]: row["points"] for row in rows}


async def test_the_stored_table_follows_a_decision(store: Store) -> None:
    await loaded(store, matchdays("A 2-1 B, C 0-0 D"))
    body = AdjustmentIn(team_id=await team(store, "A"), points=-2, reason="ineligible player")
    kept = await decide(store, decisions.adjust, body)
    assert (kept["created_by"], kept["reason"]) == ("office", "ineligible player")
    assert await points(store) == {"A": 1, "B": 0, "C": 1, "D": 1}


async def test_an_official_result_is_in_force_from_its_day(store: Store) -> None:
    await loaded(store, matchdays("A 2-1 B"))
    (match,) = await store.read(lambda tx: matches_of(tx, "cup"))
    for home, away, on in ((0, 3, "2026-08-20"), (1, 1, "2026-08-25"), (None, None, "2026-08-30")):
        body = OfficialIn(home=home, away=away, on=on, reason="appeal")
        await decide(store, decisions.set_official, match.id, body)
    counting = {}
    for day in ("2026-08-10", "2026-08-20", "2026-08-26", "2026-08-30"):
        (seen,) = await store.read(lambda tx, day=day: matches_of(tx, "cup", day))  # type: ignore[misc]
        counting[day] = result_on(seen, day)
    assert list(counting.values()) == [(2, 1), (0, 3), (1, 1), (2, 1)]
    listed = await store.read(lambda tx: decisions.decisions_of(tx, "cup"))
    assert [each["kind"] for each in listed] == ["official"] * 3


async def test_an_office_resolves_what_providers_differ_on(store: Store) -> None:
    await loaded(store, matchdays("A 2-1 B"))
    await loaded(store, matchdays("A 1-1 B"), SECOND, may_create=False)
    (match,) = await store.read(lambda tx: matches_of(tx, "cup"))
    await decide(store, decisions.set_official, match.id, OfficialIn(home=1, away=1, reason="the report"))
    assert await store.read(lambda tx: discrepancies_of(tx, "cup", is_open=True)) == []


async def test_facts_and_orders_reach_the_engine(store: Store) -> None:
    await loaded(store, matchdays("A 0-0 B"))
    one, other = await team(store, "A"), await team(store, "B")
    await decide(
        store, decisions.state_fact, FactIn(team_id=one, criterion="discipline", value=4, reason="cards")
    )
    await decide(
        store, decisions.order_level_teams, TieOrderIn(stage="League", order=[other, one], reason="lots")
    )
    season = await store.read(lambda tx: season_of(tx, load_tournament(tx, "cup")))
    assert [(fact.criterion, fact.value) for fact in season.facts] == [("discipline", 4)]
    assert [decision.order for decision in season.decisions] == [(other, one)]
    assert list(await points(store)) == ["B", "A"]


async def test_a_winner_is_of_the_tie_and_can_be_withdrawn(store: Store) -> None:
    await drawn(store, cup("A 1-1 B", "C 0-1 D", "W1 v W2"))
    bracket = await store.read(lambda tx: draw(tx, load_tournament(tx, "cup")))
    tie = bracket.ties[0]
    with pytest.raises(Refused):
        body = WinnerIn(team_id=await team(store, "D"), reason="lots")
        await decide(store, decisions.set_winner, tie.id, body)
    for chosen in (tie.away, None):
        await decide(store, decisions.set_winner, tie.id, WinnerIn(team_id=chosen, reason="lots"))
        winners = await store.read(partial(winners_of, tournament_id="cup"))
        assert winners == ({} if chosen is None else {tie.id: chosen})


@pytest.mark.parametrize(
    ("days", "as_of", "at"), [((), None, None), (("1", "2"), None, 1), (("1", "3"), "2", 0)]
)
def test_the_last_decision_holds(days: tuple[str, ...], as_of: str | None, at: int | None) -> None:
    rows = [{"day": day, "home": 1} for day in days]
    assert in_force(rows, as_of) is (None if at is None else rows[at])
