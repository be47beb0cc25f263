"""A complete web application over a real store, without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from appliance.http.api import Routes
from appliance.kernel.sqlite.engine import on_disk
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import ReadTx
from appliance.server.app import make_app, make_local_app
from appliance.server.box_routes import Hooks, Site
from appliance.server.dispatch import Dispatcher
from appliance.server.snapshots import GiveWay
from tests.kit.client import Client
from tests.kit.clock import HandClock


@dataclass
class Box:
    """State a test changes and inspects."""

    store: Store
    clock: HandClock
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def app(self, *routes: Routes, site: Site | None = None, static_dir: Path | None = None) -> Dispatcher:
        return make_app(
            routes,
            store=self.store,
            clock=self.clock,
            site=site or Site("box-1", "North Field", timezone="Europe/Madrid"),
            hooks=self.hooks(),
            static_dir=static_dir,
        )

    def local_app(self, *routes: Routes) -> Dispatcher:
        return make_local_app(routes, store=self.store, clock=self.clock, site=Site(), hooks=self.hooks())

    def client(self, *routes: Routes, **options: Any) -> Client:
        return Client(self.app(*routes, **options))

    def count_notes(self) -> int:
        """Effects of the sample domain."""
        return on_disk(self.store).read(
            lambda tx: int(tx.value("SELECT count(*) FROM meta WHERE key LIKE 'note%'"))
        )

    def hooks(self) -> Hooks:
        return Hooks(lambda: self.parts, lambda: b"up 1\n", _snapshot)


def _snapshot(tx: ReadTx, give_way: GiveWay) -> Mapping[str, Any]:
    return {"sessions": tx.all("SELECT id FROM sessions")}


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    clock = HandClock()
    async with open_store(tmp_path / "box.db", clock, in_thread=False) as store:
        yield Box(store, clock)
