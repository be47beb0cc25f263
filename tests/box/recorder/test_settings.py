"""The section [recorder]."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from appliance.box.recorder.settings import RecorderSettings


def test_parts_are_neither_shorter_than_a_few_frames_nor_longer_than_a_mark_may_wait() -> None:
    assert RecorderSettings().part_s == 0.2
    for part_s in (0.04, 2.1, float("nan")):
        with pytest.raises(ValidationError):
            RecorderSettings(part_s=part_s)


def test_a_zone_the_machine_does_not_know_is_refused() -> None:
    with pytest.raises(ValidationError, match="unknown time zone 'Mars/Olympus'"):
        RecorderSettings(name_timezone="Mars/Olympus")
