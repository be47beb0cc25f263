"""What a cloud answers, and one that a test changes. Real ones are in tests/e2e."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import trio

from appliance.kernel import json
from appliance.kernel.errors import Refused

SITE = "north"
URL = "https://cloud.example"
TEAMS = tuple(f"019307a0-0000-7000-8000-00000000000{number}" for number in (1, 2))


def event_id(number: int) -> str:
    return f"019307a0-0000-7000-8000-{number:012d}"


def event(number: int = 100, **fields: Any) -> dict[str, Any]:
    """An event as the cloud shows it."""
    sides = [{"team_id": team, "name": name} for team, name in zip(TEAMS, ("Rovers", "United"), strict=True)]
    return {
        "id": event_id(number),
        "league": "League",
        "season": "2026-27",
        "sport": "football",
        "home": sides[0],
        "away": sides[1],
        "kickoff": "2026-11-20T19:30:00Z",
        "venue": "North ground",
        "site_id": SITE,
        "status": "scheduled",
        "rev": 1,
        **fields,
    }


def team(number: int = 0, name: str = "Rovers") -> dict[str, Any]:
    return {"id": TEAMS[number], "name": name, "short_name": None}


def change(seq: int, kind: str, resource: dict[str, Any] | None, row_id: str | None = None) -> dict[str, Any]:
    own = row_id if row_id is not None else str((resource or {})["id"])
    return {"seq": seq, "kind": kind, "id": own, "resource": resource}


def answer(cursor: str, *changes: dict[str, Any], more: bool = False, **fields: Any) -> dict[str, Any]:
    return {"site_id": SITE, "changes": list(changes), "cursor": cursor, "more": more, **fields}


@dataclass
class Cloud:
    """Rows with the seq of their last change; a cursor is a seq. `calls`: what it was asked."""

    rows: dict[tuple[str, str], tuple[int, dict[str, Any] | None]] = field(default_factory=dict)
    seq: int = 0
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    says: list[Any] = field(default_factory=list)  # answers or errors that come first
    holds: bool = True  # a question until something is new

    def put(self, kind: str, row_id: str, resource: dict[str, Any] | None) -> None:
        self.seq += 1
        self.rows[kind, row_id] = (self.seq, resource)

    def live(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {key: resource for key, (_, resource) in self.rows.items() if resource is not None}

    def changes(self, cursor: int, limit: int = 500) -> dict[str, Any]:
        rows = sorted((seq, key, resource) for key, (seq, resource) in self.rows.items() if seq > cursor)
        more = len(rows) > limit
        made = [change(seq, kind, resource, row_id) for seq, (kind, row_id), resource in rows[:limit]]
        return answer(str(made[-1]["seq"] if more else self.seq), *made, more=more)

    def snapshot(self) -> dict[str, Any]:
        made = [
            change(seq, *key[:1], resource, key[1]) for key, (seq, resource) in self.rows.items() if resource
        ]
        return answer(str(self.seq), *made, next=None)

    async def call(
        self, method: str, path: str, *, params: dict[str, str], timeout_s: float
    ) -> dict[str, Any]:
        """As CloudClient.call."""
        self.calls.append((path, dict(params)))
        if self.says:
            said = self.says.pop(0)
            if isinstance(said, Exception):
                raise said
            return dict(said)
        value = self.snapshot() if path.endswith("snapshot") else self.changes(int(params["cursor"]))
        if not value["changes"] and self.holds:
            await trio.sleep(float(params.get("wait", "0")))
        return dict(json.decode_long(json.encode(value)))


EXPIRED = Refused(410, "cursor_expired", "restored from a copy")
