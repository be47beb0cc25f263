"""Who changed what in the logging of events, when and why. Rows of their own: the journal is pruned.

Only this file writes `logging_audit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from appliance.cloud.breakdowns.scope import seen_leagues
from appliance.kernel import json
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Caller
from appliance.kernel.paging import Page, list_page
from appliance.kernel.tx import ReadTx, Row, Tx

SYSTEM: Final = "system"
"""The name of the service itself, where no token caused the change."""


class AuditQuery(Page):
    """`subject`: as in event:ID, job:ID, source:ID, rule:ID."""

    subject: Annotated[str, Field(pattern=r"^[a-z_]+:[A-Za-z0-9._-]{1,64}$")] | None = None


class AuditEntry(BaseModel):
    id: str
    at: str
    subject: str
    action: str
    by: str
    reason: str
    details: dict[str, Any]


def record(
    tx: Tx,
    subject: str,
    action: str,
    by: str,
    reason: str = "",
    *,
    league_id: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry, in the transaction of the change itself. `details`: JSON values."""
    tx.insert(
        "logging_audit",
        {
            "id": new_uuid(),
            "league_id": league_id,
            "subject": subject,
            "action": action,
            "by_whom": by,
            "reason": reason,
            "details": json.encode(details or {}).decode(),
            "created_us": tx.now_us,
        },
    )


def list_audit(tx: ReadTx, caller: Caller, query: AuditQuery) -> dict[str, Any]:
    """A page of what the caller sees, oldest first."""
    where = seen_leagues(caller)
    if query.subject is not None:
        where.append(("subject = ?", (query.subject,)))
    # rows of this table are never deleted, so it has no column deleted_us
    return list_page(
        tx,
        query,
        table="logging_audit",
        key="created_us",
        where=where,
        resource=lambda _, row: _shown(row),
        gone="NULL",
    )


def _shown(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "at": to_rfc3339(row["created_us"]),
        "subject": row["subject"],
        "action": row["action"],
        "by": row["by_whom"],
        "reason": row["reason"],
        "details": json.decode_stored(row["details"]),
    }
