"""Asking for a file to be sent, over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.box.settings import check_settings
from appliance.box.sync.domain import DOMAIN
from appliance.domain import session_completed
from appliance.kernel.tx import Tx
from tests.kit.box import add_channel, add_session, sim_store

EVENT = "019307a0-0000-7000-8000-0000000000e1"


def settings_of(tmp_path: Path, **cloud: Any) -> Any:
    return check_settings({"storage": {"state_dir": str(tmp_path)}, "cloud": cloud})


def completed(tx: Tx) -> str:
    add_channel(tx, "cam1")
    session_id = add_session(tx, "Final")
    tx.update("sessions", session_id, {"status": "completed", "event_id": EVENT})
    return session_id


@pytest.mark.parametrize(
    ("cloud", "count"),
    [
        ({}, 0),
        ({"url": "https://cloud.example", "token": "t", "media": "off"}, 0),
        ({"url": "https://cloud.example", "token": "t"}, 1),
    ],
)
async def test_a_complete_session_is_kept_where_media_goes_to_a_cloud(
    tmp_path: Path, cloud: dict[str, Any], count: int
) -> None:
    settings = settings_of(tmp_path, **cloud)
    async with sim_store(tmp_path) as store:
        session_id = await store.write(completed)
        await store.write(lambda tx: session_completed(tx, settings, session_id))
        assert await store.read(lambda tx: tx.value("SELECT count(*) FROM media_uploads")) == count


def test_every_route_has_its_row(tmp_path: Path) -> None:
    rules = {route.rule for group in DOMAIN.routes(settings_of(tmp_path)) for route in group.routes}
    assert {"GET /media-uploads", "POST /media-uploads"} <= rules <= set(DOMAIN.access)
