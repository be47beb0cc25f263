"""What GET /status shows, read in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from appliance.cloud.status.processes import list_processes
from appliance.domain import StatusLine, StatusPart
from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.follow import all_cursors
from appliance.kernel.tx import ReadTx

LEASES_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class About:
    """What does not change while the process runs."""

    environment: str
    api_domain: str
    version: str
    process: str
    database: Mapping[str, Any]  # engine, place, connections
    parts: Mapping[str, Callable[[ReadTx], StatusPart]]  # of the domains, by name


def read_status(tx: ReadTx, about: About) -> dict[str, Any]:
    return {
        "server_time": to_rfc3339(tx.now_us),
        "environment": about.environment,
        "api_domain": about.api_domain,
        "version": about.version,
        "process": about.process,
        "database": dict(about.database),
        "processes": list_processes(tx),
        "journal": _journal(tx),
        "leases": _leases(tx),
        "parts": {name: _part(read(tx)) for name, read in about.parts.items()},
        "as_of_seq": tx.head(),
    }


def _journal(tx: ReadTx) -> dict[str, Any]:
    head = tx.head()
    oldest = tx.value("SELECT min(seq) FROM journal")
    followers = [
        {
            "name": cursor.name,
            "seq": cursor.seq,
            "behind": head - cursor.seq,
            "moved_at": to_rfc3339(cursor.moved_us),
            "needs_resync": cursor.needs_resync,
        }
        for cursor in all_cursors(tx)
    ]
    return {"head": head, "oldest": head + 1 if oldest is None else oldest, "followers": followers}


def _leases(tx: ReadTx) -> dict[str, Any]:
    rows = tx.all(
        "SELECT kind, subject, owner, token, until_us FROM leases WHERE until_us > ?"
        " ORDER BY kind, subject LIMIT ?",
        (tx.now_us, LEASES_MAX),
    )
    items = [
        {**{name: row[name] for name in row if name != "until_us"}, "until": to_rfc3339(row["until_us"])}
        for row in rows
    ]
    return {"held": tx.value("SELECT count(*) FROM leases WHERE until_us > ?", (tx.now_us,)), "items": items}


def _part(part: StatusPart) -> dict[str, Any]:
    return {"title": part.title, "figures": dict(part.figures), "lines": [_line(each) for each in part.lines]}


def _line(line: StatusLine) -> dict[str, Any]:
    since = optional_rfc3339(line.since_us)
    return {"status": line.status, "name": line.name, "detail": line.detail, "since": since}
