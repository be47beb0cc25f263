"""A process that writes to a store on PostgreSQL until it is killed: it prints the id of each acknowledged
change, and whatever its follower of the journal sees out of order.
`python -m tests.faults.postgres_worker URL SEED`."""

from __future__ import annotations

import os
import sys
from random import Random

import trio

from appliance.kernel.errors import Unavailable
from appliance.kernel.follow import follow
from appliance.kernel.journal import Entry
from appliance.kernel.leases import take_lease
from appliance.kernel.postgres import connection
from appliance.kernel.postgres.store import open_postgres
from appliance.kernel.schema import KERNEL_SCHEMA
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.kit.clock import WallClock

CALLERS = 8
HOT = 4
ANSWER = "acknowledged "  # before the id, on a line of its own: the log goes to the same place
FAULT = "out of order: "
HELD_US = 2000  # how long a lease is held: several owners in turn within a test
IDLE = "300ms"  # as the server's limit for a process that stands still; the product's is 5 s


def change(tx: Tx, number: int, name: str) -> None:
    """One row of its own, one more on a hot row, one entry; and a lease that another may have."""
    tx.insert("changes", {"id": name})
    count = int(tx.value("SELECT n FROM hot WHERE id = ?", (number,)))
    tx.run("UPDATE hot SET n = ? WHERE id = ?", (count + 1, number))
    tx.append("changed", f"change:{name}", {"n": count + 1})
    lease = take_lease(tx, "work", str(number), name)
    if lease is not None:
        until_us = tx.now_us + HELD_US
        held = {"subject": number, "token": lease.token, "owner": name}
        tx.insert("holders", {**held, "from_us": tx.now_us, "until_us": until_us})
        tx.run("UPDATE leases SET until_us = ? WHERE subject = ?", (until_us, str(number)))


async def call(store: Store, rnd: Random, caller: int) -> None:
    done = 0
    while True:
        done += 1
        name = f"{os.getpid()}-{caller}-{done}"
        number = rnd.randrange(HOT)
        try:
            await store.write(lambda tx: change(tx, number, name))  # noqa: B023
        except Unavailable:
            await trio.sleep(0.01)
        else:
            os.write(1, f"{ANSWER}{name}\n".encode())


async def follow_all(store: Store) -> None:
    """Every entry from now on, once, in order, and with times that rise with it: whatever clock the process
    that wrote it has."""
    last: Entry | None = None
    async for entries in follow(store.journal):
        for entry in entries:
            if last is not None and (entry.seq != last.seq + 1 or entry.ts_us < last.ts_us):
                os.write(1, f"{FAULT}{last.seq} {last.ts_us}, then {entry.seq} {entry.ts_us}\n".encode())
            last = entry


async def main(url: str, seed: int) -> None:
    opened = open_postgres(url, WallClock(), connections=4, folders=[KERNEL_SCHEMA])
    async with opened as store, trio.open_nursery() as nursery:
        nursery.start_soon(follow_all, store)
        for caller in range(CALLERS):
            nursery.start_soon(call, store, Random(seed * 100 + caller), caller)


if __name__ == "__main__":
    connection._SETTINGS = connection._SETTINGS.replace("5s", IDLE)  # type: ignore[misc]
    trio.run(main, sys.argv[1], int(sys.argv[2]))
