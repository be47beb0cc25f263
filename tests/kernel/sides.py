"""A database under two stores, which is cut off, killed and opened again: for tests that are not async."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest
import trio

from appliance.kernel.postgres.connection import PostgresConnection
from appliance.kernel.postgres.writer import PostgresWriter
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.faults.loop import Portal
from tests.kit import postgres
from tests.kit.databases import PostgresDatabase, SqliteDatabase
from tests.kit.postgres_proxy import Exchange, Proxy, cutting_proxy
from tests.kit.postgres_proxy import Side as End


class Side(Protocol):
    """A database with the stores of two processes; SQLite has one process, and so the same store twice."""

    stores: tuple[Store, Store]

    def cut_at(self, exchange: Exchange, side: End) -> None:
        """Cut the line of the first store in its next batch."""
        ...

    def die(self, change: Callable[[Tx], object], *, is_committed: bool) -> None:
        """A process is killed with this transaction under way, or just after its COMMIT."""
        ...

    def restart(self) -> None: ...

    def close(self) -> None: ...


class Opened:
    """What `open_all` opens, in the portal, until `close`."""

    def __init__(self, portal: Portal, open_all: Callable[[AsyncExitStack], Any]) -> None:
        self._portal, self._end, self._ended = portal, trio.Event(), trio.Event()
        self.value: Any = portal.call(partial(portal.nursery.start, self._hold, open_all))

    async def _hold(
        self, open_all: Callable[[AsyncExitStack], Any], task_status: trio.TaskStatus[Any]
    ) -> None:
        try:
            async with AsyncExitStack() as stack:
                task_status.started(await open_all(stack))
                await self._end.wait()
        finally:
            self._ended.set()

    def close(self) -> None:
        async def ended() -> None:
            self._end.set()
            await self._ended.wait()

        self._portal.call(ended)


class FileSide:
    """A file; a killed process leaves a copy of its folder, taken at that moment."""

    def __init__(self, portal: Portal) -> None:
        self._portal, self._life = portal, 0
        self._folder = Path(tempfile.mkdtemp(prefix="store-model-"))
        (self._folder / "0").mkdir()
        self._open()

    def _open(self) -> None:
        database = SqliteDatabase(self._folder / str(self._life) / "box.db")
        self._opened = Opened(self._portal, lambda stack: stack.enter_async_context(database.open()))
        self.stores = self._opened.value, self._opened.value

    def cut_at(self, exchange: Exchange, side: End) -> None:
        """There is no line."""

    def die(self, change: Callable[[Tx], object], *, is_committed: bool) -> None:
        def copy(tx: Tx) -> None:
            shutil.copytree(
                self._folder / str(self._life), self._folder / str(self._life + 1), dirs_exist_ok=True
            )

        def killed(tx: Tx) -> None:
            change(tx)
            copy(tx)
            raise LookupError

        store = self.stores[0]
        if is_committed:
            self._portal.call(store.write, change)
            self._portal.call(store.write, copy)
        else:
            with pytest.raises(LookupError):
                self._portal.call(store.write, killed)
        self._opened.close()
        self._life += 1
        self._open()

    def restart(self) -> None:
        self._opened.close()
        self._open()

    def close(self) -> None:
        self._opened.close()
        shutil.rmtree(self._folder)


class ServerSide:
    """A database of the server; the first store reaches it through a line that can be cut. The process that
    is killed is a third one."""

    def __init__(self, portal: Portal, server: postgres.Server) -> None:
        self._portal, self._server, self._url = portal, server, server.new_database()
        self._open()

    def _open(self) -> None:
        async def open_all(stack: AsyncExitStack) -> tuple[Proxy, Store, Store]:
            proxy = await stack.enter_async_context(cutting_proxy(self._url, self._server.folder))
            urls = proxy.url, self._url
            first, second = [await stack.enter_async_context(PostgresDatabase(url).open()) for url in urls]
            return proxy, first, second

        self._opened = Opened(self._portal, open_all)
        self._proxy, *stores = self._opened.value
        self.stores = stores[0], stores[1]

    def cut_at(self, exchange: Exchange, side: End) -> None:
        self._proxy.cut_at(exchange, side)

    def die(self, change: Callable[[Tx], object], *, is_committed: bool) -> None:
        connection = PostgresConnection(self._url)
        writer = PostgresWriter(connection, self.stores[1].journal, "killed", 1)
        writer.begin()
        change(writer.start())
        writer.keep()
        if is_committed:
            writer.commit()
        connection.interrupt()
        connection.close()

    def restart(self) -> None:
        self._opened.close()
        self._open()

    def close(self) -> None:
        self._opened.close()
