"""The bracket as a row: what a corrected result moves, and files that name teams where a slot was."""

from __future__ import annotations

from functools import partial

from appliance.cloud.competitions.mapping import team_names
from appliance.cloud.scoring.imports.model import FileMatch, SeasonFile
from appliance.cloud.scoring.records.bracket import BracketSummary, stored_bracket, update_bracket
from appliance.cloud.scoring.records.season import matches_of
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx
from tests.cloud.scoring.records.kit import given, loaded

_ROUNDS = {1: "Semi-finals", 2: "Semi-finals", 3: "Final"}


def cup(*texts: str) -> SeasonFile:
    """Two semi-finals and the final, numbered."""
    matches = [_of_cup(number, text) for number, text in enumerate(texts, start=1)]
    return SeasonFile(matches=matches, found=len(matches))


def _of_cup(number: int, text: str) -> FileMatch:
    name = _ROUNDS[number]
    fields = {"stage": "Knockout", "round": name, "slug": name.lower(), "date": f"2026-08-0{number}"}
    return given(text, line=number, kind="knockout", number=number, **fields)


async def drawn(store: Store, file: SeasonFile) -> BracketSummary:
    await loaded(store, file)
    return await store.write(partial(update_bracket, tournament_id="cup"))


async def final(store: Store) -> tuple[str | None, ...]:
    """Names of home and away."""

    def read(tx: ReadTx) -> tuple[str | None, ...]:
        tie = stored_bracket(tx, "cup").ties[-1]
        names = team_names(tx, [team for team in (tie.home, tie.away) if team is not None])
        return tuple(None if team is None else names[team] for team in (tie.home, tie.away))

    return await store.read(read)


async def test_a_corrected_result_draws_again_what_hangs_on_it(store: Store) -> None:  # D14
    first = await drawn(store, cup("A 2-1 B", "C 0-1 D", "W1 v W2"))
    assert (first.ties, first.decided, await final(store)) == (3, 2, ("A", "D"))
    moved = await drawn(store, cup("A 2-3 B", "C 0-1 D", "W1 v W2"))
    assert [(change.round, change.what) for change in moved.changes] == [
        ("Semi-finals", "winner"),
        ("Final", "home"),
    ]
    assert await final(store) == ("B", "D")
    assert (await drawn(store, cup("A 2-3 B", "C 0-1 D", "W1 v W2"))).changes == ()


async def test_a_file_that_names_the_teams_is_of_the_same_match(store: Store) -> None:
    await drawn(store, cup("A 2-1 B", "C 0-1 D", "W1 v W2"))
    done = await loaded(store, cup("A 2-1 B", "C 0-1 D", "A 1-0 D"))
    assert (done.created, done.changed, done.defects) == (0, 1, ())
    again = await loaded(store, cup("A 2-1 B", "C 0-1 D", "A 1-0 D"))
    assert (again.created, again.changed) == (0, 0)
    assert len(await store.read(lambda tx: matches_of(tx, "cup"))) == 3
