"""The two processes of a link that is struck: a box that writes and sends, and the hosted program.

Run in processes of their own (sync_kills.py). The box appends the id of each acknowledged session to a file,
after the answer.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random

import structlog
import trio

from appliance.box.domains import domains
from appliance.box.sync.client import open_client
from appliance.box.sync.identity import box_id
from appliance.box.sync.link import Link
from appliance.box.sync.up import actor
from appliance.box.sync.up.actor import Box, Uplink, run_up
from appliance.box.sync.up.snapshot import Content, all_resources
from appliance.cloud.service import run_cloud
from appliance.cloud.settings import check_settings
from appliance.domain import connected
from appliance.kernel.clock import BoxClock
from appliance.kernel.store import Store, open_store
from appliance.ops.loopwatch import LoopWatch
from tests.kit.box import add_session

SITE = "north"
ACKNOWLEDGED, SENT = "acknowledged", "sent"
_BURST = 40


def run_box(folder: Path, port: int, token: str, seed: int) -> None:
    """Until it is killed. It asks for the hosted side again without long pauses."""
    quiet()
    actor.RETRY_MAX_S = 0.1  # type: ignore[misc]
    trio.run(_box, folder, port, token, seed)


def run_hosted(folder: Path, port: int, url: str) -> None:
    """Until it is killed."""
    quiet()
    settings = check_settings(
        {
            "cloud": {"environment": "demo", "state_dir": folder},
            "server": {"port": port, "local_port": 0},
            "database": {"url": url, "connections": 4},
        }
    )
    trio.run(partial(run_cloud, settings, stop=trio.Event(), loop=LoopWatch()))


def quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)


def box_of(site: str, port: int) -> Box:
    return Box(
        site, f"http://127.0.0.1:{port}", "1.0", Content(all_resources(connected()), share_notes=False)
    )


async def _box(folder: Path, port: int, token: str, seed: int) -> None:
    domains()
    clock, box = BoxClock.start(None, None), box_of(SITE, port)
    async with (
        open_store(folder / "box.db", clock) as store,
        open_client(box.url, token, box_id(folder)) as client,
        trio.open_nursery() as nursery,
    ):
        link = Link(box.url, clock.now_us())
        shown = await nursery.start(partial(run_up, store, client, link, clock, box))
        nursery.start_soon(_tell, store, shown, folder / SENT)
        await _write(store, folder / ACKNOWLEDGED, Random(seed))


async def _write(store: Store, acknowledged: Path, dice: Random) -> None:
    """Sessions, and entries beside them, in bursts."""
    with acknowledged.open("ab", buffering=0) as file:
        while True:
            for _ in range(dice.randint(1, _BURST)):
                session_id = await store.write(partial(add_session, name="Game"))
                await store.write(lambda tx: tx.append("clock_step", "clock", {"by_s": 1}))
                os.write(file.fileno(), session_id.encode() + b"\n")
            await trio.sleep(dice.uniform(0, 0.02))


async def _tell(store: Store, shown: Uplink, file: Path) -> None:
    """Add to the file whenever something was sent."""
    sent = 0
    while True:
        await store.journal.changed.wait_past(store.journal.changed.count)
        if shown.sent > sent:
            sent = shown.sent
            with file.open("ab") as out:
                out.write(b".")


def progress(folder: Path) -> tuple[int, int]:
    """(bytes about what was acknowledged, about what was sent): both only grow."""
    sizes = [
        (folder / name).stat().st_size if (folder / name).exists() else 0 for name in (ACKNOWLEDGED, SENT)
    ]
    return sizes[0], sizes[1]


def read_acknowledged(folder: Path) -> set[str]:
    """Whole lines: the last one may have been cut off."""
    with suppress(FileNotFoundError):
        return {
            line.decode() for line in (folder / ACKNOWLEDGED).read_bytes().split(b"\n") if len(line) == 36
        }
    return set()
