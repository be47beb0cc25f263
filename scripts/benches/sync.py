"""A box and the hosted side in step: events taken in, how soon a change is there, marks while draining.

The hosted side is on PostgreSQL, which syncs at each commit. `intake` compares one process of ours with a
bare psycopg loop that takes each event in a transaction of its own. In `marks` idle and draining alternate in
one process; the ratio of each pair is taken, and the median shown. `reconnect`: all boxes at once.
"""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchkit
import trio
from benchdown import down
from benchkit import Options, Row

BATCH = 500
FIELDS = {"status": "ready", "start_time": "2026-11-20T19:00:00.000Z", "duration": 12.5, "title": "t" * 200}


@contextmanager
def _database(options: Options) -> Iterator[str]:
    """A new one. Quick: of a server that does not sync."""
    from tests.kit import postgres

    if options.quick:
        yield postgres.server().empty_database()
        return
    with postgres.own_server(
        fsync="on", full_page_writes="on", synchronous_commit="on", shared_buffers="128MB"
    ) as server:
        yield server.empty_database()


def _events(site: str, first: int, count: int) -> list[dict[str, Any]]:
    """As boxes send them: a clip changes three times, with its session's figures."""
    from tests.cloud.fleet.sending import event

    events = []
    for seq in range(first, first + count):
        clip_id = f"clip-{seq // 3}"
        clip = {"id": clip_id, "session_id": "s1", "rev": seq % 3 + 1, **FIELDS}
        data = {"session_id": "s1", "clip_id": clip_id, "clip": clip, "session": {"clip_count": seq // 3}}
        events.append(event(seq, "clip_updated", f"clip:{clip_id}", data, site=site))
    return events


def intake(options: Options) -> list[Row]:
    """Events per second: ours from the bytes of a request to the commit; the other from decoded events."""
    batches, rounds = (2, 1) if options.quick else (40, 3)
    ours, bare = list[float](), list[float]()
    with _database(options) as url:
        for turn in range(rounds):
            ours.append(trio.run(_taken, url, options.folder, f"site{turn}", batches))
            bare.append(_bare(url, f"bare{turn}", batches * BATCH // 5))
    first, other = statistics.median(ours), statistics.median(bare)
    return [
        {"way": "one process, batches of 500", "events_s": round(first), "times": round(first / other, 1)},
        {"way": "bare psycopg, one transaction each", "events_s": round(other), "times": 1, "goal": ">= 5x"},
    ]


async def _taken(url: str, folder: Path, site: str, batches: int) -> float:
    from appliance.cloud.database import open_database
    from appliance.cloud.fleet.intake.events import read_batch
    from appliance.cloud.fleet.intake.take import Sender, take_batch
    from tests.cloud.fleet.sending import BOX, body_of

    bodies = [body_of(_events(site, number * BATCH + 1, BATCH)) for number in range(batches)]
    async with open_database(url, folder, connections=4) as store:
        began = time.perf_counter()
        for body in bodies:
            batch = read_batch(body, site)
            await store.write(partial(take_batch, sender=Sender(site, BOX), batch=batch))
        return batches * BATCH / (time.perf_counter() - began)


def _bare(url: str, site: str, count: int) -> float:
    """The same rows: event, resource, cursor."""
    import psycopg

    events = _events(site, 1, count)
    with psycopg.connect(url) as connection:
        began = time.perf_counter()
        for number, event in enumerate(events, start=1):
            with connection.transaction():
                data, clip = event["data"], event["data"]["clip"]
                connection.execute(
                    "INSERT INTO site_events VALUES (%s, 1, %s, %s, %s, %s, %s, %s, %s, 1)",
                    (site, number, event["type"], event["subject"], "s1", event["time"], event["sha256"],
                     json.dumps(data)),
                )  # fmt: skip
                connection.execute(
                    "INSERT INTO site_resources (site_id, kind, id, session_id, resource, epoch_number, seq,"
                    " updated_us) VALUES (%s, 'clip', %s, 's1', %s, 1, %s, 1) ON CONFLICT (site_id, kind, id)"
                    " DO UPDATE SET resource = excluded.resource, seq = excluded.seq",
                    (site, clip["id"], json.dumps(clip), number),
                )
                connection.execute(
                    "INSERT INTO site_epochs VALUES (%s, 1, 'e', 'b', %s, '', 0, 0, '', 1, NULL)"
                    " ON CONFLICT (site_id, number) DO UPDATE SET cursor = excluded.cursor",
                    (site, number),
                )
        return count / (time.perf_counter() - began)


@dataclass(frozen=True)
class Hosted:
    """The hosted program in a process of its own, the same for all parts."""

    url: str  # of its database
    folder: Path
    port: int
    process: BaseProcess


@cache
def _hosted(options: Options) -> Hosted:
    """Started by the first part that needs it, ended with this program."""
    stack = ExitStack()
    atexit.register(stack.close)
    url, folder = stack.enter_context(_database(options)), options.folder / "hosted"
    folder.mkdir()
    port, process = stack.enter_context(_process(folder, url))
    return Hosted(url, folder, port, process)


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _process(folder: Path, url: str) -> Iterator[tuple[int, BaseProcess]]:
    from tests.faults.sync_worker import run_hosted
    from tests.kit.ports import free_port
    from tests.kit.waiting import eventually

    port = free_port()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=run_hosted, args=(folder, port, url), daemon=True)
    process.start()
    try:
        trio.run(partial(eventually, partial(_is_open, port), what="the hosted program"))
        yield port, process
    finally:
        process.kill()
        process.join()


async def _tokens(at: Hosted, sites: list[str]) -> dict[str, str]:
    from appliance.access.tokens import store as tokens
    from appliance.cloud.database import open_database

    made = {site: tokens.make_token() for site in sites}

    def add(tx: Any) -> None:
        for site, (_, token_hash) in made.items():
            tokens.add_token(
                tx, token_hash=token_hash, role="box", scopes=[f"site:{site}"], name=site, created_by="b"
            )

    async with open_database(at.url, at.folder, connections=3) as store:
        await store.write(add)
    return {site: token for site, (token, _) in made.items()}


@asynccontextmanager
async def _box(folder: Path, port: int, token: str) -> AsyncIterator[tuple[Any, Any]]:
    """(its store, a function that starts `run_up` in a nursery)."""
    from appliance.box.domains import domains
    from appliance.box.sync.client import open_client
    from appliance.box.sync.link import Link
    from appliance.box.sync.up.actor import run_up
    from appliance.kernel.clock import BoxClock
    from appliance.kernel.store import open_store
    from tests.cloud.fleet.sending import BOX
    from tests.faults.sync_worker import box_of

    domains.cache_clear()
    domains()
    clock, box = BoxClock.start(None, None), box_of(folder.name, port)
    async with (
        open_store(folder / "box.db", clock) as store,
        open_client(box.url, token, BOX) as client,
    ):
        link = Link(box.url, clock.now_us())
        yield store, partial(run_up, store, client, link, clock, box)


def latency(options: Options) -> list[Row]:
    """From the answer to a change on the box until another process of the hosted side has it."""
    hosted, count = _hosted(options), 20 if options.quick else 300
    took = trio.run(_latencies, _own(options, "latency"), hosted, count)
    return [{"what": "box commit -> cloud row", **benchkit.spread_ms(took), "goal": "p50 < 50 ms"}]


def _own(options: Options, site: str) -> Path:
    """A folder for the box of a site."""
    folder = options.folder / site
    folder.mkdir()
    return folder


async def _latencies(folder: Path, at: Hosted, count: int) -> list[float]:
    from appliance.cloud.database import open_database

    took, token = list[float](), (await _tokens(at, [folder.name]))[folder.name]
    hosting = open_database(at.url, folder, connections=3)
    async with (
        hosting as hosted,
        _box(folder, at.port, token) as (store, run),
        trio.open_nursery() as nursery,
    ):
        await nursery.start(run)
        for number in range(count):
            await trio.sleep(0.02)
            since = hosted.journal.head
            seq = await store.write(lambda tx, n=number: tx.append("clock_step", "clock", {"by_s": n}))
            began = time.perf_counter()
            while not await _has(hosted, since, seq):
                await hosted.journal.changed.wait_past(hosted.journal.changed.count)
            if number:  # the first one waits for the snapshot
                took.append(time.perf_counter() - began)
        nursery.cancel_scope.cancel()
    return took


async def _has(hosted: Any, since: int, seq: int) -> bool:
    """Whether an entry of the hosted journal past `since` is of a batch up to `seq`, or of a snapshot."""
    for entry in await hosted.journal.read(since):
        body = json.loads(entry.event)
        if entry.type == "site_snapshot_taken" or body.get("to_seq", 0) >= seq:
            return True
    return False


def marks(options: Options) -> list[Row]:
    """A mark's time on the box, idle and while 20,000 entries drain, five pairs: 100,000 entries."""
    pairs, backlog = (1, 600) if options.quick else (5, 20_000)
    windows = trio.run(_windows, _own(options, "marks"), _hosted(options), pairs, backlog)
    ratios = [drained["p95"] / idle["p95"] for idle, drained in windows]
    report = []
    for at, what in enumerate(("idle", "draining")):
        taken = [pair[at] for pair in windows]
        report.append(
            {
                "box": what,
                "p50_ms": round(statistics.median(each["p50"] for each in taken) * 1000, 2),
                "p95_ms": round(statistics.median(each["p95"] for each in taken) * 1000, 2),
                "entries_s": round(statistics.median(each["rate"] for each in taken)),
                "ratio": round(statistics.median(ratios), 2) if at else 1.0,
                "goal": "ratio <= 1.5" if at else None,
            }
        )
    return report


async def _windows(folder: Path, at: Hosted, pairs: int, backlog: int) -> list[tuple[Row, Row]]:
    from appliance.kernel import interpreter
    from tests.box.sync.up.linked import make_entries

    windows, idle_s = [], 0.3 if backlog < 10_000 else 4.0
    token = (await _tokens(at, [folder.name]))[folder.name]
    async with _box(folder, at.port, token) as (store, run):
        await _drained(store, run)
        interpreter.configure()
        interpreter.freeze()
        for turn in range(pairs):
            for _ in range(backlog // 200):
                await store.write(partial(make_entries, count=200))
            taken = {}
            for what in ("idle", "draining") if turn % 2 == 0 else ("draining", "idle"):
                if what == "idle":
                    taken[what] = await _marked(store, None, idle_s)
                else:
                    taken[what] = await _marked(store, run, 0.0)
            windows.append((taken["idle"], taken["draining"]))
    return windows


async def _drained(store: Any, run: Any) -> None:
    from tests.kit.waiting import eventually

    async with trio.open_nursery() as nursery:
        shown = await nursery.start(run)
        await eventually(lambda: _is_drained(store, shown), what="the first snapshot")
        nursery.cancel_scope.cancel()


def _is_drained(store: Any, shown: Any) -> bool:
    state = shown.state
    return state is not None and state.snapshot_seq is None and state.acked >= store.journal.head


async def _marked(store: Any, run: Any, seconds: float) -> Row:
    """A mark every 10 ms, for so long or until everything is sent."""
    from tests.kit.box import add_session

    took, began, head = list[float](), time.perf_counter(), store.journal.head
    async with trio.open_nursery() as nursery:
        shown = await nursery.start(run) if run is not None else None
        while (
            time.perf_counter() - began < seconds
            if shown is None
            else shown.state is None or (shown.state.snapshot_seq is not None or shown.state.acked < head)
        ):
            await trio.sleep(0.01)
            asked = time.perf_counter()
            await store.write(partial(add_session, name="Mark"))
            took.append(time.perf_counter() - asked)
        nursery.cancel_scope.cancel()
    spent = time.perf_counter() - began
    sent = 0 if shown is None else shown.sent
    return {"p50": benchkit.quantile(took, 0.5), "p95": benchkit.quantile(took, 0.95), "rate": sent / spent}


def reconnect(options: Options) -> list[Row]:
    """Every box connects and sends 300 events in two batches, all at the same moment."""
    boxes, at = 20 if options.quick else 1000, _hosted(options)
    tokens = trio.run(_tokens, at, [f"site{number}" for number in range(boxes)])
    before, began = _rss_mb(at.process.pid), time.perf_counter()
    took = trio.run(_all_at_once, at.port, tokens)
    spent, after = time.perf_counter() - began, _rss_mb(at.process.pid)
    spread = benchkit.spread_ms(took)
    return [
        {
            "boxes": boxes,
            "drained": len(took) // 2,
            "seconds": round(spent, 1),
            "p50_ms": spread["p50_ms"],
            "max_ms": spread["max_ms"],
            "rss_mb": f"{before} -> {after}",
            "goal": "all, < 10 s each",
        }
    ]


def _rss_mb(pid: int | None) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


async def _all_at_once(port: int, tokens: dict[str, str]) -> list[float]:
    from appliance.box.sync.client import open_client
    from appliance.box.sync.up.events import CONTENT_TYPE
    from appliance.kernel.errors import Unavailable
    from tests.cloud.fleet.sending import body_of

    took = list[float]()
    bodies = {site: [body_of(_events(site, first, 150)) for first in (1, 151)] for site in tokens}

    async def box(number: int, site: str, token: str) -> None:
        box_id = f"00000000-0000-4000-8000-{number:012d}"
        async with open_client(f"http://127.0.0.1:{port}", token, box_id) as client:
            for body in bodies[site]:
                began = time.perf_counter()
                while True:
                    try:
                        path = "/edge/v1/events"
                        await client.call("POST", path, body=body, content_type=CONTENT_TYPE, timeout_s=60)
                        break
                    except Unavailable:
                        await trio.sleep(0.5)
                took.append(time.perf_counter() - began)

    async with trio.open_nursery() as nursery:
        for number, (site, token) in enumerate(tokens.items()):
            nursery.start_soon(box, number, site, token)
    return took


def main() -> None:
    from tests.faults.sync_worker import quiet

    quiet()
    parts = {"intake": intake, "latency": latency, "down": down, "marks": marks, "reconnect": reconnect}
    benchkit.run("sync", __doc__, parts)


if __name__ == "__main__":
    main()
