"""A trio run in a separate thread, and a store in it that can be killed: for tests that are not async.

`Portal.call` runs an async function there. `KilledStore.crash` leaves what a SIGKILL leaves: the files as the
kernel has them, also in the middle of a transaction; the old store is dropped, the new one opens a copy.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import trio

from appliance.kernel.clock import Clock
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Answer, Caller, perform
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import ReadTx, Tx

T = TypeVar("T")


class Portal:
    """`call` until `close`."""

    def __init__(self) -> None:
        self._up = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._main,), daemon=True)
        self._thread.start()
        assert self._up.wait(10)

    async def _main(self) -> None:
        async with trio.open_nursery() as self.nursery:
            self._token = trio.lowlevel.current_trio_token()
            self._stop = trio.Event()
            self._up.set()
            await self._stop.wait()
            self.nursery.cancel_scope.cancel()

    def call(self, run: Callable[..., Awaitable[T]], *args: Any) -> T:
        return trio.from_thread.run(run, *args, trio_token=self._token)

    def close(self) -> None:
        trio.from_thread.run_sync(self._stop.set, trio_token=self._token)
        self._thread.join(10)


class KilledStore:
    """A store on `folder`, in consecutive lives numbered from 0."""

    def __init__(self, portal: Portal, folder: Path, clock: Clock) -> None:
        self.portal, self.folder, self.clock = portal, folder, clock
        self.life = 0
        self._open()

    @property
    def place(self) -> Path:
        """The state folder of this life."""
        return self.folder / f"life{self.life}"

    def _open(self) -> None:
        self._end, self._ended = trio.Event(), trio.Event()
        start = partial(self.portal.nursery.start, self._hold)
        self.store: Store = self.portal.call(start)

    async def _hold(self, task_status: trio.TaskStatus[Store]) -> None:
        end, ended = self._end, self._ended
        try:
            async with open_store(self.place / "box.db", self.clock, in_thread=False) as store:
                task_status.started(store)
                await end.wait()
        finally:
            ended.set()

    def write(self, closure: Callable[[Tx], T]) -> T:
        return self.portal.call(partial(self.store.write, closure))

    def read(self, query: Callable[[ReadTx], T]) -> T:
        return self.portal.call(partial(self.store.read, query))

    def perform(self, caller: Caller, closure: Callable[[Tx], Answer]) -> Answer:
        return self.portal.call(perform, self.store, caller, closure)

    def crash(self, doing: Callable[[Tx], object] | None = None) -> None:
        """SIGKILL, between transactions or in the middle of `doing`; then start again."""
        target = self.folder / f"life{self.life + 1}"

        def killed(tx: Tx) -> None:
            if doing is not None:
                doing(tx)
            shutil.copytree(self.place, target)
            raise Refused(500, "killed", "nobody hears this")

        try:
            self.write(killed)
        except Refused as refused:
            assert refused.code == "killed", refused
        self._forget()

    def restart(self) -> None:
        """A clean stop and start."""
        self._forget(move=True)

    def _forget(self, *, move: bool = False) -> None:
        self.portal.call(self._close)
        old = self.place
        self.life += 1
        if move:
            old.rename(self.place)
        else:
            shutil.rmtree(old)
        self._open()

    async def _close(self) -> None:
        self._end.set()
        await self._ended.wait()

    def close(self) -> None:
        self.portal.call(self._close)
