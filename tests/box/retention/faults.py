"""What scripts/faults runs of this domain, by name."""

from __future__ import annotations

from tests.box.retention.power_cut import retention_cuts

FAULTS = {"retention_cut": retention_cuts}
