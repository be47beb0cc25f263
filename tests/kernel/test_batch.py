"""What a closure may rely on in a batch, on both databases: its savepoints, and running again."""

from __future__ import annotations

from typing import Any

import apsw
import psycopg
import pytest
import trio

from appliance.kernel.errors import Refused, not_found
from appliance.kernel.store import StoreBroken, StoreFull
from appliance.kernel.tx import Tx
from tests.kernel.test_store import keys, one_batch, put
from tests.kit.databases import Database, SqliteDatabase


async def test_a_part_that_fails_is_undone_and_the_rest_stays(database: Database) -> None:
    def ingest(tx: Tx) -> list[str]:
        parked = []
        for key in ("a", "bad", "b"):
            try:
                with tx.savepoint():
                    put(key)(tx)
                    if key == "bad":
                        raise not_found("clip", "x")
            except Refused:
                parked.append(key)
        return parked

    async with database.open() as store:
        assert await store.write(ingest) == ["bad"]
        assert await store.read(keys) == ["a", "b"]
        entries = await store.journal.read(0)
        assert [(entry.seq, entry.subject) for entry in entries] == [(1, "clip:a"), (2, "clip:b")]


async def test_an_error_of_the_database_undoes_its_part_alone(database: Database) -> None:
    def ingest(tx: Tx) -> None:
        put("a")(tx)
        with pytest.raises((apsw.Error, psycopg.Error)), tx.savepoint():
            put("b")(tx)
            put("a")(tx)
        put("c")(tx)

    async with database.open() as store:
        await store.write(ingest)
        assert await store.read(keys) == ["a", "c"]
        assert [entry.seq for entry in await store.journal.read(0)] == [1, 2]


async def test_savepoints_may_be_nested(database: Database) -> None:
    def ingest(tx: Tx) -> None:
        with tx.savepoint():
            put("a")(tx)
            with pytest.raises(ValueError), tx.savepoint():
                with tx.savepoint():
                    put("b")(tx)
                raise ValueError("with what is inside")
            put("c")(tx)

    async with database.open() as store:
        await store.write(ingest)
        assert await store.read(keys) == ["a", "c"]
        assert [entry.subject for entry in await store.journal.read(0)] == ["clip:a", "clip:c"]


async def test_an_error_of_the_whole_batch_cannot_be_caught_around_a_savepoint(tmp_path: Any) -> None:
    """Otherwise one item of many would be put off although the disk is the cause."""

    def fails() -> None:
        raise apsw.IOError("disk I/O error")

    def ingest(tx: Tx) -> str:
        with pytest.raises(apsw.Error), tx.savepoint():
            fails()
        return "parked"

    answers: dict[str, Any] = {}
    with pytest.raises(BaseExceptionGroup):
        async with SqliteDatabase(tmp_path / "box.db").open(rehearse=False) as store:
            answers = await one_batch(store, {"a": put("a"), "bad": ingest})
            await trio.sleep_forever()
    assert {type(each) for each in answers.values()} == {StoreBroken}


async def test_an_error_of_the_databases_state_is_no_parts_to_catch_either(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor when the next part fails by itself; the other closures of the batch are not concerned."""

    def no_room(tx: Tx) -> None:
        if database.name == "sqlite":
            raise apsw.FullError("database or disk is full")
        tx.run("DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$")

    def ingest(tx: Tx) -> str:
        for part in (no_room, put("a")):
            with pytest.raises((apsw.Error, psycopg.Error)), tx.savepoint():
                part(tx)
        return "parked"

    async with database.open(rehearse=False) as store:
        answers = await one_batch(store, {"a": put("a"), "bad": ingest, "b": put("b")})
        assert isinstance(answers["bad"], StoreFull)
        assert (answers["a"], answers["b"]) == ("a", "b")
        assert await store.read(keys) == ["a", "b"]


async def test_rehearsed_every_closure_is_run_twice_and_counts_once(database: Database) -> None:
    runs = []

    def closure(tx: Tx) -> str:
        runs.append(tx.head())
        return put("a")(tx)

    async with database.open(rehearse=True) as store:
        assert await store.write(closure) == "a"
        assert runs == [0, 0]
        assert await store.read(keys) == ["a"]
        assert store.journal.head == 1
