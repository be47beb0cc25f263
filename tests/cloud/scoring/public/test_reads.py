"""Queries of the public API: what they answer is what their models promise, in few statements."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from appliance.cloud.scoring.imports.model import SeasonFile
from appliance.cloud.scoring.model import BracketQuery, MatchQuery, StandingsQuery
from appliance.cloud.scoring.public import answers, reads, shown
from appliance.kernel.paging import Page
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx
from tests.cloud.scoring.records.kit import given, loaded, matchdays
from tests.cloud.scoring.records.test_bracket import cup, drawn


def strict(model: type[Any], given: Any) -> None:
    """Nothing is missing, nothing is left over."""
    parsed = model.model_validate(given).model_dump()
    assert parsed == given


async def test_answers_are_as_their_models_say(store: Store) -> None:
    await drawn(store, cup("A 2-1 B", "C 0-1 D", "W1 v W2"))
    await loaded(store, matchdays("A 2-1 B"), tournament_id="league")
    for tournament_id in ("cup", "league"):
        matches = await store.read(
            partial(reads.list_matches, tournament_id=tournament_id, query=MatchQuery())
        )
        for match in matches["items"]:
            strict(answers.MatchShown, match)
        table = partial(reads.read_standings, tournament_id=tournament_id, query=StandingsQuery())
        strict(answers.Standings, await store.read(table))
        bracket = partial(reads.read_bracket, tournament_id=tournament_id, query=BracketQuery())
        strict(answers.BracketShown, await store.read(bracket))
        rounds = await store.read(partial(reads.list_rounds, tournament_id=tournament_id))
        strict(answers.Rounds, {"items": rounds})
        strict(
            answers.TournamentShown,
            await store.read(partial(reads.one_tournament, tournament_id=tournament_id)),
        )
    page = await store.read(partial(reads.list_tournaments, query=Page()))
    assert [each["mode"] for each in page["items"]] == ["cup", "league"]


async def test_the_statements_of_a_table_do_not_grow_with_the_season(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [f"T{number}" for number in range(20)]
    pairs = [(home, away) for home in names for away in names if home != away]
    matches = [
        given(f"{home} 1-0 {away}", line=line, round=f"R{line}", slug=f"r{line}")
        for line, (home, away) in enumerate(pairs)
    ]
    await loaded(store, SeasonFile(matches=matches))
    statements: list[str] = []
    original = ReadTx.all

    def counting(self: ReadTx, sql: str, params: Any = ()) -> Any:
        statements.append(sql)
        return original(self, sql, params)

    monkeypatch.setattr(ReadTx, "all", counting)
    table = await store.read(partial(reads.read_standings, tournament_id="cup", query=StandingsQuery()))
    assert len(table["items"]) == 20
    assert len(statements) < 15


def test_a_slot_has_the_team_of_the_bracket_until_a_provider_names_one() -> None:
    names = {"a": "Athletic", "b": "Rovers"}
    assert shown.shown_side(None, "W1", {"W1": "a"}, names) == {
        "team_id": "a",
        "name": "Athletic",
        "slot": "W1",
    }
    assert shown.shown_side("b", "W1", {"W1": "a"}, names) == {"team_id": "b", "name": "Rovers", "slot": "W1"}
    assert shown.shown_side(None, "W1", {}, names) == {"team_id": None, "name": None, "slot": "W1"}
