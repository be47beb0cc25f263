"""What Health says of the box's copies."""

from __future__ import annotations

from appliance.box.sync.down.health import replicas_part
from appliance.box.sync.down.replicas import Position
from tests.kit.clock import KICKOFF_US


def test_it_says_how_old_they_are_and_what_could_not_be_read() -> None:
    assert replicas_part(Position(), KICKOFF_US).status == "ok"
    good = replicas_part(Position("c", KICKOFF_US - 60_000_000), KICKOFF_US)
    assert (good.status, good.figures) == ("ok", {"age_s": 60.0, "refused": 0.0})
    assert good.detail.endswith("as of 2026-11-20T18:59Z")
    bad = replicas_part(Position("c", KICKOFF_US, (("event 1", "home: is missing"),)), KICKOFF_US)
    assert bad.status == "warn" and "event 1: home: is missing" in bad.detail and bad.hint
