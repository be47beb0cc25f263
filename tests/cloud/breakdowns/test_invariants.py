"""Whatever is done in whatever order: one open job an event, one a logger, and what is over stays."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.cloud.breakdowns.marking.machine import LoggingState
from appliance.cloud.breakdowns.queue import verbs
from appliance.cloud.breakdowns.queue.actor import look
from appliance.cloud.breakdowns.queue.machine import HELD, OPEN
from appliance.cloud.breakdowns.queue.model import FailIn, ReassignIn, SkipIn
from appliance.cloud.breakdowns.sources import store as sources
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import ReadTx, Row, Tx
from tests.cloud.breakdowns.world import ADMIN, LEASE_S, USABLE, World, change, logging_world
from tests.kit.clock import HandClock

Step = tuple[str, int, int]
"""What is done, to which row, by which logger; both are taken modulo what there is."""


class Floor:
    """A league with two events and three loggers, on a store that runs every batch twice."""

    def __init__(self, store: Store, clock: HandClock) -> None:
        self.store, self.clock = store, clock
        self.world: World
        self.ids: list[str]

    async def build(self) -> None:
        def make(tx: Tx) -> tuple[World, list[str]]:
            world = logging_world(tx, capacity=2)
            for _ in range(2):
                world.event(tx)
            return world, [world.logger(tx) for _ in range(3)]

        self.world, self.ids = await self.store.write(make)

    async def do(self, step: Step) -> None:
        """Do it, or be refused."""
        name, at, by = step
        if name == "wait":
            self.clock.advance(at * 1000.0)
            await look(self.store, LEASE_S, 12.0)
            return
        action = partial(ACTIONS[name], self, at=at, by=by)
        try:
            await self.store.write(action)
        except Refused:
            return

    def logger(self, by: int) -> Caller:
        return Caller("x", role="logger", scopes=(f"logger:{self.ids[by % len(self.ids)]}",))

    def row(self, tx: ReadTx, table: str, at: int) -> Row:
        """Raises Refused when there is none."""
        rows = tx.all(f"SELECT * FROM {table} ORDER BY created_us, id")
        if not rows:
            raise Refused(404, "not_found", table)
        return rows[at % len(rows)]

    def job(self, tx: ReadTx, at: int) -> str:
        return str(self.row(tx, "jobs", at)["id"])


def _verb(name: str, **body: Any) -> Callable[..., object]:
    def run(floor: Floor, tx: Tx, at: int, by: int) -> object:
        job = floor.row(tx, "jobs", at)
        is_own = by and job["logger_id"] is not None  # mostly the job's own logger
        caller = floor.logger(floor.ids.index(job["logger_id"]) if is_own else by)
        return getattr(verbs, name)(tx, caller, job["id"], **body)

    return run


def _judge(name: str) -> Callable[..., object]:
    def run(floor: Floor, tx: Tx, at: int, by: int) -> object:
        return getattr(sources, name)(tx, ADMIN, floor.row(tx, "sources", at)["id"], USABLE)

    return run


def _notice(floor: Floor, tx: Tx, at: int, by: int) -> object:
    floor.world.notices = int(tx.value("SELECT count(*) FROM sources"))
    return floor.world.source(tx, floor.row(tx, "events", at)["id"])


def _reassign(floor: Floor, tx: Tx, at: int, by: int) -> object:
    body = ReassignIn(logger_id=floor.ids[by % len(floor.ids)], reason="x")
    return verbs.reassign(tx, ADMIN, floor.job(tx, at), body, LEASE_S)


def _rule(floor: Floor, tx: Tx, at: int, by: int) -> None:
    change(tx, "rule", floor.row(tx, "logging_rules", 0)["id"], is_active=bool(at % 2))


def _ask(floor: Floor, tx: Tx, at: int, by: int) -> object:
    return verbs.ask(tx, floor.logger(by), LEASE_S)


ACTIONS: dict[str, Callable[..., object]] = {
    "notice": _notice,
    "accept source": _judge("accept"),
    "fail source": _judge("fail"),
    "corrupt": _judge("corrupt"),
    "rule": _rule,
    "ask": _ask,
    "accept": _verb("accept", lease_s=LEASE_S),
    "review": _verb("review"),
    "start": _verb("start"),
    "skip": _verb("skip", body=SkipIn(reason="x")),
    "fail": _verb("fail", body=FailIn.model_validate({"reason": "other"})),
    "complete": _verb("complete"),
    "reassign": _reassign,
}
steps = st.lists(
    st.tuples(st.sampled_from(["wait", *ACTIONS]), st.integers(0, 3), st.integers(0, 2)), max_size=25
)
WAY: list[Step] = [
    ("notice", 0, 0),
    ("accept source", 0, 0),
    ("ask", 0, 0),
    ("review", 0, 1),
    ("start", 0, 1),
    ("complete", 0, 1),
]
"""How the first event is logged; each example begins somewhere on it."""


def broken(tx: ReadTx, over: dict[str, Row]) -> list[str]:
    """What does not hold. `over`: the jobs that were over before; new ones are added."""
    jobs = tx.all("SELECT * FROM jobs ORDER BY id")
    loggers = tx.all("SELECT * FROM loggers ORDER BY id")
    found = []
    open_jobs = [job for job in jobs if job["ended_us"] is None]
    if len({job["event_id"] for job in open_jobs}) < len(open_jobs):
        found.append("an event has two open jobs")
    if any((job["status"] in OPEN) != (job["ended_us"] is None) for job in jobs if not job["withdrawn_us"]):
        found.append("a job is open and has ended")
    held = {job["id"]: job["logger_id"] for job in open_jobs if job["status"] in HELD}
    if held != {row["job_id"]: row["id"] for row in loggers if row["job_id"] is not None}:
        found.append("a job and its logger do not name each other")
    if len(held) > 2:
        found.append("the office has more jobs than its capacity")
    for job_id, before in over.items():
        if next(job for job in jobs if job["id"] == job_id) != before:
            found.append("a job that was over has changed")
    over.update({job["id"]: job for job in jobs if job["ended_us"] is not None})
    return found + _events(tx, open_jobs)


def _events(tx: ReadTx, open_jobs: list[Row]) -> list[str]:
    """An event's state says whether it has an open job, and a locked video is never exchanged."""
    found, by_event = [], {job["event_id"]: job for job in open_jobs}
    for row in tx.all("SELECT * FROM markings ORDER BY id"):
        has_job = row["state"] in (LoggingState.QUEUED, LoggingState.IN_PROGRESS)
        if has_job != (row["id"] in by_event):
            found.append(f"an event is {row['state']}, with {'' if row['id'] in by_event else 'no '}job")
    twice = "SELECT event_id FROM sources WHERE state = 'locked' GROUP BY event_id HAVING count(*) > 1"
    if tx.all(twice):
        found.append("two videos of an event are locked")
    return found


@settings(max_examples=20)
@given(st.integers(2, len(WAY)), steps)
def test_every_order_of_what_people_do_keeps_the_invariants(
    begun: int, found: list[Step]
) -> None:  # L12 L15 L27
    async def run() -> None:
        clock = HandClock()
        with tempfile.TemporaryDirectory() as folder:
            opened = open_store(Path(folder) / "cloud.db", clock, in_thread=False, rehearse=True)
            async with opened as store:
                floor, over = Floor(store, clock), dict[str, Row]()
                await floor.build()
                for step in (*WAY[:begun], *found):
                    await floor.do(step)
                    assert await store.read(lambda tx: broken(tx, over)) == [], step

    trio.run(run)
