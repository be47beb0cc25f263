"""Whose uploads a token sees."""

from __future__ import annotations

import pytest

from appliance.cloud.uploads.owners import owners_of, site_of
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Caller


def test_a_token_sees_its_site_or_its_leagues() -> None:
    assert owners_of(Caller("b", role="box", scopes=("site:s1",))) == ["site:s1"]
    assert owners_of(Caller("m", role="manager", scopes=("league:a", "league:b"))) == ["league:a", "league:b"]
    assert owners_of(Caller("m", role="league")) == []
    assert owners_of(Caller("a", role="admin")) is None
    assert owners_of(Caller("local")) is None  # where access is open


def test_a_token_without_a_site_is_no_box() -> None:
    with pytest.raises(Refused, match="not_a_box"):
        site_of(Caller("m", role="manager", scopes=("league:a",)))
