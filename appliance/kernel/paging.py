"""Lists in pages: a stable order, an opaque cursor, and the journal seq at which the page was read."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from appliance.kernel.errors import invalid
from appliance.kernel.fields import Input
from appliance.kernel.tx import ReadTx, Row


class Page(Input):
    """Query parameters of every list."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: str | None = None


def encode_cursor(key_us: int, row_id: str) -> str:
    return base64.urlsafe_b64encode(f"{key_us}:{row_id}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[int, str]:
    """(sort key, id) of the last row of the page before. Raises Refused 422."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        key, row_id = text.split(":", 1)
        if len(key) > 18:  # a bound for int(): 10^18 us are 30,000 years
            raise ValueError
        return int(key), row_id
    except (ValueError, binascii.Error):
        raise invalid("cursor", "is not a cursor of this list: take next_cursor as it came") from None


def list_page(
    tx: ReadTx,
    page: Page,
    *,
    table: str,
    key: str,
    where: list[tuple[str, tuple[Any, ...]]],
    resource: Callable[[ReadTx, Row], dict[str, Any]],
    gone: str = "deleted_us",
) -> dict[str, Any]:
    """`{"items", "next_cursor", "as_of_seq"}` of rows not deleted, sorted by (key, id).

    `where` holds (SQL condition, parameters) pairs; table, key, conditions and `gone` (the column that is not
    null once a row is deleted) are constants of our code, never input.
    """
    conditions = [(f"{gone} IS NULL", ()), *where]
    if page.cursor is not None:
        conditions.append((f"({key}, id) > (?, ?)", decode_cursor(page.cursor)))
    sql = f"SELECT * FROM {table} WHERE {' AND '.join(c for c, _ in conditions)} ORDER BY {key}, id LIMIT ?"
    params = [value for _, values in conditions for value in values]
    rows = tx.all(sql, (*params, page.limit + 1))
    more = len(rows) > page.limit
    rows = rows[: page.limit]
    return {
        "items": [resource(tx, row) for row in rows],
        "next_cursor": encode_cursor(rows[-1][key], rows[-1]["id"]) if more else None,
        "as_of_seq": tx.head(),
    }
