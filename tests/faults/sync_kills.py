"""A box that sends and the hosted program that takes, killed at any point: all arrives, and once.

Checked afterwards: what the box acknowledged to its clients it has; the hosted side has every entry of the
box's journal once, in order, as it stands there, and every resource as the box has it.
"""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any, Final

import trio

from appliance.access.tokens import store as tokens
from appliance.box.sync.client import open_client
from appliance.box.sync.identity import box_id
from appliance.box.sync.link import Link
from appliance.box.sync.up.actor import Upstream
from appliance.cloud.database import open_database
from appliance.kernel.clock import BoxClock
from appliance.kernel.journal import read_entries
from appliance.kernel.schema import schema_folders, use_schemas
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import ReadTx
from tests.box.sync.up.linked import Linked, box_resources, resources_of
from tests.cloud.fleet.sending import stored
from tests.faults.sync_worker import SITE, box_of, progress, read_acknowledged, run_box, run_hosted
from tests.faults.tally import Tally
from tests.kit import postgres
from tests.kit.cloud import Line, cloud_over
from tests.kit.ports import free_port
from tests.kit.waiting import eventually

_LONGEST_S: Final = 0.1  # before a strike


@dataclass
class Pair:
    """Both processes, and how each is started again."""

    folder: Path
    url: str
    token: str
    port: int
    dice: Random
    processes: dict[str, BaseProcess] = field(default_factory=dict)

    def start(self, which: str) -> None:
        context = multiprocessing.get_context("forkserver")  # imports once, and forks in milliseconds
        context.set_forkserver_preload(["__main__", "tests.faults.sync_worker"])
        arguments: tuple[Any, ...] = (self.folder, self.port, self.url)
        target: Any = run_hosted
        if which == "box":
            arguments, target = (self.folder, self.port, self.token, self.dice.randrange(10**6)), run_box
        self.processes[which] = context.Process(target=target, args=arguments, daemon=True)
        self.processes[which].start()

    def kill(self, which: str) -> None:
        process = self.processes[which]
        process.kill()
        process.join()
        process.close()


async def sync_kills(rounds: int, seed: int, folder: Path) -> Tally:
    """`rounds` strikes, half of them with the hosted side on SQLite, half on PostgreSQL where it is."""
    tally = Tally()
    urls = ["sqlite:cloud.db"]
    if not postgres.missing():
        urls.append(postgres.server().empty_database())
    for number, url in enumerate(urls):
        place = folder / str(number)
        place.mkdir()
        count = rounds // len(urls) + (rounds % len(urls) if number == 0 else 0)
        await _strike(Pair(place, url, await _token(url, place), free_port(), Random(seed)), count, tally)
    return tally


async def _token(url: str, folder: Path) -> str:
    """Made before the processes start; the schema is the box's again afterwards."""
    token, token_hash = tokens.make_token()
    async with _hosted(url, folder) as store:
        add = partial(tokens.add_token, token_hash=token_hash, role="box", scopes=(f"site:{SITE}",))
        await store.write(partial(add, name="box", created_by="test"))
    return token


@asynccontextmanager
async def _hosted(url: str, folder: Path) -> AsyncIterator[Store]:
    _, *before = schema_folders()
    try:
        async with open_database(url, folder, connections=4) as store:
            use_schemas(*before)
            yield store
    finally:
        use_schemas(*before)


async def _strike(pair: Pair, rounds: int, tally: Tally) -> None:
    try:
        for which in ("hosted", "box"):
            pair.start(which)
        for number in range(rounds):
            if number % 2 == 0:  # both work; otherwise the one that was killed may still be starting
                before = progress(pair.folder)
                await eventually(lambda b=before: _goes_on(pair.folder, b), what="work of both")  # type: ignore[misc]
            await trio.sleep(pair.dice.uniform(0, _LONGEST_S))
            which = pair.dice.choice(("hosted", "box"))
            pair.kill(which)
            pair.start(which)
            tally.rounds += 1
            tally.struck += 1
    finally:
        for which in list(pair.processes):
            pair.kill(which)
    await _check(pair, tally)


def _goes_on(folder: Path, before: tuple[int, int]) -> bool:
    return all(now > then for now, then in zip(progress(folder), before, strict=True))


async def _check(pair: Pair, tally: Tally) -> None:
    """Drain what is left, in this process, and compare."""
    clock, box = BoxClock.start(None, None), box_of(SITE, pair.port)
    async with (
        open_store(pair.folder / "box.db", clock) as store,
        _hosted(pair.url, pair.folder) as hosted,
        cloud_over(hosted, clock, pair.folder) as cloud,
        open_client(box.url, pair.token, box_id(pair.folder), transport=Line(cloud.client)) as client,
    ):
        both = Linked(store, cloud, client, Line(cloud.client), clock)
        both.up = Upstream(store, client, Link(box.url, 0), clock, box)
        await both.drain()
        state = await hosted.read(partial(stored, site=SITE))
        acknowledged = read_acknowledged(pair.folder)
        tally.acknowledged += len(acknowledged)
        resources = await store.read(box_resources)
        tally.lose(sorted(acknowledged - {row_id for _, row_id in resources}))
        tally.check(resources_of(state) == resources, "the hosted side has other resources than the box")
        entries = await store.read(partial(_hashes, since=state.events[0]["seq"] - 1 if state.events else 0))
        tally.check(
            [(event["seq"], event["sha256"]) for event in state.events] == entries,
            f"{len(state.events)} events there are not the {len(entries)} entries of the box",
        )
        tally.check(state.parked == [], f"{len(state.parked)} events were parked")
        epochs = await hosted.read(lambda tx: tx.value("SELECT count(*) FROM site_epochs"))
        tally.check(epochs == 1, f"{epochs} epochs: a kill was taken for another journal")


def _hashes(tx: ReadTx, since: int) -> list[tuple[int, str]]:
    entries = read_entries(tx, since, 10**6)
    return [(entry.seq, hashlib.sha256(entry.event).hexdigest()) for entry in entries]
