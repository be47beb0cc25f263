"""What scores give the box."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance.box.permissions import RUN
from appliance.box.scores.model import Score
from appliance.domain import Domain, SessionCounters
from appliance.http.api import Routes
from appliance.kernel.tx import ReadTx


def _routes(settings: Any) -> Sequence[Routes]:
    from appliance.box.scores.http import score_routes  # here, so that the small commands do not load it

    return [score_routes()]


def _of_session(tx: ReadTx, session_id: str) -> dict[str, Any]:
    from appliance.box.scores.store import score_of

    return {"score": score_of(tx, session_id)}


DOMAIN: Domain[Any] = Domain(
    name="scores",
    schema=Path(__file__).parent / "schema",
    session_counters=SessionCounters({"score": (Score | None, None)}, _of_session),
    routes=_routes,
    access={"POST /sessions/{session_id}/score": RUN},
)
