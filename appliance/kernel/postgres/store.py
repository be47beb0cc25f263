"""Opening the store on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from appliance.kernel.actor import running
from appliance.kernel.clock import Clock
from appliance.kernel.postgres.engine import PostgresEngine
from appliance.kernel.postgres.tail import run_tail
from appliance.kernel.store import Store, running_store


@asynccontextmanager
async def open_postgres(
    url: str,
    clock: Clock,
    *,
    connections: int = 8,
    folders: Sequence[Path] | None = None,
    rehearse: bool = False,
) -> AsyncIterator[Store]:
    """The store on PostgreSQL, and what follows the commits of other processes. `tx.now_us` is the database's
    time; `clock` is for what is not in a transaction. `folders`: of schema files; None: those that the
    root of the process has named. `rehearse`: for tests, see batch.transact."""
    engine = PostgresEngine(url, connections=connections, folders=folders, rehearse=rehearse)
    async with running_store(Store(engine, clock)) as store:
        tail = running(
            "journal tail",
            run_tail,
            listener=engine.listener,
            journal=store.journal,
            finish=engine.listener.stop,
        )
        async with tail:
            yield store
