"""/ws is the last domain: the commands of all others travel on it."""

from __future__ import annotations

from appliance.box.domains import domains
from appliance.box.live.domain import DOMAIN


def test_live_starts_after_every_domain_with_commands() -> None:
    assert domains()[-1] is DOMAIN
