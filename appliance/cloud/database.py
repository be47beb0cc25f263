"""Opens the database of the hosted side; the only file that chooses its engine (SQLite or PostgreSQL).

Must not know: who uses it. Domains do not know which engine is used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from appliance.cloud.domains import schemas
from appliance.kernel.clock import wall_us
from appliance.kernel.postgres.store import open_postgres
from appliance.kernel.schema import use_schemas
from appliance.kernel.store import FolderLock, Store, open_store

SQLITE: Final = "sqlite:"


class ServerClock:
    """The machine's own clock. A hosted server has NTP, and no running session whose times a step would
    change."""

    def now_us(self) -> int:
        return wall_us()


def described(url: str, connections: int) -> dict[str, Any]:
    """The database for people: engine, place (never a user or password), connections of this process."""
    if url.startswith(SQLITE):
        return {"engine": "SQLite", "place": url.removeprefix(SQLITE), "connections": 1}
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2] or dict(parse_qsl(parts.query)).get("host", "local socket")
    return {"engine": "PostgreSQL", "place": f"{host}{parts.path}", "connections": connections}


@asynccontextmanager
async def open_database(
    url: str, state_dir: Path, *, connections: int = 8, claim: FolderLock | None = None
) -> AsyncIterator[Store]:
    """The store at `url`: `sqlite:FILE`, relative to `state_dir`, or `postgresql://user@host/database` with
    this many connections.

    Raises WrongDatabase; StoreBroken when the server cannot be reached.
    """
    use_schemas(*schemas())
    if url.startswith(SQLITE):
        opened = open_store(state_dir / url.removeprefix(SQLITE), ServerClock(), claim=claim)
    else:
        opened = open_postgres(url, ServerClock(), connections=connections)
    async with opened as store:
        yield store
