"""A store and the routes of dataset runs over it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from appliance.box.datasets.http import dataset_routes
from appliance.box.datasets.on_box.performing import Wiring
from appliance.box.datasets.runs.sources import FilePlays, PlaySource, StoredVideos
from appliance.box.datasets.storage.folder import FolderStorage
from appliance.kernel import json
from appliance.kernel.store import Store
from appliance.server.app import make_app
from appliance.server.box_routes import Hooks, Site
from tests.box.datasets.batches import add_videos
from tests.box.datasets.hand_engine import HandEngine
from tests.kit.box import sim_store
from tests.kit.client import Client
from tests.kit.clock import HandClock


@dataclass
class Desk:
    """`plays`: what the trigger asks, if anything."""

    store: Store
    clock: HandClock
    folder: Path
    engine: HandEngine = field(default_factory=HandEngine)
    plays: Callable[[], PlaySource] | None = None

    def client(self) -> Client:
        app = make_app(
            [dataset_routes(self.plays, lambda: FolderStorage(self.folder / "out"))],
            store=self.store,
            clock=self.clock,
            site=Site(),
            hooks=Hooks(dict, lambda: b"", lambda tx, give_way: {}),
        )
        return Client(app)

    def wiring(self, rows: list[dict[str, Any]], **changes: Any) -> Wiring:
        for game_id in {row["game_id"] for row in rows}:
            if not (self.folder / "sources/Games" / game_id).exists():
                add_videos(self.folder / "sources", game_id)
        fields: dict[str, Any] = {
            "plays": FilePlays(rows),
            "videos": StoredVideos(FolderStorage(self.folder / "sources")),
            "out": FolderStorage(self.folder / "out"),
            "engine": self.engine,
            "work": self.folder / "work",
            "limits_s": (3600.0, 7200.0),
        }
        return Wiring(**{**fields, **changes})

    def events(self) -> list[dict[str, Any]]:
        entries = self.store.journal.recent(0, 1000) or []
        return [json.decode(entry.event) for entry in entries if entry.type.startswith("dataset_run")]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store:
        yield Desk(store, clock, tmp_path)
