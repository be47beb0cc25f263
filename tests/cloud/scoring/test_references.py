"""Reference data that tournaments name is not deleted."""

from __future__ import annotations

import pytest

from appliance.cloud.competitions import store as competitions
from appliance.cloud.competitions.kinds import KINDS
from appliance.cloud.scoring.references import check_delete
from appliance.kernel.errors import Refused
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.cloud.scoring.records.kit import CALLER, loaded, matchdays


def delete(tx: Tx, kind: str, row_id: str) -> None:
    competitions.remove(tx, CALLER, KINDS[kind], row_id)


async def test_a_team_that_plays_is_not_deleted(store: Store) -> None:
    await loaded(store, matchdays("A v B"))
    team_id, league_id = await store.read(lambda tx: tx.all("SELECT id, league_id FROM teams")[0].values())
    with pytest.raises(Refused) as refused:
        await store.write(lambda tx: delete(tx, "team", team_id))
    assert (refused.value.code, refused.value.extra) == ("in_use", {"used_by": {"matches": 1}})
    with pytest.raises(Refused):
        await store.write(lambda tx: delete(tx, "league", league_id))
    body = KINDS["team"].takes.model_validate({"league_id": league_id, "name": "C"})
    free = await store.write(lambda tx: competitions.create(tx, CALLER, KINDS["team"], body))
    await store.write(lambda tx: delete(tx, "team", free.resource["id"]))
    await store.read(lambda tx: check_delete(tx, "athlete", {"id": "x"}))
