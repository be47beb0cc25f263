"""The database of the hosted side: the one place that chooses its engine.

Must not know: who uses it. No domain knows which engine it has.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from appliance.cloud.domains import schemas
from appliance.kernel.clock import wall_us
from appliance.kernel.fields import SettingsError
from appliance.kernel.schema import use_schemas
from appliance.kernel.store import FolderLock, Store, open_store

SQLITE: Final = "sqlite:"


class ServerClock:
    """The machine's clock: a hosted server has NTP, and no session that a step could move."""

    def now_us(self) -> int:
        return wall_us()


@asynccontextmanager
async def open_database(
    url: str, state_dir: Path, *, claim: FolderLock | None = None
) -> AsyncIterator[Store]:
    """The store at `url`: `sqlite:FILE`, relative to `state_dir`.

    Raises SettingsError for an engine that this release does not have; WrongDatabase, StoreBroken.
    """
    use_schemas(*schemas())
    if not url.startswith(SQLITE):
        raise SettingsError(["database.url: this release has SQLite only: sqlite:FILE"])
    async with open_store(state_dir / url.removeprefix(SQLITE), ServerClock(), claim=claim) as store:
        yield store
