"""How the deliveries are: counts, and the subscriptions that need a look. SQL, read only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from appliance.domain import StatusLine, StatusPart
from appliance.kernel.clock import DAY_US
from appliance.kernel.tx import ReadTx

FAILED_US: Final = DAY_US  # for so long a failed delivery is reported
LINES_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class DeliveryFigures:
    """`retrying`: pending ones with an attempt that failed. `late_us`: how long the oldest of those that are
    due has waited; 0: none is due. `failed`: within the last day. `disabled`: subscriptions."""

    pending: int = 0
    retrying: int = 0
    late_us: int = 0
    failed: int = 0
    disabled: int = 0


def read_figures(tx: ReadTx) -> DeliveryFigures:
    pending = tx.one(
        "SELECT count(*) AS pending, min(due_us) AS due_us,"
        " count(CASE WHEN attempts > 0 THEN 1 END) AS retrying FROM deliveries WHERE status = 'pending'"
    )
    failed = (
        "SELECT count(*) FROM deliveries WHERE status = 'failed' AND updated_us > ? AND deleted_us IS NULL"
    )
    disabled = "SELECT count(*) FROM subscriptions WHERE disabled_us IS NOT NULL AND deleted_us IS NULL"
    assert pending is not None
    due_us = pending["due_us"]
    return DeliveryFigures(
        pending["pending"],
        pending["retrying"],
        0 if due_us is None else max(0, tx.now_us - due_us),
        tx.value(failed, (tx.now_us - FAILED_US,)),
        tx.value(disabled),
    )


def status_part(tx: ReadTx) -> StatusPart:
    """For GET /status."""
    figures = read_figures(tx)
    counts = {
        "subscriptions": tx.value("SELECT count(*) FROM subscriptions WHERE deleted_us IS NULL"),
        "pending": figures.pending,
        "of them failing": figures.retrying,
        "failed in 24 h": figures.failed,
        "disabled": figures.disabled,
    }
    return StatusPart("Deliveries", counts, [*_failing(tx), *_disabled(tx)][:LINES_MAX])


def _failing(tx: ReadTx) -> list[StatusLine]:
    """Subscriptions with deliveries that failed, or that are tried again."""
    rows = tx.all(
        "SELECT s.url, s.id,"
        " count(CASE WHEN d.status = 'pending' THEN 1 END) AS waiting,"
        " count(CASE WHEN d.status = 'failed' THEN 1 END) AS failed,"
        " min(d.created_us) AS since_us, max(d.error) AS error"
        " FROM deliveries d JOIN subscriptions s ON s.id = d.subscription_id"
        " WHERE d.deleted_us IS NULL AND s.disabled_us IS NULL AND d.attempts > 0"
        " AND (d.status = 'pending' OR (d.status = 'failed' AND d.updated_us > ?))"
        " GROUP BY s.id, s.url ORDER BY min(d.created_us), s.id LIMIT ?",
        (tx.now_us - FAILED_US, LINES_MAX),
    )
    return [
        StatusLine(
            "warn",
            _place(row["url"]),
            f"{_counts(row['waiting'], row['failed'])}: {row['error']}",
            row["since_us"],
        )
        for row in rows
    ]


def _counts(waiting: int, failed: int) -> str:
    words = [f"{waiting} to be tried again" if waiting else "", f"{failed} given up" if failed else ""]
    return ", ".join(filter(None, words))


def _disabled(tx: ReadTx) -> list[StatusLine]:
    rows = tx.all(
        "SELECT url, disabled_us FROM subscriptions WHERE disabled_us IS NOT NULL AND deleted_us IS NULL"
        " ORDER BY disabled_us NULLS LAST, id LIMIT ?",
        (LINES_MAX,),
    )
    detail = "the receiver answered 410: nothing is sent until it subscribes again"
    return [StatusLine("warn", _place(row["url"]), detail, row["disabled_us"]) for row in rows]


def _place(url: str) -> str:
    """Scheme and host: path and query may hold a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
