"""Any order of changes, refusals, reads, leases, cut connections, deaths and restarts against a model of what
a store holds, on both databases; on PostgreSQL with a second process that writes too."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import hypothesis
import pytest
import trio
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from appliance.kernel.follow import find_cursor, move_cursor, place_cursor
from appliance.kernel.leases import Lease, LeaseLost, check_lease, release_lease, renew_lease, take_lease
from appliance.kernel.postgres import engine as engines
from appliance.kernel.postgres import server as servers
from appliance.kernel.tx import ReadTx, Tx
from tests.faults.loop import Portal
from tests.faults.tally import Tally
from tests.kernel.sides import FileSide, ServerSide, Side
from tests.kernel.test_store import one_batch
from tests.kit import postgres
from tests.kit.postgres_proxy import SIDES, Exchange
from tests.kit.postgres_proxy import Side as End
from tests.kit.waiting import LIMIT_S

Kind = Literal["set", "fail", "part", "entries", "remove"]
Action = tuple[Kind, str, int]
Cut = tuple[Exchange, End]

KEYS = st.sampled_from("abcd")
ACTIONS = st.tuples(st.sampled_from(["set", "fail", "part", "entries", "remove"]), KEYS, st.integers(0, 3))
BATCHES = st.lists(ACTIONS, min_size=1, max_size=5)
CUTS = st.none() | st.tuples(st.just("commit") | st.integers(0, 8), st.sampled_from(SIDES))


@dataclass
class Model:
    """What the store holds: rows by key, the subjects of all entries, and of each lease (newest token,
    whether its time is not over)."""

    rows: dict[str, str] = field(default_factory=dict)
    subjects: list[str] = field(default_factory=list)
    leases: dict[str, tuple[int, bool]] = field(default_factory=dict)

    def apply(self, action: Action) -> None:
        kind, key, number = action
        if kind in ("set", "part"):
            self.rows[key] = str(number)
            self.subjects.append(f"{kind}:{key}")
        elif kind == "entries":
            self.subjects += [f"entries:{key}"] * number
        elif kind == "remove":
            self.rows.pop(key, None)


def closure(action: Action) -> Callable[[Tx], str]:
    kind, key, number = action

    def set_row(tx: Tx, value: str) -> None:
        tx.run(
            "INSERT INTO meta (key, value) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )
        tx.append("set", f"{kind}:{key}", {"value": value})

    def run(tx: Tx) -> str:
        if kind in ("set", "part"):
            set_row(tx, str(number))
        if kind == "part":
            with pytest.raises(ValueError), tx.savepoint():
                set_row(tx, "undone")
                tx.run("DELETE FROM meta WHERE key = 'a'")
                raise ValueError("undone")
        if kind == "fail":
            set_row(tx, "failed")
            raise ValueError("failed")
        if kind == "entries":
            for _ in range(number):
                tx.append("entries", f"entries:{key}", {})
        if kind == "remove":
            tx.run("DELETE FROM meta WHERE key = ?", (key,))
        return "done"

    return run


def held(tx: ReadTx) -> tuple[dict[str, str], list[tuple[int, str]], int]:
    rows = {row["key"]: row["value"] for row in tx.all("SELECT key, value FROM meta WHERE key <> 'epoch'")}
    entries = tx.all("SELECT seq, subject FROM journal ORDER BY seq")
    return rows, [(row["seq"], row["subject"]) for row in entries], tx.head()


# -- the machine -------------------------------------------------------------------------------------------

CURSOR = "reader"
SUBJECTS = st.sampled_from("xxy")


class StoreMachine(RuleBasedStateMachine):
    """See the module's docstring. `new_side` makes the database."""

    portal: Portal
    new_side: Callable[[Portal], Side]

    def __init__(self) -> None:
        super().__init__()
        self.side, self.model = self.new_side(self.portal), Model()
        self.taken: list[Lease] = []
        self.cursor = 0
        self.write(lambda tx: place_cursor(tx, CURSOR, 0))

    def teardown(self) -> None:
        self.side.close()

    def write(self, closure: Callable[[Tx], Any]) -> Any:
        return self.portal.call(self.side.stores[0].write, closure)

    # -- changes -------------------------------------------------------------------------------------------

    @rule(actions=BATCHES, cut=CUTS, number=st.integers(0, 1))
    def batch(self, actions: list[Action], cut: Cut | None, number: int) -> None:
        """One transaction of a process; its connection may be lost anywhere."""
        if cut is not None:
            self.side.cut_at(*cut)
        closures = {f"{at}": closure(action) for at, action in enumerate(actions)}
        self.answered(actions, self.portal.call(one_batch, self.side.stores[number], closures))

    def answered(self, actions: list[Action], answers: dict[str, Any]) -> None:
        for at, action in enumerate(actions):
            answer = answers[f"{at}"]
            assert isinstance(answer, ValueError) if action[0] == "fail" else answer == "done", answer
            self.model.apply(action)

    @rule(action=ACTIONS.filter(lambda action: action[0] != "fail"), is_committed=st.booleans())
    def death(self, action: Action, is_committed: bool) -> None:
        self.side.die(closure(action), is_committed=is_committed)
        if is_committed:
            self.model.apply(action)

    @rule()
    def restart(self) -> None:
        self.side.restart()

    # -- reading -------------------------------------------------------------------------------------------

    @rule(actions=BATCHES)
    def snapshot(self, actions: list[Action]) -> None:
        """A read sees one state while another process commits."""
        before = self.expected()
        looked, written = threading.Event(), threading.Event()
        states: list[Any] = []

        def look(tx: ReadTx) -> None:
            states.append(held(tx))
            looked.set()
            assert written.wait(LIMIT_S)
            states.append(held(tx))

        async def read_and_write() -> dict[str, Any]:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.side.stores[0].read, look)
                await trio.to_thread.run_sync(looked.wait)
                closures = {f"{at}": closure(action) for at, action in enumerate(actions)}
                answers = await one_batch(self.side.stores[1], closures)
                written.set()
            return answers

        self.answered(actions, self.portal.call(read_and_write))
        assert states == [before, before]

    @rule(limit=st.integers(1, 4), number=st.integers(0, 1))
    def follow(self, limit: int, number: int) -> None:
        """The reader gets the entries past its cursor, in any process, and moves it in a transaction."""
        entries = self.portal.call(self.followed, number, limit)
        subjects = list(enumerate(self.model.subjects, 1))[self.cursor : self.cursor + limit]
        assert [(entry.seq, entry.subject) for entry in entries] == subjects
        if entries:
            self.cursor = entries[-1].seq
            self.write(lambda tx: move_cursor(tx, CURSOR, self.cursor))

    async def followed(self, number: int, limit: int) -> Any:
        journal = self.side.stores[number].journal
        with trio.fail_after(LIMIT_S):
            while journal.head < len(self.model.subjects):
                await journal.changed.wait_past(journal.changed.count)
        return await journal.read(self.cursor, limit)

    # -- leases --------------------------------------------------------------------------------------------

    @rule(subject=SUBJECTS, number=st.integers(0, 1), is_over=st.booleans())
    def take(self, subject: str, number: int, is_over: bool) -> None:
        """`is_over`: the time of whoever has it."""
        token, is_held = self.model.leases.get(subject, (0, False))
        if is_over:
            self.write(lambda tx: tx.run("UPDATE leases SET until_us = 0 WHERE subject = ?", (subject,)))
        store, owner = self.side.stores[number], f"process-{number}"
        lease = self.portal.call(store.write, lambda tx: take_lease(tx, "work", subject, owner))
        assert (lease is None) == (is_held and not is_over)
        if lease is not None:
            assert lease.token == token + 1
            self.model.leases[subject] = lease.token, True
            self.taken.append(lease)

    @precondition(lambda self: self.taken)
    @rule(data=st.data(), what=st.sampled_from(["renew", "release", "check"]))
    def use(self, data: st.DataObject, what: str) -> None:
        """Of any lease that was ever taken: an earlier owner has no effect."""
        lease = data.draw(st.sampled_from(self.taken))
        call: dict[str, Callable[[Tx], object]] = {
            "renew": lambda tx: renew_lease(tx, lease),
            "release": lambda tx: release_lease(tx, lease),
            "check": lambda tx: check_lease(tx, lease),
        }
        token, is_held = self.model.leases[lease.subject]
        if token == lease.token:
            self.write(call[what])
            is_held = {"renew": True, "release": False, "check": is_held}[what]
            self.model.leases[lease.subject] = token, is_held
        elif what == "release":
            self.write(call[what])
        else:
            with pytest.raises(LeaseLost):
                self.write(call[what])

    # -- what always holds ---------------------------------------------------------------------------------

    def expected(self) -> Any:
        subjects = list(enumerate(self.model.subjects, 1))
        return dict(self.model.rows), subjects, len(subjects)

    @invariant()
    def stores_hold_what_the_model_holds(self) -> None:
        for store in self.side.stores:
            assert self.portal.call(store.read, held) == self.expected()
        cursor = self.portal.call(self.side.stores[1].read, lambda tx: find_cursor(tx, CURSOR))
        assert cursor is not None and cursor.seq == self.cursor


