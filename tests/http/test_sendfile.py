"""Media over real sockets, by sendfile and by plain ASGI: the same bytes, the same errors."""

from __future__ import annotations

import itertools
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from appliance.http import sendfile
from appliance.http.pacing import START_BYTES, Flow, Peer, parse_info
from appliance.http.ranges import FileRange, Media, RangeResponse, send_media
from appliance.kernel.signal import Signal
from tests.http.test_ranges import is_closed
from tests.kit.asgi import HttpClient, serving
from tests.kit.waiting import LIMIT_S


class Box:
    """Serves one media to every request and records the result."""

    def __init__(self, make: Callable[[], Media], use_sendfile: bool) -> None:
        self.make = make
        self.use_sendfile = use_sendfile
        self.deliveries: list[RangeResponse] = []
        self.fast: list[bool] = []
        self._ended = Signal()

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.fast.append(sendfile.SendfileBody.behind(send) is not None)
        delivery = await send_media(scope, receive, send, self.make(), use_sendfile=self.use_sendfile)
        self.deliveries.append(delivery)
        self._ended.notify()

    async def wait_ended(self, count: int = 1) -> RangeResponse:
        with trio.fail_after(LIMIT_S):
            while len(self.deliveries) < count:
                await self._ended.wait_past(len(self.deliveries))
        return self.deliveries[-1]


both_ways = pytest.mark.parametrize("use_sendfile", [True, False], ids=["sendfile", "plain"])


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "big"
    path.write_bytes(os.urandom(1 << 20) * 3)
    return path


def pieces_of(path: Path) -> Callable[[], Media]:
    """A header from memory and two ranges of a file, like a virtual clip."""

    def make() -> Media:
        fd = os.open(path, os.O_RDONLY)
        return Media(
            2_100_000,
            [b"h" * 100_000, FileRange(fd, 5, 1_500_000), FileRange(fd, 2_000_000, 500_000)],
            '"m1"',
        )

    return make


def whole_of(path: Path) -> bytes:
    data = path.read_bytes()
    return b"h" * 100_000 + data[5:1_500_005] + data[2_000_000:2_500_000]


@both_ways
async def test_one_connection_serves_many_ranges(big: Path, use_sendfile: bool) -> None:
    box, whole = Box(pieces_of(big), use_sendfile), whole_of(big)
    async with serving(box.app) as port:
        client = await HttpClient.connect(port)
        for first, last in ((0, 1), (99_990, 100_009), (0, 2_099_999), (1_599_000, 1_700_000)):
            response = await client.fetch(range=f"bytes={first}-{last}")
            assert (response.status, response.is_whole) == (206, True)
            assert response.body == whole[first : last + 1]
        head = await client.fetch("HEAD")
        assert (head.headers["content-length"], head.body) == ("2100000", b"")
        assert (await client.fetch(range="bytes=9999999-")).status == 416
        assert (await client.fetch()).body == whole
        await client.aclose()
    assert {delivery.end for delivery in box.deliveries} == {"complete"}
    assert all(box.fast)  # the pinned hypercorn has the expected internals


@both_ways
async def test_a_short_file_ends_the_connection_before_the_promised_length(
    big: Path, use_sendfile: bool
) -> None:
    def make() -> Media:
        return Media(9_000_000, [FileRange(os.open(big, os.O_RDONLY), 0, 9_000_000)], '"m1"')

    box, content = Box(make, use_sendfile), big.read_bytes()  # noqa: ASYNC240  3 MB, before the server runs
    async with serving(box.app) as port:
        client = await HttpClient.connect(port)
        response = await client.fetch()
        assert not response.is_whole
        assert content.startswith(response.body)
        assert (await box.wait_ended()).end == "lost"
        await client.aclose()


@both_ways
async def test_a_client_that_closes_in_the_middle_frees_the_file(big: Path, use_sendfile: bool) -> None:
    opened: list[int] = []

    def make() -> Media:
        fd = os.open(big, os.O_RDONLY)
        opened.append(fd)
        return Media(60 << 20, [FileRange(fd, 0, 3 << 20)] * 20, '"m1"')

    box = Box(make, use_sendfile)
    async with serving(box.app) as port:
        client = await HttpClient.connect(port)
        await client.start()
        await client.stream.receive_some(1000)
        await client.aclose()
        assert (await box.wait_ended()).end == "gone"
    assert is_closed(opened[0])


