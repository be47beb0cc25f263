"""The names the box answers to."""

from __future__ import annotations

import pytest

from appliance.box.settings import check_settings
from appliance.box.wiring.bridges import host_names
from appliance.kernel.errors import Refused
from appliance.server.gate import Gate


@pytest.mark.parametrize(
    ("host", "answers"),
    [
        ("192.168.1.20:8080", True),  # the address the connection arrived on
        ("north-stand.local:8080", True),
        ("NORTH-STAND.LOCAL", True),
        ("rack7.local:8080", True),  # what the machine's own system announces
        ("replay.club.example", True),  # configured
        ("north-stand.local.evil.example", False),
        ("other.local", False),
        ("rebound.example", False),
        ("192.168.1.99:8080", False),
    ],
)
def test_own_addresses_and_names_are_answered_without_a_setting(
    host: str, answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "rack7.club.example")
    server = {"host": "0.0.0.0", "allowed_hosts": ["replay.club.example"]}
    settings = check_settings({"site": {"id": "north-stand"}, "server": server, "access": {"mode": "open"}})
    gate = Gate(host_names(settings))
    try:
        gate.check({"server": ("192.168.1.20", 8080)}, {b"host": host.encode()}, unsafe=False)
    except Refused as refused:
        assert (refused.status, answers) == (421, False)
    else:
        assert answers
