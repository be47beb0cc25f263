"""One snapshot for all simultaneous requests; never one that is older than the request."""

from __future__ import annotations

import json
import resource
import socket
import struct
from typing import Any

import pytest
import trio
import trio.testing

from appliance.http.limits import ServerLimits
from appliance.kernel.tx import ReadTx, Tx
from appliance.server.app import make_app
from appliance.server.box_routes import Hooks, Site
from appliance.server.snapshots import FRESH_S, GiveWay, SharedSnapshot
from tests.kit.waiting import LIMIT_S
from tests.server.conftest import Box
from tests.server.sockets import read_to_end, request, serving
from tests.server.test_events import append

SITE = {"id": "box-1"}


def notes(tx: ReadTx, give_way: GiveWay) -> dict[str, Any]:
    return {"notes": tx.value("SELECT count(*) FROM meta WHERE key LIKE 'note%'")}


def shared(box: Box) -> SharedSnapshot:
    return SharedSnapshot(box.store, notes, SITE)


async def test_two_hundred_simultaneous_requests_need_two_snapshots_at_most(box: Box) -> None:
    snapshots, got = shared(box), []
    await append(box, 3)

    async def ask() -> None:
        got.append(await snapshots.get())

    async with trio.open_nursery() as nursery:
        for _ in range(200):
            nursery.start_soon(ask)
    assert snapshots.made <= 2 and len({id(each) for each in got}) <= 2
    assert {json.loads(each)["as_of_seq"] for each in got} == {3}


async def test_a_client_finds_its_own_change_in_the_snapshot(box: Box) -> None:
    snapshots = shared(box)

    def write(tx: Tx) -> None:
        tx.insert("meta", {"key": f"note{tx.append('note', 'note:x', {})}", "value": ""})

    async def writer() -> None:
        for _ in range(20):
            await box.store.write(write)
            head = box.store.journal.head
            result = json.loads(await snapshots.get())
            assert result["as_of_seq"] >= head and result["notes"] == result["as_of_seq"]

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(writer)


async def test_values_that_are_not_journaled_are_at_most_a_second_old(
    box: Box, autojump_clock: trio.testing.MockClock
) -> None:
    snapshots = shared(box)
    for _ in range(3):
        await snapshots.get()
    assert snapshots.made == 1
    await box.store.write(lambda tx: tx.insert("meta", {"key": "note1", "value": ""}))
    await trio.sleep(FRESH_S + 0.1)
    assert json.loads(await snapshots.get())["notes"] == 1


async def test_after_an_error_the_next_request_makes_the_snapshot_again(box: Box) -> None:
    fails = [True]

    def read(tx: ReadTx, give_way: GiveWay) -> dict[str, Any]:
        if fails:
            raise LookupError(fails.pop())
        return notes(tx, give_way)

    snapshots = SharedSnapshot(box.store, read, SITE)
    with pytest.raises(LookupError):
        await snapshots.get()
    assert json.loads(await snapshots.get())["notes"] == 0


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_large_snapshot_is_complete_on_a_kept_connection(box: Box, method: str) -> None:
    """It is written without hypercorn, from bytes that all clients share."""
    hooks = Hooks(dict, bytes, lambda tx, give_way: {"filler": "x" * 3_000_000})
    app = make_app([], store=box.store, clock=box.clock, site=Site(), hooks=hooks, static_dir=None)
    async with serving(app) as server:
        stream = await server.connect()
        await stream.send_all(request("/snapshot", method) + request("/snapshot", method, connection="close"))
        answer = await read_to_end(stream)
    heads = [part for part in answer.split(b"HTTP/1.1 200 ") if part]
    assert len(heads) == 2
    bodies = [part.partition(b"\r\n\r\n")[2] for part in heads]
    assert all(b"content-length: %d\r\n" % len(bodies[0]) in part or method == "HEAD" for part in heads)
    assert [len(each) > 3_000_000 for each in bodies] == [method == "GET"] * 2
    if method == "GET":
        assert bodies[0] == bodies[1] and json.loads(bodies[0])["as_of_seq"] == 0


@pytest.mark.parametrize(
    "behind", [b"X", bytes(200_000), request("/time")], ids=["a byte", "many", "a request"]
)
async def test_bytes_behind_the_request_do_not_cut_the_snapshot(box: Box, behind: bytes) -> None:
    hooks = Hooks(dict, bytes, lambda tx, give_way: {"filler": "x" * 3_000_000})
    app = make_app([], store=box.store, clock=box.clock, site=Site(), hooks=hooks, static_dir=None)
    async with serving(app) as server, trio.open_nursery() as nursery:
        stream = await server.connect()
        nursery.start_soon(stream.send_all, request("/snapshot", connection="close") + behind)
        answer = await read_to_end(stream)
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.count(b"HTTP/1.1 ") == 1
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["as_of_seq"] == 0


async def test_a_hundred_clients_that_do_not_read_share_its_bytes(box: Box) -> None:
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    hooks = Hooks(dict, bytes, lambda tx, give_way: {"filler": "x" * 3_000_000})
    app = make_app([], store=box.store, clock=box.clock, site=Site(), hooks=hooks, static_dir=None)
    async with serving(app) as server:
        for _ in range(100):
            stream = await server.connect()
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await stream.send_all(request("/snapshot"))
            await stream.receive_some(1)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 60 * 1024


async def test_unknown_parameters_are_refused(box: Box) -> None:
    answer = await box.client().get("/snapshot?from=1")
    assert answer.status == 422 and answer.wrong == {"from": "no such parameter"}
    assert (await box.client().get("/snapshot?client=ipad")).status == 200


async def test_downloads_whose_clients_do_not_read_are_closed_for_new_connections(box: Box) -> None:
    hooks = Hooks(dict, bytes, lambda tx, give_way: {"filler": "x" * 8_000_000})
    app = make_app([], store=box.store, clock=box.clock, site=Site(), hooks=hooks, static_dir=None)
    async with serving(app, ServerLimits(connections=2)) as server:
        for _ in range(2):
            stream = await server.connect()
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await stream.send_all(request("/snapshot"))
            await stream.receive_some(1)
        while True:  # 503 for a second, then there is capacity
            newcomer = await server.connect()
            await newcomer.send_all(request(connection="close"))
            if (await read_to_end(newcomer)).startswith(b"HTTP/1.1 200 "):
                break


@pytest.mark.parametrize("asked", [1, 2, 20], ids=["alone", "two", "twenty"])
async def test_a_client_that_leaves_while_its_requests_wait_leaves_nothing(box: Box, asked: int) -> None:
    """Its second request waited for the end of the first, which never came, and held its place forever."""
    hooks = Hooks(dict, bytes, lambda tx, give_way: {"filler": "x" * 8_000_000})
    app = make_app([], store=box.store, clock=box.clock, site=Site(), hooks=hooks, static_dir=None)
    async with serving(app, ServerLimits(connections=2)) as server:
        for _ in range(5):
            leaver = await server.connect()
            leaver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await leaver.send_all(request("/snapshot") * asked)
            await leaver.receive_some(1)
            leaver.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            leaver.socket.close()
            with trio.fail_after(LIMIT_S):
                while True:
                    newcomer = await server.connect()
                    await newcomer.send_all(request(connection="close"))
                    if (await read_to_end(newcomer)).startswith(b"HTTP/1.1 200 "):
                        break