async def test_a_stalled_client_is_cut_off_while_others_go_on(
    big: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the other client continues reading, as fast as this machine allows
    monkeypatch.setattr(sendfile, "STALL_S", 1.0)

    def make() -> Media:
        fd = os.open(big, os.O_RDONLY)
        return Media(60 << 20, [FileRange(fd, 0, 3 << 20)] * 20, '"m1"')

    box = Box(make, True)
    async with serving(box.app) as port:
        stalled, other = await HttpClient.connect(port), await HttpClient.connect(port)
        await stalled.start()
        assert len((await other.fetch(range="bytes=0-999999")).body) == 1_000_000
        await box.wait_ended(2)
        assert {delivery.end for delivery in box.deliveries} == {"complete", "stalled"}
        await stalled.aclose()
        await other.aclose()


# -- delayed, where a queue would block marks -------------------------------------------------------

FULL = Flow(1448, 10 << 20, 0, 0, rtt_s=0.004, least_rtt_s=0.004)  # the maximum amount in flight
EMPTY = replace(FULL, in_flight_bytes=0)


async def test_a_body_that_is_held_back_is_whole(big: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flows = itertools.cycle((FULL, FULL, EMPTY))
    steps: list[int] = []
    monkeypatch.setattr(sendfile, "_flow_of", lambda sock: next(flows))
    send_step = sendfile.SendfileBody._send_step

    def counted(body: sendfile.SendfileBody, fd: int, offset: int, step: int) -> int | None:
        steps.append(step)
        return send_step(body, fd, offset, step)

    monkeypatch.setattr(sendfile.SendfileBody, "_send_step", counted)
    box, whole = Box(pieces_of(big), True), whole_of(big)
    async with serving(box.app) as port:
        client = await HttpClient.connect(port)
        assert (await client.fetch(range="bytes=90000-299999")).body == whole[90_000:300_000]
        await client.aclose()
    assert max(steps) <= START_BYTES


async def test_a_body_held_back_for_a_client_that_takes_nothing_is_cut_off(
    big: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sendfile, "STALL_S", 0.05)
    monkeypatch.setattr(sendfile, "_flow_of", lambda sock: FULL)
    box = Box(pieces_of(big), True)
    async with serving(box.app) as port:
        client = await HttpClient.connect(port)
        await client.start()
        assert (await box.wait_ended()).end == "stalled"
        await client.aclose()


async def test_a_client_that_takes_nothing_is_looked_at_ever_more_seldom(
    big: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Flow] = []

    def looked_at(sock: object) -> Flow:
        looks.append(FULL)
        return FULL

    monkeypatch.setattr(sendfile, "STALL_S", 0.5)
    monkeypatch.setattr(sendfile, "_flow_of", looked_at)
    box = Box(pieces_of(big), True)
    async with serving(box.app) as port:
        client = await HttpClient.connect(port)
        await client.start()
        assert (await box.wait_ended()).end == "stalled"
        await client.aclose()
    assert len(looks) <= 14, "1, 2, 4 .. 128 ms, then 200 ms apart"  # A5


async def test_a_body_held_back_ends_with_its_connection(big: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(info: bytes) -> Flow | None:
        flow = parse_info(info)
        return flow and replace(flow, in_flight_bytes=10 << 20)

    monkeypatch.setattr(sendfile, "parse_info", full)
    box = Box(pieces_of(big), True)
    async with serving(box.app) as port:
        client = await HttpClient.connect(port)
        await client.start()
        await client.aclose()
        assert (await box.wait_ended()).end == "gone"


async def test_without_figures_of_the_kernel_nothing_is_delayed(
    big: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sendfile, "parse_info", lambda info: None)
    box, whole = Box(pieces_of(big), True), whole_of(big)
    async with serving(box.app) as port:
        client = await HttpClient.connect(port)
        assert (await client.fetch()).body == whole
        await client.aclose()


async def test_a_connection_is_judged_afresh_after_a_rest(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [EMPTY]
    monkeypatch.setattr(sendfile, "_flow_of", lambda sock: frames[0])
    gate, sock = sendfile._Gate(Peer()), trio.socket.socket()
    most = 1 << 30
    assert gate.room(sock, most)[0] <= START_BYTES
    for rounds in range(1, 9):
        frames[0] = replace(EMPTY, acked_bytes=rounds << 20)
        await trio.sleep(sendfile.LOOK_S)
        free = gate.room(sock, most)[0] == most
    assert free
    await trio.sleep(2 * sendfile.FRESH_S)
    assert gate.room(sock, most)[0] <= START_BYTES
    sock.close()


@both_ways
async def test_any_content_type_follows_its_head(big: Path, use_sendfile: bool) -> None:
    """The server delays the heads of application/... answers until their bodies arrive."""

    def make() -> Media:
        fd = os.open(big, os.O_RDONLY)
        return Media(1000, [FileRange(fd, 0, 1000)], '"m1"', content_type="application/zip")

    box, content = Box(make, use_sendfile), big.read_bytes()  # noqa: ASYNC240
    async with serving(box.app) as port:
        client = await HttpClient.connect(port)
        for _ in range(2):
            assert (await client.fetch(range="bytes=10-19")).body == content[10:20]
        await client.aclose()


async def test_an_unknown_send_gets_the_plain_body() -> None:
    async def send(message: Any) -> None: ...

    assert sendfile.SendfileBody.behind(send) is None


async def test_a_wrapped_send_is_looked_through(big: Path) -> None:
    results: list[bool] = []

    def app_with(wrap: Callable[[Any], Any]) -> Callable[..., Awaitable[None]]:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            results.append(sendfile.SendfileBody.behind(wrap(send)) is not None)
            await send_media(scope, receive, send, pieces_of(big)())

        return app

    def wrap(send: Any) -> Any:
        async def wrapped(message: Any) -> None:
            await send(message)

        wrapped.__wrapped__ = send  # type: ignore[attr-defined]
        return wrapped

    async with serving(app_with(wrap)) as port:
        client = await HttpClient.connect(port)
        await client.fetch(range="bytes=0-1")
        await client.aclose()
    assert results == [True]
