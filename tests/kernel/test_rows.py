"""Rows by id: the same answers for every kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.kernel.errors import Refused
from appliance.kernel.rows import known_row, load_row
from appliance.kernel.tx import ReadTx, Row
from tests.kit.box import add_channel, sim_store


def refused(call: object) -> tuple[int, str]:
    assert callable(call)
    with pytest.raises(Refused) as caught:
        call()
    return caught.value.status, caught.value.code


async def test_a_row_is_there_unknown_or_deleted(tmp_path: Path) -> None:
    async with sim_store(tmp_path) as store:
        await store.write(lambda tx: add_channel(tx, channel_id="cam1"))

        def look(tx: ReadTx) -> Row:
            assert refused(lambda: load_row(tx, "channel", "cam2", gone="archived_us")) == (404, "not_found")
            return load_row(tx, "channel", "cam1", gone="archived_us")

        assert (await store.read(look))["id"] == "cam1"
        await store.write(lambda tx: tx.run("UPDATE channels SET archived_us = 1"))
        gone = await store.read(
            lambda tx: refused(lambda: load_row(tx, "channel", "cam1", gone="archived_us"))
        )
        assert gone == (410, "deleted")


async def test_a_creation_again_is_the_same_row_or_refused(tmp_path: Path) -> None:
    async with sim_store(tmp_path) as store:
        await store.write(lambda tx: add_channel(tx, channel_id="cam1"))
        await store.write(lambda tx: tx.run("UPDATE channels SET request_hash = 'a'"))

        def look(tx: ReadTx) -> None:
            def again(row_id: str | None, request_hash: str) -> Row | None:
                return known_row(tx, "channel", row_id, request_hash, gone="archived_us")

            assert again(None, "a") is None and again("cam2", "a") is None
            known = again("cam1", "a")
            assert known is not None and known["id"] == "cam1"
            for other in ("b", "A"):
                assert refused(lambda other=other: again("cam1", other)) == (422, "id_reused")

        await store.read(look)
        await store.write(lambda tx: tx.run("UPDATE channels SET archived_us = 1"))
        with pytest.raises(Refused, match="was deleted"):  # whatever created it
            await store.read(lambda tx: known_row(tx, "channel", "cam1", "b", gone="archived_us"))
