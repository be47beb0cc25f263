"""Sessions over HTTP; calls to the other domains inside a transaction are recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from appliance.box.sessions.http import session_routes
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import Tx
from appliance.server.app import make_app
from appliance.server.box_routes import Hooks, Site
from tests.kit.client import Client
from tests.kit.clock import HandClock


@dataclass
class Desk:
    """The box with its sessions, a coach's client, and the arguments of the cascades."""

    store: Store
    clock: HandClock
    client: Client
    completed: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    restored: list[tuple[str, int]] = field(default_factory=list)

    async def add(self, **fields: Any) -> dict[str, Any]:
        made = await self.client.post("/sessions", {"name": "Final", "type": "game", **fields})
        assert made.status == 201, made.body
        return dict(made.json)

    async def bring(self, session_id: str, *events: str) -> None:
        for event in events:
            assert (await self.client.post(f"/sessions/{session_id}/{event}")).status == 200

    async def run(self, closure: Any) -> Any:
        return await self.store.write(closure)

    def events(self, since: int = 0) -> list[str]:
        return [entry.type for entry in self.store.journal.recent(since) or []]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = HandClock()
    completed: list[str] = []
    deleted: list[str] = []
    restored: list[tuple[str, int]] = []

    def on_complete(tx: Tx, session_id: str) -> None:
        completed.append(session_id)

    def on_delete(tx: Tx, session_id: str) -> None:
        deleted.append(session_id)

    def on_restore(tx: Tx, session_id: str, deleted_us: int) -> None:
        restored.append((session_id, deleted_us))

    async with open_store(tmp_path / "box.db", clock, in_thread=False) as store:
        routes = session_routes(on_complete=on_complete, on_delete=on_delete, on_restore=on_restore)
        hooks = Hooks(dict, lambda: b"", lambda tx, give_way: {})
        app = make_app([routes], store=store, clock=clock, site=Site(), hooks=hooks, static_dir=None)
        yield Desk(store, clock, Client(app, device="coach"), completed, deleted, restored)
