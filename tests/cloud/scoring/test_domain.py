"""The record of the domain."""

from __future__ import annotations

from appliance.cloud.domains import domains
from appliance.cloud.scoring.domain import DOMAIN


def test_it_is_a_domain_of_the_hosted_side() -> None:
    assert DOMAIN in domains()
