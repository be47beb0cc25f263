"""Any order of changes, failures and restarts against a model of what a store holds; on PostgreSQL also with
the connection cut anywhere."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.kernel.postgres import engine as engines
from appliance.kernel.postgres import server as servers
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Tx
from tests.kernel.test_store import one_batch
from tests.kit import postgres
from tests.kit.databases import Database, PostgresDatabase, SqliteDatabase
from tests.kit.postgres_proxy import Proxy, cutting_proxy
from tests.kit.waiting import LIMIT_S

Kind = Literal["set", "fail", "part", "entries", "remove"]
Action = tuple[Kind, str, int]
Cut = tuple[int, Literal["before", "after"]]

KEYS = st.sampled_from("abcd")
ACTIONS = st.tuples(st.sampled_from(["set", "fail", "part", "entries", "remove"]), KEYS, st.integers(0, 3))
BATCHES = st.lists(ACTIONS, min_size=1, max_size=5)
CUTS = st.none() | st.tuples(st.integers(0, 12), st.sampled_from(["before", "after"]))
STEPS = st.lists(st.tuples(BATCHES, CUTS) | st.just("restart"), min_size=1, max_size=8)


@dataclass
class Model:
    """What the store holds: rows by key, and the subjects of all entries."""

    rows: dict[str, str] = field(default_factory=dict)
    subjects: list[str] = field(default_factory=list)

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


async def play(
    open_store: Callable[[], AbstractAsyncContextManager[Store]], steps: Any, proxy: Proxy | None
) -> None:
    model, left = Model(), list(steps)
    while left:
        async with open_store() as store:
            while left and (step := left.pop(0)) != "restart":
                actions, cut = step
                if proxy is not None and cut is not None:
                    proxy.cut_at(*cut)
                answers = await one_batch(store, {f"{n}": closure(each) for n, each in enumerate(actions)})
                for number, action in enumerate(actions):
                    answer = answers[f"{number}"]
                    assert isinstance(answer, ValueError) if action[0] == "fail" else answer == "done", answer
                    model.apply(action)
            subjects = list(enumerate(model.subjects, 1))
            assert await store.read(held) == (model.rows, subjects, len(subjects))
            with trio.fail_after(LIMIT_S):
                while store.journal.head < len(subjects):
                    await store.journal.changed.wait_past(store.journal.changed.count)
            followed = [(entry.seq, entry.subject) for entry in await store.journal.read(0)]
            assert followed == subjects


@settings(max_examples=25)
@given(STEPS)
def test_a_file_holds_what_the_model_holds(steps: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database: Database = SqliteDatabase(Path(folder) / "box.db")
        trio.run(play, database.open, steps, None)


@pytest.mark.postgres
def test_a_server_holds_what_the_model_holds(
    postgres_server: postgres.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BATCH_S", 0.0)
    monkeypatch.setattr(engines, "PAUSE_S", 0.001)
    monkeypatch.setattr(servers, "AWAY_S", LIMIT_S)

    async def through_a_line(steps: Any) -> None:
        url = postgres_server.new_database()
        async with cutting_proxy(url, postgres_server.folder) as proxy:
            await play(PostgresDatabase(proxy.url).open, steps, proxy)

    @settings(max_examples=8)
    @given(STEPS)
    def any_steps(steps: Any) -> None:
        trio.run(through_a_line, steps)

    any_steps()
