"""What holds for every season: results may come in any order, a day's table knows nothing that is later, and
decisions stay."""

from __future__ import annotations

from functools import partial
from typing import Any

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.cloud.scoring.imports.model import FileMatch, SeasonFile
from appliance.cloud.scoring.model import AdjustmentIn, OfficialIn, StandingsQuery
from appliance.cloud.scoring.public.reads import read_standings
from appliance.cloud.scoring.records.apply import apply_file
from appliance.cloud.scoring.records.decisions import adjust, set_official
from appliance.cloud.scoring.records.season import matches_of
from appliance.cloud.scoring.records.tables import recalculate_standings, stored_standings
from appliance.cloud.scoring.records.tournaments import load_tournament
from appliance.kernel.ids import new_uuid
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Tx
from tests.cloud.scoring.records import kit
from tests.cloud.scoring.records.kit import CALLER, FIRST, load

TEAMS = "ABCD"
PAIRS = [(home, away) for home in TEAMS for away in TEAMS if home != away]
Results = list[tuple[int, int] | None]
results = st.lists(
    st.one_of(st.none(), st.tuples(st.integers(0, 3), st.integers(0, 3))),
    min_size=len(PAIRS),
    max_size=len(PAIRS),
)


def season(scores: Results) -> list[FileMatch]:
    """Every pair once at home and once away, a match a day."""
    return [
        kit.given(
            f"{home} v {away}",
            line=at + 1,
            round=f"R{at // 2}",
            slug=f"r{at // 2}",
            date=f"2026-08-{at + 1:02}",
            **({} if score is None else {"score": score, "status": "ended"}),
        )
        for at, ((home, away), score) in enumerate(zip(PAIRS, scores, strict=True))
    ]


def file(matches: list[FileMatch]) -> SeasonFile:
    return SeasonFile(matches=matches, found=len(matches))


def update(tx: Tx, tournament_id: str, matches: list[FileMatch]) -> None:
    apply_file(tx, tournament_id, file(matches), FIRST, may_create=False, caller=CALLER)
    recalculate_standings(tx, tournament_id)


async def every(store: Store, prove: Any, *strategies: st.SearchStrategy[Any]) -> None:
    """Run an async property."""

    @settings(max_examples=8 if store.engine.is_shared else 20)
    @given(st.tuples(*strategies))
    def run(values: tuple[Any, ...]) -> None:
        trio.from_thread.run(prove, *values)

    await trio.to_thread.run_sync(run)


def table_of(tx: ReadTx, tournament_id: str) -> list[dict[str, Any]]:
    return stored_standings(tx, tournament_id)


async def test_the_order_of_results_does_not_matter(store: Store) -> None:
    async def prove(scores: Results, order: list[int], parts: int) -> None:
        matches, one, other = season(scores), new_uuid(), new_uuid()
        await store.write(lambda tx: load(tx, file(matches), tournament_id=one, name="Order"))
        fixtures = file(season([None] * len(PAIRS)))
        await store.write(lambda tx: load(tx, fixtures, tournament_id=other, name="Order"))
        shuffled = [matches[at] for at in order]
        for first in range(0, len(shuffled), parts):
            part = shuffled[first : first + parts]
            await store.write(partial(update, tournament_id=other, matches=part))
        tables = [await store.read(partial(table_of, tournament_id=each)) for each in (one, other)]
        assert tables[0] == tables[1]
        assert sum(row["goals_for"] for row in tables[0]) == sum(row["goals_against"] for row in tables[0])
        for row in tables[0]:
            assert row["points"] == 3 * row["won"] + row["drawn"]
            assert row["played"] == row["won"] + row["drawn"] + row["lost"]

    await every(store, prove, results, st.permutations(range(len(PAIRS))), st.integers(1, len(PAIRS)))


async def test_a_table_as_of_a_day_uses_nothing_later(store: Store) -> None:
    async def prove(scores: Results, days: int, points: int) -> None:
        """Both tournaments are the same up to that day, and differ after it."""
        day, tables = f"2026-08-{days:02}", []
        for later in (scores[days:], [(9, 0)] * (len(scores) - days)):
            tournament_id = new_uuid()
            matches = season([*scores[:days], *later])
            await store.write(partial(load, file=file(matches), tournament_id=tournament_id, name="Days"))
            if later != scores[days:]:
                await store.write(partial(decide_later, tournament_id=tournament_id, points=points))
            query = StandingsQuery(as_of=day)
            answer = await store.read(partial(read_standings, tournament_id=tournament_id, query=query))
            tables.append(answer["items"])
        assert tables[0] == tables[1]

    await every(store, prove, results, st.integers(1, 11), st.integers(-3, 3))


def decide_later(tx: Tx, tournament_id: str, points: int) -> None:
    """Points and an official result of the first match, from September on."""
    tournament, first = load_tournament(tx, tournament_id), matches_of(tx, tournament_id)[0]
    adjust(
        tx, CALLER, tournament, AdjustmentIn(team_id=first.home, points=points, on="2026-09-01", reason="x")
    )
    official = OfficialIn(home=0, away=9, on="2026-09-01", reason="x")
    set_official(tx, CALLER, tournament, first.id, official)


async def test_decisions_survive_every_update(store: Store) -> None:
    async def prove(scores: Results, other: Results, at: int) -> None:
        tournament_id = new_uuid()
        await store.write(partial(load, file=file(season(scores)), tournament_id=tournament_id, name="Kept"))

        def decide(tx: Tx) -> None:
            tournament, match = load_tournament(tx, tournament_id), matches_of(tx, tournament_id)[at]
            set_official(tx, CALLER, tournament, match.id, OfficialIn(home=7, away=0, reason="x"))
            adjust(tx, CALLER, tournament, AdjustmentIn(team_id=match.home, points=-5, reason="x"))

        await store.write(decide)
        changed = season(other)
        await store.write(partial(update, tournament_id=tournament_id, matches=changed))
        matches = await store.read(partial(matches_of, tournament_id=tournament_id))
        assert [match.id for match in matches if match.official == (7, 0)] == [matches[at].id]
        rows = await store.read(partial(table_of, tournament_id=tournament_id))
        assert {row["team_id"]: row["adjustment"] for row in rows}[matches[at].home] == -5

    await every(store, prove, results, results, st.integers(0, len(PAIRS) - 1))
