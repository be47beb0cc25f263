"""The section [retention]."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from appliance.box.retention.domain import limits_of
from appliance.box.retention.settings import RetentionSettings
from appliance.box.settings import SettingsError, check_settings
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


@pytest.mark.parametrize(
    "path",
    ["retention.min_free_gb", "retention.raw_days", "retention.clip_days", "retention.session_guard_h"]
    + ["storage.reserve_gb"],
)
def test_every_figure_that_is_accepted_fits_into_the_database(path: str) -> None:
    """One that did not ended the box at each look of retention."""
    section, key = path.split(".")
    for value in (1e300, 1e15, 2e9):
        with pytest.raises(SettingsError, match=f"^{path}: "):
            check_settings({section: {key: value}})
    limits = limits_of(check_settings({section: {key: 1e6}}))
    assert all(0 <= getattr(limits, each) < 1 << 62 for each in limits.__slots__)
