"""The same store on SQLite and on PostgreSQL, for tests that run on both."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from appliance.kernel.postgres import connection, dialect
from appliance.kernel.postgres.store import open_postgres
from appliance.kernel.schema import KERNEL_SCHEMA
from appliance.kernel.store import Store, open_store
from tests.kit.clock import HandClock


def idle_limit(seconds: float) -> str:
    """Settings of a connection (connection.py) whose transaction may stand still for so long."""
    limit = f"idle_in_transaction_session_timeout = '{round(seconds * 1000)}ms'"
    return re.sub("idle_in_transaction_session_timeout = '[^']*'", limit, connection._SETTINGS)


class Database(Protocol):
    """One database that a test opens once or several times."""

    @property
    def name(self) -> str: ...

    def open(
        self, clock: HandClock | None = None, *, rehearse: bool = True
    ) -> AbstractAsyncContextManager[Store]:
        """The store. `rehearse`: every batch is run twice, the first time rolled back."""
        ...

    def schema(self, sql: str) -> str:
        """Statements of a schema file as this database runs them."""
        ...


@dataclass(frozen=True)
class SqliteDatabase:
    path: Path
    name: str = "sqlite"

    def schema(self, sql: str) -> str:
        return sql

    @asynccontextmanager
    async def open(self, clock: HandClock | None = None, *, rehearse: bool = True) -> AsyncIterator[Store]:
        async with open_store(self.path, clock or HandClock(), rehearse=rehearse) as store:
            yield store


@dataclass(frozen=True)
class PostgresDatabase:
    url: str
    name: str = "postgres"

    def schema(self, sql: str) -> str:
        return dialect.schema(sql)

    @asynccontextmanager
    async def open(self, clock: HandClock | None = None, *, rehearse: bool = True) -> AsyncIterator[Store]:
        """The clock is the database's own in transactions."""
        async with open_postgres(
            self.url, clock or HandClock(), connections=4, folders=[KERNEL_SCHEMA], rehearse=rehearse
        ) as store:
            yield store
