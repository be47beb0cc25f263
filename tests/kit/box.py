"""A store and a clock for tests: simulated time, no threads, the product's own code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import trio

from appliance.box.clips.records.marks import MarkRules
from appliance.box.clips.settings import ClipsSettings
from appliance.box.domains import domains
from appliance.box.sessions.model import SessionIn
from appliance.box.sessions.store import create_session
from appliance.domain import clip_filters, clip_parts
from appliance.kernel.clock import Clock
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import Tx
from tests.kit.clock import SimClock

Result = TypeVar("Result")
COACH = Caller(device="coach-ipad")

domains()  # connects them, as the settings do in the product


@asynccontextmanager
async def sim_store(tmp_path: Path, clock: Clock | None = None) -> AsyncIterator[Store]:
    """A store whose writer runs in the loop, so that mock clocks may jump. Default clock: trio's."""
    async with open_store(tmp_path / "box.db", clock or SimClock(), in_thread=False) as store:
        yield store


async def in_the_loop(call: Callable[..., Result], *args: Any, **ignored: Any) -> Result:
    """Replaces trio.to_thread.run_sync in simulated time, where the clock would jump while a thread works."""
    await trio.lowlevel.checkpoint()
    return call(*args)


def add_channel(tx: Tx, channel_id: str, *, status: str = "active", latency_ms: int = 0) -> None:
    tx.create(
        "channels",
        {
            "id": channel_id,
            "name": channel_id,
            "in_config": 0,
            "status": status,
            "error_cause": "timeout" if status == "error" else None,
            "latency_ms": latency_ms,
            "liveness": "footage",
            "created_us": tx.now_us,
            "updated_us": tx.now_us,
        },
    )


def add_session(tx: Tx, name: str = "Game", **fields: Any) -> str:
    """A session over every channel; returns its id."""
    body = SessionIn.model_validate({"name": name, "type": "game", **fields})
    return str(create_session(tx, COACH, body).resource["id"])


def mark_rules(zone: str = "UTC", **clips: Any) -> MarkRules:
    return MarkRules(
        ClipsSettings(**clips), zone, lambda tx, clip_id: None, parts=clip_parts(), filters=clip_filters()
    )


def types(store: Store) -> list[str]:
    """Every event type in the journal, in order."""
    return [entry.type for entry in store.journal.recent(0, 10_000) or []]
