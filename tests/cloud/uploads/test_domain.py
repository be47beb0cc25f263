"""What the domain is made of: its share of [logging]."""

from __future__ import annotations

import pytest

from appliance.cloud.domains import domains
from appliance.cloud.settings import check_settings
from appliance.cloud.uploads.domain import DOMAIN
from appliance.cloud.uploads.settings import UploadSettings
from appliance.domain import Domain, sections_of
from appliance.kernel.fields import Section, SettingsError


class Other(Section):
    lease_s: float = 5.0


def test_two_domains_share_a_section_and_each_reads_its_own() -> None:
    other: Domain[object] = Domain("other", sections={"logging": Other})
    section = sections_of([DOMAIN, other])["logging"]
    values = section.model_validate({"uploads_max_gb": 3, "lease_s": 7})
    assert isinstance(values, UploadSettings) and isinstance(values, Other)
    assert (values.max_bytes, values.lease_s) == (3 * 10**9, 7)
    with pytest.raises(ValueError, match="extra"):
        section.model_validate({"no_such_key": 1})


def test_the_limit_is_a_key_of_the_settings() -> None:
    assert DOMAIN in domains()
    settings = check_settings({"logging": {"uploads_max_gb": 0.5}})
    assert settings.section(UploadSettings).max_bytes == 500_000_000
    with pytest.raises(SettingsError, match="uploads_max_gb"):
        check_settings({"logging": {"uploads_max_gb": 0}})
