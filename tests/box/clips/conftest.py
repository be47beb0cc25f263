"""A store with a session over two live cameras and one that is off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appliance.box.clips.model import ClipIn, EndIn, PlayIn
from appliance.box.clips.records import marks, plays
from appliance.box.clips.records.marks import MarkRules
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.kit.box import COACH, add_channel, add_session, mark_rules, sim_store
from tests.kit.clock import HandClock


@dataclass
class Bench:
    """The store, with one-line helpers for marks."""

    store: Store
    session_id: str
    rules: MarkRules
    clock: HandClock
    caller: Caller = COACH

    async def clip(self, **fields: Any) -> dict[str, Any]:
        body = ClipIn.model_validate({"session_id": self.session_id, "channel_id": "cam1", **fields})
        answer = await self.store.write(lambda tx: marks.create_clip(tx, self.caller, self.rules, body))
        return {**answer.resource, "http": answer.status}

    async def end(self, clip_id: str, **fields: Any) -> dict[str, Any]:
        body = EndIn.model_validate(fields)
        answer = await self.store.write(lambda tx: marks.end_clip(tx, self.caller, self.rules, clip_id, body))
        return dict(answer.resource)

    async def play(self, **fields: Any) -> dict[str, Any]:
        body = PlayIn.model_validate({"session_id": self.session_id, **fields})
        answer = await self.store.write(lambda tx: plays.create_play(tx, self.caller, self.rules, body))
        return {**answer.resource, "http": answer.status}

    async def end_play(self, play_id: str, **fields: Any) -> dict[str, Any]:
        body = EndIn.model_validate(fields)
        answer = await self.store.write(lambda tx: plays.end_play(tx, self.caller, self.rules, play_id, body))
        return dict(answer.resource)

    async def row(self, table: str, row_id: str) -> dict[str, Any]:
        row = await self.store.read(lambda tx: tx.one(f"SELECT * FROM {table} WHERE id = ?", (row_id,)))
        assert row is not None
        return row

    async def clips_of(self, play_id: str) -> list[dict[str, Any]]:
        return await self.store.read(lambda tx: plays.clips_of(tx, play_id))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store:

        def prepare(tx: Tx) -> str:
            add_channel(tx, "cam1", latency_ms=120)
            add_channel(tx, "cam2", status="error")
            add_channel(tx, "cam3", status="inactive")
            return add_session(tx)

        yield Bench(store, await store.write(prepare), mark_rules(max_duration_s=600), clock)
