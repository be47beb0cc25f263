"""When access to the box is open."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.box.settings import check_settings
from appliance.box.wiring.access import access_of
from appliance.http.access import Grant
from appliance.kernel.errors import Refused
from tests.kit.box import sim_store
from tests.kit.clock import HandClock

LOOPBACK, NETWORK = {b"host": b"127.0.0.1:8080"}, {b"host": b"192.0.2.7:8080"}
SCOPE = {"query_string": b""}


@pytest.mark.parametrize(
    ("host", "mode", "headers", "is_open"),
    [
        ("127.0.0.1", "paired", LOOPBACK, True),
        ("127.0.0.1", "paired", NETWORK, False),
        ("0.0.0.0", "paired", LOOPBACK, False),
        ("0.0.0.0", "paired", NETWORK, False),
        ("0.0.0.0", "open", NETWORK, True),
    ],
)
async def test_when_access_is_open(
    tmp_path: Path, host: str, mode: str, headers: dict[bytes, bytes], is_open: bool
) -> None:
    settings = check_settings(
        {"server": {"host": host}, "access": {"mode": mode}, "storage": {"state_dir": tmp_path}}
    )
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store, access_of(settings, store, clock) as access:

        def admit() -> Grant | None:
            return access.door.admit(SCOPE, headers, "GET /clips")

        if is_open:
            assert admit() is None
        else:
            with pytest.raises(Refused, match="not_paired"):
                admit()
