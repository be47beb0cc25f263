"""Messages about executions and errors as rows, in the transaction of what they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from appliance.cloud.scoring.notices import sentry, slack
from appliance.cloud.scoring.notices.sentry import Dsn
from appliance.kernel import json
from appliance.kernel.clock import S_US, from_rfc3339
from appliance.kernel.ids import new_uuid
from appliance.kernel.tx import Tx

Receiver = Literal["slack", "sentry"]


@dataclass(frozen=True, slots=True)
class Receivers:
    """Who gets messages. `webhook_url`, `dsn`: "" and None for none. `secrets`: removed from the texts of
    errors."""

    environment: str
    webhook_url: str = ""
    dsn: Dsn | None = None
    sample_rate: float = 0.0
    secrets: tuple[str, ...] = ()


def queue_ending(
    tx: Tx,
    receivers: Receivers,
    execution: Mapping[str, Any],
    tournament: Mapping[str, Any],
    crash: Exception | None = None,
    stages: Mapping[str, int] | None = None,
) -> None:
    """What is sent about an execution that has ended: a message, the error of the program that ended it, and
    for a sample its stages (microseconds each). `execution`: as the API shows it."""
    subject = f"execution:{execution['id']}"
    if receivers.webhook_url:
        body = slack.message(execution, tournament)
        queue(tx, "slack", subject, json.encode(body).decode())
    if crash is not None:
        names = ("operation", "stage", "tournament_id", "round", "request_id")
        tags = {"execution_id": execution["id"], **{name: str(execution[name] or "") for name in names}}
        queue_error(tx, receivers, subject, crash, tags)
    if receivers.dsn is not None and sentry.is_sampled(subject, receivers.sample_rate):
        times = [from_rfc3339(execution[name]) / S_US for name in ("started_at", "ended_at")]
        trace = sentry.transaction(
            subject, execution["operation"], times[0], times[1], stages or {}, receivers.environment
        )
        queue(tx, "sentry", f"trace:{execution['id']}", trace.decode())


def queue_error(
    tx: Tx, receivers: Receivers, subject: str, error: Exception, tags: Mapping[str, str]
) -> None:
    """Report an error of the program, once for each subject."""
    if receivers.dsn is not None:
        event = sentry.error_event(
            error, subject, tx.now_us / S_US, receivers.environment, tags, receivers.secrets
        )
        queue(tx, "sentry", subject, event.decode())


def queue(tx: Tx, receiver: Receiver, subject: str, body: str) -> None:
    """Nothing happens when there is one about this subject already."""
    known = "SELECT 1 FROM notices WHERE receiver = ? AND subject = ?"
    if tx.value(known, (receiver, subject)) is not None:
        return
    notice_id = new_uuid()
    row = {
        "id": notice_id,
        "receiver": receiver,
        "subject": subject,
        "body": body,
        "status": "pending",
        "attempts": 0,
        "due_us": tx.now_us,
        "created_us": tx.now_us,
        "updated_us": tx.now_us,
    }
    tx.create("notices", row)
    tx.append("notice_queued", f"notice:{notice_id}", {"receiver": receiver, "about": subject})