def run(new_side: Callable[[Portal], Side], examples: int, steps: int = 20, seed: int | None = None) -> None:
    """`seed`: of a long run; without it the examples are those of Hypothesis."""
    portal = Portal()
    request = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
    )
    machine = type("OfSide", (StoreMachine,), {"portal": portal, "new_side": staticmethod(new_side)})
    if seed is not None:
        machine, request = hypothesis.seed(seed)(machine), settings(request, database=None)
    try:
        run_state_machine_as_test(machine, settings=request)
    finally:
        portal.close()


async def store_orders(rounds: int, seed: int, folder: Path) -> Tally:
    """`rounds` examples of up to 50 steps on each database, for scripts/faults."""
    tally = Tally(rounds=rounds, struck=rounds)
    sides: tuple[Callable[[Portal], Side], ...] = (FileSide, partial(ServerSide, server=postgres.server()))
    with pytest.MonkeyPatch.context() as patch:
        patiently(patch)
        for side in sides:
            try:
                await trio.to_thread.run_sync(run, side, rounds, 50, seed)
            except AssertionError as error:
                tally.wrong("\n".join([str(error), *getattr(error, "__notes__", [])]))
    return tally


def patiently(patch: pytest.MonkeyPatch) -> None:
    """No slow machine reaches a limit of time."""
    patch.setattr(engines, "BATCH_S", 0.0)
    patch.setattr(engines, "PAUSE_S", 0.001)
    patch.setattr(servers, "AWAY_S", LIMIT_S)


def test_a_file_holds_what_the_model_holds() -> None:
    run(FileSide, 8)


@pytest.mark.postgres
def test_a_server_holds_what_the_model_holds(
    postgres_server: postgres.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    patiently(monkeypatch)
    run(partial(ServerSide, server=postgres_server), 6)
