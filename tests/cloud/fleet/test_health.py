"""The fleet's part of /readyz."""

from __future__ import annotations

import pytest

from appliance.cloud.fleet.health import FleetState, fleet_part, read_state
from appliance.kernel.errors import Refused
from appliance.kernel.store import Store
from tests.cloud.fleet.sending import changed, event, send, sha256_of


def test_what_it_says() -> None:
    assert fleet_part(FleetState(3)).status == "ok"
    assert fleet_part(FleetState(3, (), 2)).status == "warn"
    part = fleet_part(FleetState(9, tuple("abcdefg")))
    assert part.status == "bad" and "a, b, c, d, e and 2 more" in part.detail


async def test_it_reads_the_sites(store: Store) -> None:
    await send(store, [changed(1, "clip", "c1"), event(2, "clip_ready", "clip:c2", {})])
    assert await store.read(read_state) == FleetState(1, (), 1)
    with pytest.raises(Refused):
        await send(store, [], after=(2, sha256_of("another")))
    assert await store.read(read_state) == FleetState(1, ("north",), 1)
