"""The tournaments in GET /status."""

from __future__ import annotations

from appliance.cloud.scoring.figures import status_part
from appliance.kernel.store import Store
from tests.cloud.scoring.records.kit import SECOND, loaded, matchdays


async def test_tournaments_are_counted_and_contradictions_named(store: Store) -> None:
    await loaded(store, matchdays("A 2-1 B, C v D"), name="North")
    await loaded(store, matchdays("A 1-1 B"), SECOND, may_create=False)
    part = await store.read(status_part)
    own = {"tournaments": 1, "matches": 2, "ended": 1, "discrepancies": 1}
    assert part.figures.items() >= own.items()
    assert [(line.status, line.name, line.detail) for line in part.lines] == [
        ("warn", "North", "sources differ on matches: 1")
    ]
