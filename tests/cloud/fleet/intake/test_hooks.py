"""Other domains hear of events that change no resource, in the transaction that takes them."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.cloud.fleet.intake import hooks
from appliance.kernel.store import Store
from appliance.kernel.tx import Row, Tx
from tests.cloud.fleet.sending import changed, event, send


async def test_domains_hear_of_what_is_no_resource(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: dict[int, tuple[Any, ...]] = {}

    def resource_changed(tx: Tx, kind: str, row: Row, before: Row | None, by: str) -> None:
        heard[row["seq"]] = (kind, row["type"], row["session_id"], row["data"], before, by)

    monkeypatch.setattr(hooks, "resource_changed", resource_changed)
    data = {"session_id": "s1", "score": {"home": 1, "away": 0}}
    without_session = {"title": "no session"}
    await send(
        store,
        [
            changed(1, "clip", "c1"),
            event(2, "score_observed", "score:s1", data),
            event(3, "disk_warning", "box", without_session),
        ],
    )
    assert heard == {2: ("site_event", "score_observed", "s1", data, None, "site:north")}
