"""How the uploads are: counts, and those that need a look. SQL, read only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from appliance.cloud.uploads.machine import UploadState
from appliance.domain import StatusLine, StatusPart
from appliance.kernel.clock import DAY_US
from appliance.kernel.tx import ReadTx

FAILED_US: Final = DAY_US  # for so long a failed upload is reported
LINES_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class UploadFigures:
    """`received`: bytes of those that are not complete. `late_us`: how long the oldest that has all its bytes
    waits for its join. `failed`: within the last day."""

    receiving: int = 0
    joining: int = 0
    received: int = 0
    late_us: int = 0
    failed: int = 0


def read_figures(tx: ReadTx) -> UploadFigures:
    row = tx.one(
        "SELECT count(CASE WHEN state = ? THEN 1 END) AS receiving,"
        " count(CASE WHEN state = ? THEN 1 END) AS joining,"
        " CAST(coalesce(sum(received), 0) AS BIGINT) AS received,"
        " min(CASE WHEN state = ? THEN updated_us END) AS since_us"
        " FROM uploads WHERE state IN (?, ?)",
        (
            UploadState.RECEIVING,
            UploadState.JOINING,
            UploadState.JOINING,
            UploadState.RECEIVING,
            UploadState.JOINING,
        ),
    )
    assert row is not None
    late_us = 0 if row["since_us"] is None else max(0, tx.now_us - row["since_us"])
    failed = "SELECT count(*) FROM uploads WHERE state = ? AND updated_us > ? AND deleted_us IS NULL"
    return UploadFigures(
        row["receiving"],
        row["joining"],
        row["received"],
        late_us,
        tx.value(failed, (UploadState.FAILED, tx.now_us - FAILED_US)),
    )


def status_part(tx: ReadTx) -> StatusPart:
    """For GET /status."""
    figures = read_figures(tx)
    counts = {
        "receiving": figures.receiving,
        "joining": figures.joining,
        "MB received": figures.received // 10**6,
        "failed in 24 h": figures.failed,
    }
    rows = tx.all(
        "SELECT id, owner, filename, reason, updated_us FROM uploads"
        " WHERE state = ? AND updated_us > ? AND deleted_us IS NULL ORDER BY updated_us, id LIMIT ?",
        (UploadState.FAILED, tx.now_us - FAILED_US, LINES_MAX),
    )
    lines = [
        StatusLine("warn", f"{row['owner']} {row['filename'] or row['id']}", row["reason"], row["updated_us"])
        for row in rows
    ]
    return StatusPart("Uploads", counts, lines)
