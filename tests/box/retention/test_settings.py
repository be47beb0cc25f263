"""The section [retention]."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from appliance.box.retention.settings import RetentionSettings
from appliance.kernel.clock import DAY_US

SQLITE_MAX = 2**63


def test_the_longest_time_to_keep_fits_into_a_column() -> None:
    longest = RetentionSettings(raw_days=1e6, clip_days=1e6)
    assert longest.clip_days * DAY_US < SQLITE_MAX
    with pytest.raises(ValidationError):
        RetentionSettings(raw_days=1.1e6)


def test_footage_is_kept_for_some_time() -> None:
    with pytest.raises(ValidationError):
        RetentionSettings(raw_days=0)
