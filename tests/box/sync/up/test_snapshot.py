"""A snapshot has every resource and every deleted id, in parts of a bounded size."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from appliance.box.sync.up import snapshot
from appliance.box.sync.up.snapshot import Sizes, _sizes
from appliance.kernel.errors import Refused, Unavailable
from tests.box.sync.up.linked import box_resources, linked, make_things
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


@pytest.mark.parametrize("is_served", [True, False])
async def test_a_commit_that_is_cut_is_asked_for_again_and_nothing_begins_anew(
    tmp_path: Path, autojump_clock: MockClock, is_served: bool
) -> None:
    async with linked(tmp_path) as both:
        await both.store.write(make_things)
        left = [3]

        def cut(request: httpx.Request, answer: httpx.Response | None = None) -> None:
            if request.url.path.endswith("/commit") and left[0]:
                left[0] -= 1
                raise httpx.ReadTimeout("cut")

        def after(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
            cut(request)
            return answer

        if is_served:
            both.line.after = after
        else:
            both.line.before = cut
        for _ in range(3):
            with pytest.raises(Unavailable):
                await both.drain()
            await both.store.write(make_things)  # while it waits: an event after the snapshot
        await both.drain()
        assert sum(each == "POST /edge/v1/snapshots" for each in both.line.requests) == 1
        await both.check_equal()


async def test_a_restart_asks_for_the_same_commit_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with linked(tmp_path) as both:
        await both.store.write(make_things)
        left = [3]

        def cut(request: httpx.Request) -> None:
            if request.url.path.endswith("/commit") and left[0]:
                left[0] -= 1
                raise httpx.ReadTimeout("cut")

        both.line.before = cut
        for _ in range(3):
            with pytest.raises(Unavailable):
                await both.drain()
            await both.store.write(make_things)
            both.restart()
        await both.drain()
        assert sum(each == "POST /edge/v1/snapshots" for each in both.line.requests) == 1
        await both.check_equal()
        state = both.up.shown.state
        assert state is not None and (state.commit_path, state.commit_body) == ("", "")


@pytest.mark.parametrize("status", [401, 429])
async def test_a_refusal_of_the_box_itself_keeps_the_commit(
    tmp_path: Path, autojump_clock: MockClock, status: int
) -> None:
    async with linked(tmp_path) as both:
        await both.store.write(make_things)
        left = [1]

        def refuse(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
            if request.url.path.endswith("/commit") and left[0]:
                left[0] -= 1
                return httpx.Response(status, json={"code": "not_paired", "detail": "x", "status": status})
            return answer

        both.line.after = refuse
        with pytest.raises((Refused, Unavailable)):
            await both.drain()
        await both.drain()
        assert sum(each == "POST /edge/v1/snapshots" for each in both.line.requests) == 1
        await both.check_equal()


@pytest.mark.parametrize("limit", [2**21, 2**20])
async def test_a_resource_that_is_larger_than_a_part_goes_alone_or_is_left_out_and_named(
    tmp_path: Path, autojump_clock: MockClock, limit: int
) -> None:
    """`limit`: of this release, and of a cloud of the release before."""
    async with linked(tmp_path) as both:
        await both.store.write(make_things)
        larger, largest, _ = [
            await both.store.write(partial(add_session, name=f"Game {n}")) for n in (7, 8, 9)
        ]
        for row_id, length in ((larger, 1_200_000), (largest, 2_200_000)):
            sql, values = "UPDATE sessions SET name = ? WHERE id = ?", ("L" * length, row_id)
            await both.store.write(lambda tx, sql=sql, values=values: tx.run(sql, values))  # type: ignore[misc]

        def refuse(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
            if "/parts/" in request.url.path and int(request.headers["content-length"]) > limit:
                return httpx.Response(413, json={"code": "too_large", "detail": "x", "status": 413})
            return answer

        both.line.after = refuse
        await both.drain()
        state = both.up.shown.state
        there = {row["id"] for row in (await both.in_cloud()).resources}
        own = {row_id for _, row_id in await both.store.read(box_resources)}
        left_out = {largest} if limit == 2**21 else {larger, largest}
        assert state is not None and own - there == left_out
        assert {f"session {each}" for each in left_out} == set(state.left_out.split(", "))
        both.restart()
        await both.up.step()  # the next start still names them
        assert both.up.shown.state is not None and both.up.shown.state.left_out == state.left_out


async def test_a_snapshot_that_the_cloud_has_dropped_begins_anew(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with linked(tmp_path) as both:
        await both.store.write(make_things)

        def cut(request: httpx.Request) -> None:
            if request.url.path.endswith("/commit"):
                raise httpx.ReadTimeout("cut")

        both.line.before = cut
        with pytest.raises(Unavailable):
            await both.drain()
        both.line.before = lambda request: None
        await both.cloud.store.write(lambda tx: tx.run("DELETE FROM site_snapshots"))
        await both.drain_anyhow()
        assert sum(each == "POST /edge/v1/snapshots" for each in both.line.requests) == 2
        await both.check_equal()


async def test_a_snapshot_keeps_to_the_limit_of_the_line(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with linked(tmp_path) as both:
        await both.store.write(make_things)
        both.up._box = replace(both.up._box, max_bytes_s=100.0)
        sizes = list[int]()

        def note(request: httpx.Request) -> None:
            if "/parts/" in request.url.path:
                sizes.append(int(request.headers["content-length"]))

        both.line.before = note
        before_s = trio.current_time()
        await both.drain()
        assert sum(sizes) > 200 and trio.current_time() - before_s >= sum(sizes) / 100


def test_parts_grow_before_there_are_too_many() -> None:
    sizes = _sizes({"part_bytes": 2**20, "parts_max": 2000})
    assert [sizes.of(number) for number in (1, 999, 1000, 2000)] == [2**18, 2**18, 2**20, 2**20]
    assert _sizes({}) == _sizes({"part_bytes": "x", "parts_max": None}) == Sizes(2**18, 2**18, 1)


async def test_the_cloud_takes_larger_parts_after_half_of_them(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "PART_BYTES", 500)
    async with linked(tmp_path) as both:
        for _ in range(6):
            await both.store.write(make_things)

        def few(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
            if request.url.path == snapshot.PATH:
                return httpx.Response(201, json=answer.json() | {"parts_max": 4})
            return answer

        both.line.after = few
        await both.drain()
        assert sum("/parts/" in each for each in both.line.requests) == 2
        await both.check_equal()
