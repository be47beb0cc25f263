"""The record of the domain scoring, for the hosted side's domains.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from appliance.domain import Domain

if TYPE_CHECKING:
    from appliance.cloud.domains import Services

DOMAIN: Domain[Services] = Domain(name="scoring", schema=Path(__file__).parent / "schema")
