"""The part of /readyz and Health about the box's copies. Whether the cloud answers: sync/health.py.

Owns: the texts.
"""

from __future__ import annotations

from appliance.box.sync.down.replicas import Position
from appliance.kernel.clock import S_US, to_rfc3339
from appliance.ops.health import HealthPart


def replicas_part(position: Position, now_us: int) -> HealthPart:
    """How old the copies are, and what of the cloud's answers could not be read."""
    if position.as_of_us is None:
        return HealthPart("ok", "nothing was received yet")
    figures = {
        "age_s": max(0.0, (now_us - position.as_of_us) / S_US),
        "refused": float(len(position.refused)),
    }
    state = f"events, teams and rosters as of {to_rfc3339(position.as_of_us)[:16]}Z"
    if position.refused:
        what, why = position.refused[-1]
        detail = f"{state}; {len(position.refused)} could not be read, such as {what}: {why}"
        return HealthPart("warn", detail, "update this box, or tell who runs the cloud", figures)
    return HealthPart("ok", state, figures=figures)
