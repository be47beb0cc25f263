"""A box's store and the hosted side in one process, with a line between them that a test can cut."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from appliance.box.sync.client import CloudClient, open_client
from appliance.box.sync.link import Link
from appliance.box.sync.up.actor import Box, Upstream
from appliance.box.sync.up.snapshot import Content, all_resources
from appliance.cloud.scoring.executions import executor
from appliance.domain import connected
from appliance.kernel.clock import Clock
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import ReadTx, Tx
from tests.cloud.fleet.sending import BOX, Stored, stored
from tests.kit.box import add_channel, add_session
from tests.kit.clock import SimClock
from tests.kit.cloud import Cloud, Line, cloud_over, cloud_schemas

URL = "http://cloud"


@dataclass
class Linked:
    """`up`: the box's side, made again by `restart`."""

    store: Store
    cloud: Cloud
    client: CloudClient
    line: Line
    clock: Clock
    share_notes: bool = False
    link: Link = field(init=False)
    up: Upstream = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """As the box's program is started again."""
        content = Content(all_resources(connected()), self.share_notes)
        self.link = Link(URL, self.clock.now_us())
        box = Box("north", URL, "1.0", content)
        self.up = Upstream(self.store, self.client, self.link, self.clock, box)

    async def drain(self, steps: int = 400) -> None:
        """Step until everything is sent. Raises what a step raises."""
        for _ in range(steps):
            state = self.up.shown.state
            if state is not None and state.snapshot_seq is None and state.acked == self.store.journal.head:
                return
            await self.up.step()
        raise AssertionError("not drained")

    async def drain_anyhow(self) -> None:
        """As `drain`, whatever the line does: as often as needed."""
        for _ in range(200):
            try:
                await self.drain()
                return
            except (Unavailable, Refused):
                pass
        raise AssertionError("not drained")

    async def in_cloud(self) -> Stored:
        return await self.cloud.store.read(stored)

    async def check_equal(self) -> None:
        """Every resource of the box is in the cloud as the box has it, and no other."""
        assert resources_of(await self.in_cloud()) == await self.store.read(box_resources)


def resources_of(state: Stored) -> dict[tuple[str, str], Any]:
    """What is there, by kind and id; deleted ones as None."""
    return {
        (row["kind"], row["id"]): None
        if row["deleted_us"]
        else json.loads(row["resource"]) | json.loads(row["counters"] or "{}")
        for row in state.resources
    }


def box_resources(tx: ReadTx) -> dict[tuple[str, str], Any]:
    """The same of the box; private fields left out."""
    resources: dict[tuple[str, str], Any] = {}
    for domain in connected():
        for each in domain.resources:
            for row in tx.all(f"SELECT * FROM {each.table}"):
                is_there = tx.value(
                    f"SELECT 1 FROM {each.table} WHERE id = ? AND {each.present}", (row["id"],)
                )
                shown = each.resource(tx, row) if is_there else None
                resources[each.kind, row["id"]] = shown and {
                    k: v for k, v in shown.items() if k != "coach_notes"
                }
    return resources


def make_things(tx: Tx) -> str:
    """A camera and a session with their journal; returns the session's id."""
    from appliance.box.channels.store import journal_channel

    number = int(tx.value("SELECT count(*) FROM channels"))
    add_channel(tx, f"cam{number}")
    journal_channel(tx, "channel_created", f"cam{number}")
    return add_session(tx, f"Game {number}")


def make_entries(tx: Tx, count: int) -> None:
    """Entries that change nothing."""
    for number in range(count):
        tx.append("clock_step", "clock", {"by_s": number})


@asynccontextmanager
async def linked(
    folder: Path, *, share_notes: bool = False, box_id: str = BOX, site_id: str = "north"
) -> AsyncIterator[Linked]:
    """The box has nothing yet, and was never connected; `site_id`: as its settings name it, the token is of
    "north". Use with autojump_clock."""
    clock = SimClock()
    async with open_store(folder / "box.db", clock, in_thread=False) as store, AsyncExitStack() as stack:
        # tests pass weeks here: a look every few seconds would take minutes
        stack.enter_context(patch.object(executor, "LOOK_S", 1e9))
        with cloud_schemas():
            hosted = open_store(folder / "cloud.db", clock, in_thread=False)
            cloud_store = await stack.enter_async_context(hosted)
        cloud = await stack.enter_async_context(cloud_over(cloud_store, clock, folder))
        token, line = await cloud.token("box", "site:north"), Line(cloud.client)
        opened = open_client(URL, token, box_id, site_id=site_id, transport=line)
        client = await stack.enter_async_context(opened)
        yield Linked(store, cloud, client, line, clock, share_notes)
