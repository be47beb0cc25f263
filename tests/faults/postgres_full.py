"""The disk of a PostgreSQL server becomes really full while a store writes: nothing acknowledged is lost.

Its folder is a small file system of its own. A full one ends single closures, and the server itself once its
log cannot grow; then it is started again, as an init system does, which fails until there is space. Checked
afterwards: the rows are the acknowledged changes, and the store works again without being opened anew.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import trio

from appliance.kernel.errors import Unavailable
from appliance.kernel.postgres.store import open_postgres
from appliance.kernel.schema import KERNEL_SCHEMA
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.faults.disk import fill, free, small_disk
from tests.faults.tally import Tally
from tests.kit.clock import WallClock
from tests.kit.postgres import Server, own_server
from tests.kit.waiting import LIMIT_S, eventually

MEGABYTES = 128
SMALL = {"max_wal_size": "8MB", "min_wal_size": "2MB"}
CALLERS = 8
REFUSED = 3  # of each caller, before the disk is emptied
STATUSES = {("storage_full", 507), ("storage_unavailable", 503)}


@dataclass
class Work:
    """Callers of a store: what was acknowledged, and how the rest was refused."""

    store: Store
    acknowledged: set[str] = field(default_factory=set)
    refusals: list[tuple[str, int]] = field(default_factory=list)

    async def call(self, caller: int) -> None:
        for number in range(1_000_000):
            name = f"{caller}-{number}"
            try:
                await self.store.write(lambda tx: self._change(tx, name))  # noqa: B023
            except Unavailable as error:
                self.refusals.append((error.code, error.status))
                await trio.sleep(0.01)
            else:
                self.acknowledged.add(name)

    def _change(self, tx: Tx, name: str) -> None:
        tx.insert("meta", {"key": name, "value": "x" * 100})
        tx.append("changed", f"change:{name}", {"text": "y" * 300})


async def full_disks(rounds: int, seed: int, folder: Path) -> Tally:
    """Fills the disk and empties it again, `rounds` times. In a folder that the server's user may enter."""
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="postgres-full-") as name:
        os.chmod(name, 0o755)
        with (
            small_disk(Path(name, "disk"), MEGABYTES) as disk,
            own_server(disk / "server", **SMALL) as server,
        ):
            opened = open_postgres(
                server.empty_database(), WallClock(), connections=4, folders=[KERNEL_SCHEMA]
            )
            async with opened as store:
                work = Work(store)
                async with trio.open_nursery() as nursery:
                    for caller in range(CALLERS):
                        nursery.start_soon(work.call, caller)
                    for _ in range(rounds):
                        await _fill_and_empty(disk, server, work)
                        tally.rounds += 1
                        tally.struck += 1
                    nursery.cancel_scope.cancel()
                await _check(store, work, tally)
    return tally


async def _fill_and_empty(disk: Path, server: Server, work: Work) -> None:
    done, refused = len(work.acknowledged), len(work.refusals)
    await eventually(lambda: len(work.acknowledged) > done + CALLERS, what="answers")
    await trio.to_thread.run_sync(fill, disk)
    await eventually(lambda: len(work.refusals) > refused + REFUSED * CALLERS, what="refusals")
    free(disk)
    done = len(work.acknowledged)
    with trio.fail_after(LIMIT_S):
        while len(work.acknowledged) <= done + CALLERS:
            if not server.is_running:
                await trio.to_thread.run_sync(server.start)
            await trio.sleep(0.01)


async def _check(store: Store, work: Work, tally: Tally) -> None:
    tally.acknowledged = len(work.acknowledged)
    rows = await store.read(
        lambda tx: {row["key"] for row in tx.all("SELECT key FROM meta WHERE key <> 'epoch'")}
    )
    tally.lose(sorted(work.acknowledged - rows))
    subjects = await store.read(lambda tx: tx.all("SELECT seq, subject FROM journal ORDER BY seq"))
    tally.check([row["seq"] for row in subjects] == list(range(1, len(subjects) + 1)), "gaps in the journal")
    entries = {row["subject"].partition(":")[2] for row in subjects}
    tally.check(entries == rows, "the journal has other changes than the table")
    others = set(work.refusals) - STATUSES
    tally.check(not others, f"refused otherwise: {sorted(others)}")
