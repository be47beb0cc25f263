"""The record of the domain sessions, for box/domains.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance.box.permissions import RUN, WATCH
from appliance.domain import (
    Domain,
    ExportFormat,
    Resources,
    session_completed,
    session_deleted,
    session_restored,
)
from appliance.http.api import Routes
from appliance.kernel.tx import ReadTx, Row


def _resource(tx: ReadTx, row: Row) -> dict[str, Any]:
    from appliance.box.sessions.store import session_resource  # here: the small commands do not load it

    return session_resource(tx, row)


def _routes(settings: Any) -> Sequence[Routes]:
    from appliance.box.sessions.http import session_routes

    return [
        session_routes(
            on_complete=lambda tx, session_id: session_completed(tx, settings, session_id),
            on_delete=lambda tx, session_id: session_deleted(tx, settings, session_id),
            on_restore=session_restored,
        )
    ]


DOMAIN: Domain[Any] = Domain(
    name="sessions",
    schema=Path(__file__).parent / "schema",
    resources=[
        Resources(
            "session",
            "sessions",
            "created_us",
            _resource,
            of_session=False,
            export=ExportFormat(hidden=["request_hash", "all_channels"]),
        )
    ],
    routes=_routes,
    access={
        "GET /sessions": WATCH,
        "GET /sessions/{session_id}": WATCH,
        "POST /sessions": RUN,
        "PATCH /sessions/{session_id}": RUN,
        "DELETE /sessions/{session_id}": RUN,
        "POST /sessions/{session_id}/restore": RUN,
        "POST /sessions/{session_id}/start": RUN,
        "POST /sessions/{session_id}/pause": RUN,
        "POST /sessions/{session_id}/resume": RUN,
        "POST /sessions/{session_id}/complete": RUN,
        "POST /sessions/{session_id}/reopen": RUN,
    },
)
