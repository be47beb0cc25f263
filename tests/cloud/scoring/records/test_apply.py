"""Files applied to a tournament: identity, who may make what, and which provider's result counts."""

from __future__ import annotations

from appliance.cloud.competitions.mapping import team_names
from appliance.cloud.scoring.imports.model import SeasonFile, unnamed_groups
from appliance.cloud.scoring.records.columns import order_us
from appliance.cloud.scoring.records.season import matches_of
from appliance.cloud.scoring.records.tables import stored_standings
from appliance.cloud.scoring.records.tournaments import load_tournament
from appliance.kernel.clock import HOUR_US, from_rfc3339
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx
from tests.cloud.scoring.records.kit import FIRST, SECOND, given, loaded, matchdays

SEASON = ("A 2-1 B, C 0-0 D", "B v C, D v A")


async def results(store: Store) -> dict[str, tuple[int, int] | None]:
    """By "A-B"."""

    def read(tx: ReadTx) -> dict[str, tuple[int, int] | None]:
        matches = matches_of(tx, "cup")
        names = team_names(tx, {side for match in matches for side in (match.home, match.away)})
        return {f"{names[match.home]}-{names[match.away]}": match.score for match in matches}

    return await store.read(read)


async def test_a_file_makes_teams_matches_and_the_table(store: Store) -> None:
    made = await loaded(store, matchdays(*SEASON))
    assert (made.matches, made.created, made.changed, made.unchanged) == (4, 4, 0, 0)
    assert made.by_round == {"matchday-1": 2, "matchday-2": 2}
    rows = await store.read(lambda tx: stored_standings(tx, "cup"))
    assert [row["points"] for row in rows] == [3, 1, 1, 0]
    assert (await store.read(lambda tx: load_tournament(tx, "cup"))).mode == "league"


async def test_the_same_file_again_changes_nothing(store: Store) -> None:  # D20
    await loaded(store, matchdays(*SEASON))
    head = await store.read(lambda tx: tx.head())
    again = await loaded(store, matchdays(*SEASON))
    assert (again.created, again.changed, again.unchanged) == (0, 0, 4)
    assert await store.read(lambda tx: tx.head()) == head


async def test_an_update_touches_the_named_round_alone(store: Store) -> None:  # D12
    await loaded(store, matchdays(*SEASON))
    file = matchdays("A 9-9 B, C 9-9 D", "B 1-0 C, D 2-2 A")
    done = await loaded(store, file, may_create=False, only_round="matchday-2")
    assert (done.matches, done.changed) == (2, 2)
    assert await results(store) == {"A-B": (2, 1), "C-D": (0, 0), "B-C": (1, 0), "D-A": (2, 2)}


async def test_an_update_makes_nothing(store: Store) -> None:
    await loaded(store, matchdays(*SEASON))
    done = await loaded(store, matchdays("A 2-1 B, X 1-1 D", "A v C"), SECOND, may_create=False)
    assert (done.created, done.changed) == (0, 0)
    assert [defect.code for defect in done.defects] == ["unmapped_team", "unknown_match"]
    assert done.unmapped == ("X",)


async def test_another_provider_names_rounds_otherwise(store: Store) -> None:
    await loaded(store, matchdays(*SEASON))
    other = SeasonFile(matches=[given("B 3-0 C", stage="REGULAR", round="2", slug="2", date="2026-09-02")])
    done = await loaded(store, other, SECOND, may_create=False)
    assert (done.changed, done.defects) == (1, ())
    assert (await results(store))["B-C"] == (3, 0)


async def test_a_match_is_known_by_the_providers_id(store: Store) -> None:
    first = SeasonFile(matches=[given("A v B", reference="17")])
    await loaded(store, first)
    moved = given("A 1-0 B", reference="17", round="Matchday 9", slug="matchday-9", date="2026-12-01")
    done = await loaded(store, SeasonFile(matches=[moved]))
    assert (done.created, done.changed) == (0, 1)


async def test_the_result_of_the_first_provider_stays(store: Store) -> None:
    await loaded(store, matchdays("A 2-1 B"))
    await loaded(store, matchdays("A 1-1 B"), SECOND, may_create=False)
    assert (await results(store))["A-B"] == (2, 1)
    await loaded(store, matchdays("A 2-2 B"), FIRST, may_create=False)
    assert (await results(store))["A-B"] == (2, 2)


async def test_a_match_that_is_moved_loses_the_time_of_its_old_day(store: Store) -> None:
    timed = given("A v B", kickoff="2026-08-01T15:00:00Z")
    await loaded(store, SeasonFile(matches=[timed]))

    def times(tx: ReadTx) -> list[tuple[str, int | None]]:
        rows = tx.all("SELECT day, kickoff_us, order_us FROM matches")
        assert all(row["order_us"] == order_us(row["day"], row["kickoff_us"]) for row in rows)
        return [(row["day"], row["kickoff_us"]) for row in rows]

    at_us = from_rfc3339("2026-08-01T15:00:00Z")
    await loaded(store, SeasonFile(matches=[given("A v B")]))  # a provider that does not know the time
    assert await store.read(times) == [("2026-08-01", at_us)]
    later = given("A v B", kickoff="2026-08-01T17:00:00Z")
    done = await loaded(store, SeasonFile(matches=[later]), may_create=False)
    assert done.moved_ids == done.changed_ids != ()
    assert await store.read(times) == [("2026-08-01", at_us + 2 * HOUR_US)]
    moved = given("A v B", date="2026-09-20")
    assert (await loaded(store, SeasonFile(matches=[moved]), may_create=False)).changed == 1
    assert await store.read(times) == [("2026-09-20", None)]


async def test_a_providers_id_is_of_one_tournament(store: Store) -> None:
    """The same season twice, under two names."""
    file = SeasonFile(matches=[given("A v B", reference="17")])
    for tournament_id in ("cup", "copy"):
        await loaded(store, file, tournament_id=tournament_id)
    moved = SeasonFile(matches=[given("A 1-0 B", reference="17", round="R9", slug="r9", date="2026-12-01")])
    for tournament_id in ("cup", "copy"):
        assert (await loaded(store, moved, tournament_id=tournament_id)).changed == 1


async def test_groups_without_names_get_their_tables_with_the_second_match_day(store: Store) -> None:
    days = [["A 1-0 B", "E 1-0 F", "C 1-0 D", "G 1-0 H"], ["E 0-0 G", "A 0-0 C", "B 0-0 D", "F 0-0 H"]]

    def season(count: int) -> SeasonFile:
        file = SeasonFile()
        stage = [
            given(text, 10 * day + at, kind="group", stage="Group", round=f"Matchday {day}", slug=f"g-{day}")
            for day, texts in enumerate(days[:count], 1)
            for at, text in enumerate(texts)
        ]
        file.matches = unnamed_groups(stage, file)
        return file

    first = await loaded(store, season(1))
    assert (first.created, [defect.code for defect in first.defects]) == (4, ["no_group_names"])
    rows = await store.read(lambda tx: stored_standings(tx, "cup"))
    assert [(row["group"], len(rows)) for row in rows[:1]] == [("", 8)]
    second = await loaded(store, season(2))
    assert (second.created, second.changed) == (4, 4)
    rows = await store.read(lambda tx: stored_standings(tx, "cup"))
    assert [row["group"] for row in rows] == ["Group A"] * 4 + ["Group B"] * 4
    again = await loaded(store, season(1))
    assert (again.created, again.changed, again.unchanged) == (0, 0, 4)
