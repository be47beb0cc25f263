"""Connected or not, and since when."""

from __future__ import annotations

from appliance.box.sync.link import Link
from appliance.kernel.errors import Refused, Unavailable

AWAY = Unavailable("cloud_unreachable", "it cannot be reached", "check the cable")
NO = Refused(409, "other_box", "another machine")


def test_since_when() -> None:
    link = Link("https://cloud.example", 5)
    assert link.failed("up", AWAY, 7) and not link.failed("up", AWAY, 8)
    assert (link.is_connected, link.since_us) == (False, 5)
    link.worked("down", 9)
    assert (link.is_connected, link.since_us, list(link.troubles)) == (True, 9, ["up"])
    link.worked("up", 10)
    assert (link.since_us, link.troubles) == (9, {})
    assert link.failed("up", NO, 11)  # an answer: the cloud is there
    assert link.is_connected and link.troubles["up"].is_final
    assert link.failed("up", AWAY, 12)
    assert (link.is_connected, link.since_us) == (False, 12)
    link.answered(13)
    assert link.is_connected and link.troubles["up"].code == "cloud_unreachable"
