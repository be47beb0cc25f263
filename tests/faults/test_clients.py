"""Clients that are stuck, slow, flooding or hostile: marks are answered meanwhile, nothing is left behind."""

from __future__ import annotations

import uuid
from pathlib import Path
from statistics import median

import pytest
import trio

from appliance.box.settings import load_settings
from appliance.ops.fsck import check_box
from tests.faults.clients import (
    BareTablet,
    descriptors,
    drip,
    flood,
    port_of,
    pour,
    resident_mb,
    stuck_tablets,
)
from tests.kit.running import Box, Http, running_box, tablet
from tests.kit.waiting import LIMIT_S, eventually

pytestmark = pytest.mark.slow
CHANNELS = [{"id": "cam1"}]
PROMPT_S = 2.0  # most marks, on two busy cores; alone it is milliseconds. One may wait for the disk


async def begin(http: Http) -> str:
    made = await http.post("/sessions", {"name": "Night", "type": "game"}, 201)
    return str((await http.post(f"/sessions/{made['id']}/start"))["id"])


async def mark(http: Http, session_id: str, took_s: list[float] | None = None) -> str:
    """A mark that is answered; its latency is added to `took_s`."""
    began_s = trio.current_time()
    body = {"session_id": session_id, "channel_id": "cam1", "duration": 1}
    clip_id = str((await http.post("/clips", body, 201))["id"])
    if took_s is not None:
        took_s.append(trio.current_time() - began_s)
    return clip_id


async def unharmed(box: Box, http: Http, acknowledged: list[str], before: int) -> None:
    """Everything acknowledged exists, every descriptor was closed, and the box's data are consistent."""
    for clip_id in acknowledged:
        await http.get(f"/clips/{clip_id}")
    await eventually(lambda: descriptors(box.process.pid) <= before + 3, what="descriptors given back")
    assert await box.stop() == 0
    assert await check_box(load_settings(box.folder / "appliance.toml"), repair=False) == []


async def test_slowloris_is_cut_and_marks_go_on(tmp_path: Path) -> None:
    async with running_box(tmp_path, channels=CHANNELS) as box, box.http() as http:
        session_id = await begin(http)
        before, reports = descriptors(box.process.pid), [await mark(http, session_id)]
        request = b"GET /time HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: " + b"s" * 4000
        lasted, took_s = 0, list[float]()

        async def slow_client() -> None:
            nonlocal lasted
            await drip(port_of(box), request, 0.5)
            lasted += 1

        async with trio.open_nursery() as nursery:
            for _ in range(150):
                nursery.start_soon(slow_client)
            while lasted < 150:  # header_s is 5 s; without a limit they would continue for half an hour
                reports.append(await mark(http, session_id, took_s))
                await trio.sleep(0.2)
        assert median(took_s) < PROMPT_S
        await unharmed(box, http, reports, before)


async def test_a_gigabyte_is_refused_without_being_read(tmp_path: Path) -> None:
    async with running_box(tmp_path, channels=CHANNELS) as box, box.http() as http:
        session_id = await begin(http)
        answer = [await mark(http, session_id)]
        before, memory = descriptors(box.process.pid), resident_mb(box.process.pid)
        head = b"POST /clips HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        sent, received = await pour(
            port_of(box), head + b"transfer-encoding: chunked\r\n\r\n", chunk, 1_000_000_000
        )
        assert sent < 32_000_000 and b"413" in received.split(b"\r\n")[0]
        sent, received = await pour(
            port_of(box), head + b"content-length: 1000000000\r\n\r\n", b"x" * 65536, 1_000_000_000
        )
        assert sent < 32_000_000 and b"413" in received.split(b"\r\n")[0]
        answer.append(await mark(http, session_id))
        assert resident_mb(box.process.pid) < memory + 20
        await unharmed(box, http, answer, before)


