"""Bytes over real sockets: connections that are killed anywhere, a body of many chunks, several processes."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.cloud.database import open_database
from appliance.cloud.uploads.actor import join_due
from appliance.cloud.uploads.model import UploadsQuery
from appliance.cloud.uploads.store import KIND, list_uploads
from appliance.kernel.leases import take_lease
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx
from tests.cloud.conftest import Cloud
from tests.cloud.uploads.kit import BOX_ID, EDGE, metadata, sha256
from tests.kit import postgres
from tests.kit.clock import HandClock
from tests.kit.cloud import cloud_over
from tests.kit.waiting import LIMIT_S
from tests.server.sockets import QUICK, Running, read_answer, request, serving

MB = 1_000_000


async def token_of(cloud: Cloud) -> str:
    return await cloud.token("box", "site:s1")


def fields(token: str, **more: str) -> dict[str, Any]:
    tus = {
        "tus_resumable": "1.0.0",
        "box_id": BOX_ID,
        "authorization": f"Bearer {token}",
        "host": "api.example",
    }
    return {**tus, **more}


async def ask(server: Running, data: bytes) -> dict[str, str]:
    """One request on a connection of its own: the status as "status", and the headers."""
    stream = await trio.open_tcp_stream("127.0.0.1", server.bound.port)
    async with stream:
        await stream.send_all(data)
        head = (await read_answer(stream)).partition(b"\r\n\r\n")[0].decode().splitlines()
    pairs = dict(line.lower().split(": ", 1) for line in head[1:])
    return {"status": head[0].split()[1], **pairs}


async def create(server: Running, token: str, length: int, **pairs: str) -> str:
    more = {"upload_length": str(length), "upload_metadata": metadata(**pairs), "content_length": "0"}
    answer = await ask(server, request(EDGE, "POST", **fields(token, **more)))
    assert answer["status"] == "201", answer
    return answer["location"]


async def offset_of(server: Running, token: str, path: str) -> int:
    answer = await ask(
        server, request(path, "GET", **fields(token))
    )  # a HEAD's answer has no body to wait for
    return int(answer["upload-offset"])


def patch(token: str, path: str, offset: int, length: int) -> bytes:
    """The head of a PATCH."""
    more = {"content_type": "application/offset+octet-stream", "upload_offset": str(offset)}
    return request(path, "PATCH", **fields(token, **more, content_length=str(length)))


async def until(store: Store, is_so: Callable[[ReadTx], bool]) -> None:
    """Rows that another task is about to write: leases are not in the journal."""
    for _ in range(round(LIMIT_S / 0.01)):
        if await store.read(is_so):
            return
        await trio.sleep(0.01)
    raise AssertionError(f"not within {LIMIT_S} s")


async def unlocked_offset(server: Running, store: Store, token: str, path: str, patches: int = 1) -> int:
    """The offset once the server has begun so many PATCHes and noticed that the connection of the last one is
    gone: its lease is free then."""
    upload_id = path.rpartition("/")[2]
    sql = "SELECT 1 FROM leases WHERE kind = ? AND subject = ? AND token >= ? AND until_us <= ?"
    await until(store, lambda tx: tx.value(sql, (KIND, upload_id, patches, tx.now_us)) is not None)
    return await offset_of(server, token, path)


async def test_20_mb_are_cut_20_times_and_arrive(cloud: Cloud) -> None:
    """The connection is reset in the middle of a body; what arrived before stays."""
    rng = random.Random(17)
    data = rng.randbytes(20 * MB)
    token = await token_of(cloud)
    async with serving(cloud.client.app) as server:
        path = await create(server, token, len(data), kind="local_copy", sha256=sha256(data))
        offsets, cuts = [0], 0
        while offsets[-1] < len(data):
            offset = offsets[-1]
            end = min(len(data), offset + rng.randrange(1, 2 * MB)) if cuts < 20 else len(data)
            stream = await trio.open_tcp_stream("127.0.0.1", server.bound.port)
            await stream.send_all(patch(token, path, offset, len(data) - offset))
            await stream.send_all(data[offset:end])
            if end < len(data):
                cuts += 1
                await trio.aclose_forcefully(stream)
            else:
                assert b" 204 " in await read_answer(stream)
                await stream.aclose()
            offsets.append(await unlocked_offset(server, cloud.store, token, path, len(offsets)))
            assert offset <= offsets[-1] <= end
        assert cuts == 20 and len({*offsets}) > 15
        assert await join_due(cloud.store, cloud.services.objects, "p")
    assert await whole(cloud, sha256(data)) == data


async def whole(cloud: Cloud, digest: str) -> bytes:
    objects, key = cloud.services.objects, f"sha256/{digest}"
    size, parts = await objects.size(key), []
    for start in range(0, size, 4 * 2**20):
        parts.append(await objects.read(key, start, min(size, start + 4 * 2**20)))
    return b"".join(parts)


async def test_what_does_not_fit_is_refused_while_it_comes(cloud: Cloud) -> None:
    """The client reads the refusal although it has not sent everything."""
    token = await token_of(cloud)
    async with serving(cloud.client.app) as server:
        path = await create(server, token, 100)
        async with await server.connect() as stream:
            await stream.send_all(patch(token, path, 0, 10 * MB) + bytes(200_000))
            assert b" 413 " in await read_answer(stream)


async def test_a_body_that_goes_on_has_no_end_of_time(cloud: Cloud) -> None:
    """The limit of a body begins again with each byte; without one it is over, and what came is kept."""
    token = await token_of(cloud)
    async with serving(cloud.client.app, QUICK) as server:
        path = await create(server, token, 100)
        stream = await server.connect()
        await stream.send_all(patch(token, path, 0, 100))
        began_s = trio.current_time()
        for _ in range(4):
            await stream.send_all(b"x" * 10)
            await trio.sleep(QUICK.body_s / 2)
        assert trio.current_time() - began_s > QUICK.body_s
        assert b" 408 " in await read_answer(stream)
        assert await unlocked_offset(server, cloud.store, token, path) == 40


# -- several processes -------------------------------------------------------------------------------------


@asynccontextmanager
async def two_processes(tmp_path: Path) -> AsyncIterator[tuple[Cloud, Cloud]]:
    """Two programs over one PostgreSQL database and one folder of objects."""
    url = postgres.server().empty_database()
    async with AsyncExitStack() as stack:
        clouds = []
        for number in (1, 2):
            store = await stack.enter_async_context(open_database(url, tmp_path, connections=4))
            cloud = await stack.enter_async_context(cloud_over(store, HandClock(), tmp_path))
            cloud.services.process = f"process-{number}"
            clouds.append(cloud)
        yield clouds[0], clouds[1]


@pytest.mark.postgres
@pytest.mark.skipif(bool(postgres.missing()), reason=postgres.missing() or "-")
async def test_of_two_processes_one_takes_a_patch(tmp_path: Path) -> None:
    """Each sends the whole from the offset it knows, at once, in turns of many: nothing is stored twice."""
    data = random.Random(3).randbytes(400_000)
    async with two_processes(tmp_path) as (first, second):
        token = await token_of(first)
        async with serving(first.client.app) as one, serving(second.client.app) as two:
            path = await create(one, token, len(data), sha256=sha256(data))
            statuses: list[str] = []

            async def send(server: Running, offset: int, size: int) -> None:
                body = data[offset : offset + size]
                answer = await ask(server, patch(token, path, offset, len(body)) + body)
                statuses.append(answer["status"])

            while (offset := await offset_of(two, token, path)) < len(data):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(send, one, offset, 70_000)
                    nursery.start_soon(send, two, offset, 50_000)
            assert set(statuses) <= {"204", "409", "423"} and statuses.count("204") >= 6
            done: list[bool] = []

            async def join(cloud: Cloud) -> None:
                done.append(await join_due(cloud.store, cloud.services.objects, cloud.services.process))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(join, first)
                nursery.start_soon(join, second)
        assert done.count(True) == 1
        listing = partial(list_uploads, caller=Caller("t", role="admin"), query=UploadsQuery())
        (upload,) = (await second.store.read(listing))["items"]
        assert upload["state"] == "complete"
        assert await whole(second, sha256(data)) == data


@pytest.mark.postgres
@pytest.mark.skipif(bool(postgres.missing()), reason=postgres.missing() or "-")
async def test_a_patch_whose_process_stopped_counts_nothing_afterwards(tmp_path: Path) -> None:
    """Its lease is over and another process has taken it: the first one's bytes do not count."""
    async with two_processes(tmp_path) as (first, second):
        token = await token_of(first)
        async with serving(first.client.app) as one:
            path = await create(one, token, 100)
            stream = await one.connect()
            await stream.send_all(patch(token, path, 0, 100) + b"x" * 50)
            upload_id = path.rpartition("/")[2]
            sql = "SELECT owner FROM leases WHERE kind = ? AND subject = ?"
            await until(second.store, lambda tx: tx.value(sql, (KIND, upload_id)) is not None)
            await second.store.write(
                lambda tx: tx.run("UPDATE leases SET until_us = 0 WHERE subject = ?", (upload_id,))
            )
            taken = partial(take_lease, kind=KIND, subject=upload_id, owner="process-2")
            assert await second.store.write(taken) is not None
            await stream.send_all(b"x" * 50)
            assert b" 423 " in await read_answer(stream)
            assert await offset_of(one, token, path) == 0
