"""The settings file's channels in /readyz."""

from __future__ import annotations

from appliance.box.channels.configured import Applied
from appliance.box.channels.health import settings_part


def test_a_channel_of_the_file_that_was_deleted_is_named() -> None:
    assert settings_part(Applied()).status == "ok"
    assert settings_part(None).status == "bad"
    part = settings_part(Applied(refused=["cam1"]))
    assert part.status == "warn" and "cam1" in part.detail and part.hint