HOSTILE = {
    "deep": b'{"name":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "deep objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "NaN": b'{"name": "x", "type": "game", "week": NaN}',
    "Infinity": b'{"name": "x", "type": "game", "week": -Infinity}',
    "duplicate keys": b'{"name": "x", "name": "y", "type": "game"}',
    "half a surrogate": b'{"name": "\\ud800", "type": "game"}',
    "not UTF-8": b'{"name": "\xff\xfe", "type": "game"}',
    "a huge number": b'{"name": "x", "type": "game", "week": 1' + b"0" * 5_000 + b"}",
    "cut short": b'{"name": "x", "type"',
    "nothing but zeros": bytes(2000),
}


async def test_hostile_json_is_refused_over_http_and_websocket(tmp_path: Path) -> None:
    async with running_box(tmp_path, channels=CHANNELS) as box, box.http() as http:
        session_id = await begin(http)
        before, published = descriptors(box.process.pid), [await mark(http, session_id)]
        for name, body in HOSTILE.items():
            answer = await http.client.post(
                "/sessions", content=body, headers={"content-type": "application/json"}
            )
            assert answer.status_code in (400, 422), (name, answer.status_code, answer.text)
            client = await BareTablet.connect(port_of(box))
            assert isinstance(client, BareTablet)
            command = b'{"type":"command","id":"%s","do":"clip_new","body":%s}'
            text = command % (str(uuid.uuid4()).encode(), body)
            with trio.fail_after(LIMIT_S):
                await client.read_until(2)
                assert client.data[0] == 0x81, "a text frame: connected"
                await client.say_long(text)
                assert await client.ended() in (4510, None), name  # None: text that is no UTF-8
            await trio.aclose_forcefully(client.stream)
            published.append(await mark(http, session_id))
        assert len((await http.get("/sessions"))["items"]) == 1
        await unharmed(box, http, published, before)


async def test_stuck_flooding_and_two_hundred_returning_tablets_delay_no_mark(tmp_path: Path) -> None:
    async with running_box(tmp_path, channels=CHANNELS) as box, box.http() as http:
        session_id = await begin(http)
        acknowledged = [await mark(http, session_id)]
        before, memory = descriptors(box.process.pid), resident_mb(box.process.pid)
        async with stuck_tablets(box, 10), tablet(box) as good, trio.open_nursery() as nursery:
            await eventually_clients(http, 11)
            for _ in range(5):
                nursery.start_soon(flooding, box)
            took_s: list[float] = []
            for _ in range(150):
                acknowledged.append(await mark(http, session_id, took_s))
            assert median(took_s) < PROMPT_S
            await good.event("clip_created", clip_id=acknowledged[-1])
            assert good.seqs == list(range(good.seqs[0], good.seqs[-1] + 1)), "each event once, in order"
        await two_hundred_come_back(box, http, session_id)
        assert resident_mb(box.process.pid) < memory + 40
        await unharmed(box, http, acknowledged[-3:], before)


async def flooding(box: Box) -> None:
    assert await flood(box, 2000) == 4510


async def eventually_clients(http: Http, count: int) -> None:
    with trio.fail_after(LIMIT_S):
        # another process
        while not (await _clients(http)).startswith(f"{count} clients"):  # noqa: ASYNC110
            await trio.sleep(0.02)


async def _clients(http: Http) -> str:
    return str((await http.client.get("/readyz")).json()["parts"]["clients"]["detail"])


async def two_hundred_come_back(box: Box, http: Http, session_id: str) -> None:
    """At once, each with its cursor: all receive the missed events, and a mark is answered meanwhile."""
    known = await http.get("/snapshot")
    resume = f"?since={known['as_of_seq'] - 15}&epoch={known['epoch']}"
    incoming: list[bytes] = []

    async def come_back() -> None:
        client = await BareTablet.connect(port_of(box), resume)
        while client.data.count(b'"seq":') < 15:
            await client.read_until(len(client.data) + 1)
        incoming.append(client.data)
        await trio.aclose_forcefully(client.stream)

    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            for _ in range(200):
                nursery.start_soon(come_back)
            await mark(http, session_id)
    assert len(incoming) == 200 and all(b'"recovered":true' in each for each in incoming)
