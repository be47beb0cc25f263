"""Viewers of live video in figures."""

from __future__ import annotations

import pytest

from appliance.box.live.health import add_live_pictures
from appliance.box.live.pictures.audience import Audience
from appliance.kernel.errors import Unavailable
from appliance.ops.metrics import Metrics


def test_viewers_and_those_refused_are_counted() -> None:
    metrics, audience = Metrics(), Audience(viewers_max=1)
    add_live_pictures(metrics, audience)
    with audience.seat("10.0.0.5"):
        with pytest.raises(Unavailable), audience.seat("10.0.0.6"):
            pass
        text = metrics.render().decode()
    assert "live_viewers 1.0" in text and "live_viewers_refused 1.0" in text
    assert "live_viewers 0.0" in metrics.render().decode()
