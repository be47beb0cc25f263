"""A site's box is asked for its Local Copy while no other video of the event is usable."""

from __future__ import annotations

from typing import Any

from appliance.box.sync.down.model import LocalCopyWanted
from appliance.cloud.fleet.changes.sweep import sweep
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.cloud.fleet.changes.world import OTHER, add_event, add_league, everything, since


def add_source(tx: Tx, league_id: str, event_id: str, state: str) -> None:
    row: dict[str, Any] = {"id": f"source-{state}", "event_id": event_id, "league_id": league_id}
    row |= {"kind": "cloud", "state": state, "url": "https://vod.example/", "notice_hash": ""}
    tx.create("sources", {**row, "notified_us": 1, "created_us": 1, "updated_us": 1})


def wanted(changes: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    kind = "local_copy_wanted"
    return [(each["id"], each["resource"] is not None) for each in changes if each["kind"] == kind]


async def test_a_box_is_asked_while_its_video_is_needed(store: Store) -> None:  # L11
    league = await store.write(add_league)
    event_id = await store.write(lambda tx: add_event(tx, league))
    await sweep(store)
    _, cursor = await everything(store)
    await store.write(lambda tx: add_source(tx, league.league_id, event_id, "failed"))
    await sweep(store)
    changes, cursor = await since(store, cursor)
    assert wanted(changes) == [(event_id, True)]
    LocalCopyWanted.model_validate(changes[-1]["resource"])
    assert wanted((await since(store, (await everything(store, OTHER))[1], OTHER))[0]) == []
    await store.write(lambda tx: add_source(tx, league.league_id, event_id, "pending"))
    await sweep(store)
    assert wanted((await since(store, cursor))[0]) == [(event_id, False)]
