"""A snapshot has every resource and every deleted id, in parts of a bounded size."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import httpx
import pytest
from trio.testing import MockClock

from appliance.box.sync.up import snapshot
from appliance.kernel.errors import Unavailable
from tests.box.sync.up.linked import linked, make_things
from tests.kit.box import add_session


async def test_pages_and_parts(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "PAGE", 3)
    monkeypatch.setattr(snapshot, "PART_BYTES", 2000)
    async with linked(tmp_path) as both:
        await both.store.write(make_things)
        sessions = [await both.store.write(partial(add_session, name=f"Game {n}")) for n in range(7)]
        gone = "UPDATE sessions SET deleted_us = 1 WHERE id = ?"
        await both.store.write(lambda tx: tx.run(gone, (sessions[3],)))
        await both.drain()
        assert sum("/parts/" in each for each in both.line.requests) >= 3
        await both.check_equal()
        (deleted,) = [row for row in (await both.in_cloud()).resources if row["deleted_us"]]
        assert deleted["id"] == sessions[3] and json.loads(deleted["resource"]) == {}


async def test_a_line_that_breaks_at_every_part_carries_one_snapshot(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "PART_BYTES", 500)
    async with linked(tmp_path) as both:
        for _ in range(3):
            await both.store.write(make_things)
        seen = set[str]()

        def cut(request: httpx.Request) -> None:
            if "/parts/" in request.url.path and request.url.path not in seen:
                seen.add(request.url.path)
                raise httpx.WriteError("cut")

        both.line.before = cut
        await both.drain()
        assert len(seen) >= 3
        assert sum(each == "POST /edge/v1/snapshots" for each in both.line.requests) == 1
        await both.check_equal()


async def test_a_cloud_that_names_no_snapshot(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with linked(tmp_path) as both:
        for value in ({}, {"id": 5}, {"id": "../../x"}, {"id": "x" * 100_000}):
            both.line.after = lambda request, answer, it=value: httpx.Response(201, json=it)  # type: ignore[misc]
            with pytest.raises(Unavailable):
                await both.up.step()
