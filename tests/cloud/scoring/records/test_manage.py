"""Tournaments made, and refused."""

from __future__ import annotations

from functools import partial

import pytest

from appliance.cloud.competitions import store as competitions
from appliance.cloud.competitions.kinds import KINDS
from appliance.cloud.scoring.model import TournamentIn
from appliance.cloud.scoring.records.manage import create_tournament, ensure_tournament
from appliance.kernel.errors import Refused
from appliance.kernel.store import Store
from tests.cloud.scoring.records.kit import CALLER


async def test_the_same_body_gives_the_same_tournament(store: Store) -> None:
    body = TournamentIn(
        id="laliga-2026", name="La Liga", season="2026-27", rules="spain", timezone="Europe/Madrid"
    )
    made, is_new = await store.write(partial(create_tournament, caller=CALLER, body=body))
    again, is_new_again = await store.write(partial(create_tournament, caller=CALLER, body=body))
    assert (again, is_new, is_new_again) == (made, True, False)
    assert made.rules.name == "spain"
    other = TournamentIn(id="laliga-2026", name="Another name")
    assert await store.write(partial(ensure_tournament, caller=CALLER, body=other)) == made


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"rules": "nowhere"}, "rules"),
        ({"league_id": "0198c0de-0000-7000-8000-000000000001"}, "league_id"),
        ({"season_id": "0198c0de-0000-7000-8000-000000000001"}, "season_id"),
    ],
)
async def test_what_is_not_known_is_refused(store: Store, fields: dict[str, str], named: str) -> None:
    body = TournamentIn.model_validate({"name": "Cup", **fields})
    with pytest.raises(Refused) as refused:
        await store.write(partial(create_tournament, caller=CALLER, body=body))
    assert (refused.value.status, refused.value.errors[0].loc) == (422, named)


async def test_a_league_is_of_the_tournaments_sport(store: Store) -> None:
    league = KINDS["league"].takes.model_validate({"name": "Hoops", "sport": "basketball"})
    made = await store.write(partial(competitions.create, caller=CALLER, kind=KINDS["league"], body=league))
    body = TournamentIn(name="Cup", league_id=made.resource["id"])
    with pytest.raises(Refused, match="another sport"):
        await store.write(partial(create_tournament, caller=CALLER, body=body))
