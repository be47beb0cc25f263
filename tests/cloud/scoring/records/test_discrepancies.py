"""Sources that contradict each other: both values, until they agree."""

from __future__ import annotations

from typing import Any

from appliance.cloud.scoring.records.discrepancies import discrepancies_of, result_text
from appliance.kernel.store import Store
from tests.cloud.scoring.records.kit import FIRST, SECOND, given, loaded, matchdays


async def listed(store: Store, *, is_open: bool | None = True) -> list[dict[str, Any]]:
    return await store.read(lambda tx: discrepancies_of(tx, "cup", is_open=is_open))


async def test_both_values_are_listed_until_they_agree(store: Store) -> None:
    await loaded(store, matchdays("A 2-1 B"))
    for _ in range(2):
        await loaded(store, matchdays("A 1-1 B"), SECOND, may_create=False)
        (row,) = await listed(store)
        assert (row["source"], row["value"], row["other_source"], row["other_value"]) == (
            "first",
            "2-1",
            "second",
            "1-1",
        )
    await loaded(store, matchdays("A 3-1 B"), FIRST, may_create=False)
    assert [row["value"] for row in await listed(store)] == ["3-1"]
    await loaded(store, matchdays("A 1-1 B"), FIRST, may_create=False)
    assert await listed(store) == []
    assert [row["resolved_at"] is None for row in await listed(store, is_open=False)] == [False]


async def test_the_provider_asked_first_takes_over(store: Store) -> None:
    await loaded(store, matchdays("A v B"))
    await loaded(store, matchdays("A 1-1 B"), SECOND, may_create=False)
    await loaded(store, matchdays("A 2-1 B"), FIRST, may_create=False)
    (row,) = await listed(store)
    assert (row["source"], row["value"], row["other_source"], row["other_value"]) == (
        "first",
        "2-1",
        "second",
        "1-1",
    )


def test_kicks_are_shown_apart() -> None:
    assert result_text(given("A 1-1 B", extra_time=(2, 2), shoot_out=(4, 2))) == "2-2 (4-2 pen.)"
    assert result_text(given("A v B")) == "none"
