"""Which match of a tournament a file speaks of."""

from __future__ import annotations

from appliance.cloud.scoring.imports.model import SeasonFile
from appliance.cloud.scoring.records.identity import identify
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx
from tests.cloud.scoring.records.kit import given, loaded, matchdays


async def test_the_matches_of_other_rounds_are_left_out(store: Store) -> None:
    await loaded(store, matchdays("A v B", "B v A"))

    def planned(tx: ReadTx, file: SeasonFile) -> tuple[list[str], int]:
        rows = {row["id"]: row for row in tx.all("SELECT * FROM matches")}
        teams = {row["name"]: row["id"] for row in tx.all("SELECT id, name FROM teams")}
        made = identify(tx, "cup", file, "first", rows, teams, may_create=False, only_round="matchday-2")
        return [rows[match_id]["slug"] for match_id in made.pairs], len(made.defects)

    whole = matchdays("A 1-0 B", "B 2-0 A")
    assert await store.read(lambda tx: planned(tx, whole)) == (["matchday-2"], 0)
    unnamed = [
        given(text, line=at, round="", slug="x", stage="R") for at, text in enumerate(("A 1-0 B", "B 2-0 A"))
    ]
    own_names = SeasonFile(matches=unnamed)  # a provider that names rounds otherwise
    assert await store.read(lambda tx: planned(tx, own_names)) == (["matchday-2"], 0)
