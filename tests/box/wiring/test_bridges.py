"""The names the box answers to, and the health part of its announcement."""

from __future__ import annotations

import pytest

from appliance.box.settings import check_settings
from appliance.box.wiring.bridges import announcement_part, host_names, is_announced
from appliance.kernel.errors import Refused
from appliance.network.announce import Announcement, Announcer
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


@pytest.mark.parametrize(
    ("site", "host", "announced"),
    [("north", "0.0.0.0", True), ("north", "127.0.0.1", False), ("demo", "0.0.0.0", False)],
)
def test_a_name_is_announced_only_where_the_network_can_reach_the_box(
    site: str, host: str, announced: bool
) -> None:
    settings = check_settings({"site": {"id": site}, "server": {"host": host}, "access": {"mode": "open"}})
    assert is_announced(settings) == announced


def test_a_name_that_is_not_announced_is_shown_with_the_reason() -> None:
    announcer = Announcer(Announcement("North", "north.local", "0.0.0.0", 8080))
    assert announcement_part(announcer).status == "ok"
    announcer.addresses = ("192.168.1.20",)
    assert announcement_part(announcer).detail == "north.local leads to 192.168.1.20"
    announcer.trouble = "another machine in this network is north.local: 192.168.1.7"
    part = announcement_part(announcer)
    assert (part.status, part.detail) == ("warn", f"north.local is not announced: {announcer.trouble}")
    assert part.hint is not None and "site.id" in part.hint
