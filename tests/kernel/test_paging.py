"""Lists in pages: every row once, in order, whatever is inserted in between."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from appliance.kernel.errors import Refused
from appliance.kernel.ids import new_uuid
from appliance.kernel.paging import Page, decode_cursor, encode_cursor, list_page
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Row, Tx
from tests.kit.clock import HandClock
from tests.kit.databases import Database


def name_of(tx: ReadTx, row: Row) -> dict[str, Any]:
    return {"name": row["name"]}


async def page(store: Store, **query: Any) -> dict[str, Any]:
    return await store.read(
        lambda tx: list_page(tx, Page(**query), table="things", key="created_us", where=[], resource=name_of)
    )


@asynccontextmanager
async def things(database: Database, clock: HandClock) -> AsyncIterator[Store]:
    """A store with a table of its own to list."""
    async with database.open(clock) as store:
        sql = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, created_us INTEGER, deleted_us INTEGER)"
        await store.write(lambda tx: tx.run(database.schema(sql)))
        yield store


async def add(store: Store, name: str) -> None:
    def closure(tx: Tx) -> None:
        tx.insert("things", {"id": new_uuid(), "name": name, "created_us": tx.now_us})
        tx.append("thing_created", "thing:x", {})

    await store.write(closure)


def names(listed: dict[str, Any]) -> list[str]:
    return [item["name"] for item in listed["items"]]


async def test_pages_hold_every_row_once_in_order(database: Database) -> None:
    clock = HandClock()
    async with things(database, clock) as store:
        for n in range(7):
            await add(store, f"s{n}")
            clock.advance(1 if n % 3 == 0 else 0)  # some have the same instant: the id decides
        seen: list[str] = []
        cursor = None
        while True:
            listed = await page(store, limit=2, cursor=cursor)
            seen += names(listed)
            cursor = listed["next_cursor"]
            if cursor is None:
                break
            await add(store, "later") if len(seen) == 2 else None
            clock.advance(1)
        assert sorted(seen[:7]) == [f"s{n}" for n in range(7)]
        assert seen[7:] == ["later"]


async def test_a_page_is_as_long_as_asked_and_only_a_further_row_makes_another(database: Database) -> None:
    async with things(database, HandClock()) as store:
        for n in range(3):
            await add(store, f"s{n}")
        sizes = {limit: await page(store, limit=limit) for limit in (1, 2, 3, 4)}
        assert {limit: len(names(listed)) for limit, listed in sizes.items()} == {1: 1, 2: 2, 3: 3, 4: 3}
        assert [listed["next_cursor"] is None for listed in sizes.values()] == [False, False, True, True]


@pytest.mark.parametrize("row_id", ["a", "ab", "abc", "abcd"])
def test_a_cursor_of_any_length_is_read_back(row_id: str) -> None:
    longest = 10**18 - 1
    assert decode_cursor(encode_cursor(longest, row_id)) == (longest, row_id)


async def test_a_list_contains_the_journal_position_at_which_it_was_read(database: Database) -> None:
    async with things(database, HandClock()) as store:
        assert (await page(store))["as_of_seq"] == 0
        await add(store, "a")
        listed = await page(store)
        assert (listed["as_of_seq"], listed["next_cursor"]) == (1, None)


async def test_deleted_rows_are_not_listed(database: Database) -> None:
    async with things(database, HandClock()) as store:
        await add(store, "a")
        await store.write(lambda tx: tx.run("UPDATE things SET deleted_us = 1"))
        assert names(await page(store)) == []


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "?",
        "ñ",
        "",
        base64.urlsafe_b64encode(b"abc").decode(),
        base64.urlsafe_b64encode(b"1e3:id").decode(),
        encode_cursor(10**30, "id"),
        encode_cursor(2**63, "id"),  # 19 digits, and one more than SQLite stores
        encode_cursor(9_999_999_999_999_999_999, "id"),
    ],
)
def test_a_text_that_is_not_one_of_our_cursors_is_refused(cursor: str) -> None:
    with pytest.raises(Refused) as caught:
        decode_cursor(cursor)
    assert caught.value.status == 422
    assert caught.value.errors[0].loc == "cursor"


def test_a_cursor_survives_the_round_trip() -> None:
    assert decode_cursor(encode_cursor(123, "a:b")) == (123, "a:b")
