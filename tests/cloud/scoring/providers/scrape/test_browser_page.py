"""A page in a browser: really opened; the process ends with its time, and reaches one address only."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator

import pytest
import trio

from appliance.cloud.scoring.providers.model import ProviderFailed
from appliance.cloud.scoring.providers.scrape import page_process
from appliance.cloud.scoring.providers.scrape.browser_page import BrowserPage
from appliance.network.outbound import MAX_BYTES, Outbound
from tests.cloud.scoring.providers.calls import LOOPBACK
from tests.kit.browser import executable
from tests.kit.waiting import LIMIT_S, children_of, eventually, is_alive

HAS_BROWSER = executable() is not None
PAGES = {
    "/json": (200, '{"events": []}', "application/json"),
    "/page": (200, '<p>x</p><script type="application/json">{"events": [1]}</script>', "text/html"),
}


class Server:
    """Pages on a loopback port, without a thread. `paths`: those that were requested."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.port = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            data = b""
            while b"\r\n\r\n" not in data:
                if not (part := await stream.receive_some()):
                    return
                data += part
            path = data.split()[1].decode()
            self.paths.append(path)
            if path == "/away":
                head = f"302 Found\r\nlocation: http://127.0.0.2:{self.port}/json\r\ncontent-length: 0"
                await stream.send_all(f"HTTP/1.1 {head}\r\nconnection: close\r\n\r\n".encode())
                return
            if path == "/never":
                await trio.sleep_forever()
            status, body, kind = PAGES.get(path, (404, "", "text/plain"))
            head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
            await stream.send_all(f"{head}connection: close\r\n\r\n{body}".encode())


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    own = Server()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, own.serve, 0)
        own.port = listeners[0].socket.getsockname()[1]
        yield own
        nursery.cancel_scope.cancel()


@pytest.mark.skipif(not HAS_BROWSER, reason="no Chromium")
async def test_pages_are_really_opened_and_their_json_taken_out(server: Server) -> None:
    async with Outbound(LOOPBACK) as outbound:
        page, base = BrowserPage(outbound, limit_s=LIMIT_S), f"http://127.0.0.1:{server.port}"
        assert await page.open(f"{base}/json") == b'{"events": []}'
        assert await page.open(f"{base}/page") == b'{"events": [1]}'
        with pytest.raises(ProviderFailed) as caught:  # a redirect to another host leads nowhere
            await page.open(f"{base}/away")
        assert caught.value.code == "unreachable"
    assert [path for path in server.paths if path != "/favicon.ico"] == ["/json", "/page", "/away"]


@pytest.mark.skipif(not HAS_BROWSER, reason="no Chromium")
async def test_a_page_that_never_comes_is_ended_with_its_browser(server: Server) -> None:
    started: set[int] = set()

    async def look() -> None:
        while True:
            for pid in list(started):
                started.update(children_of(pid))
            await trio.sleep(0.02)

    before = set(children_of(os.getpid()))
    async with Outbound(LOOPBACK) as outbound, trio.open_nursery() as nursery:

        async def watch() -> None:
            await eventually(lambda: set(children_of(os.getpid())) - before)
            started.update(set(children_of(os.getpid())) - before)
            await look()

        nursery.start_soon(watch)
        page = BrowserPage(outbound, limit_s=4.0)
        with pytest.raises(ProviderFailed) as caught:
            await page.open(f"http://127.0.0.1:{server.port}/never")
        assert caught.value.code == "timeout"
        nursery.cancel_scope.cancel()
    assert len(started) > 1
    await eventually(lambda: not any(map(is_alive, started)))


def script(text: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-c", text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("import sys; sys.stderr.write('not_configured: install it\\n'); sys.exit(1)", "not_configured"),
        ("raise SystemExit('Traceback of something')", "unreachable"),
        (f"import sys; sys.stdin.readline(); sys.stdout.write('x' * {MAX_BYTES + 1})", "too_large"),
        ("import time; time.sleep(600)", "timeout"),
    ],
)
async def test_how_the_process_may_fail(text: str, code: str) -> None:
    async with Outbound(LOOPBACK) as outbound:
        limit_s = 0.5 if code == "timeout" else LIMIT_S
        with pytest.raises(ProviderFailed) as caught:
            await BrowserPage(outbound, limit_s, script(text)).open("http://127.0.0.1/")
    assert caught.value.code == code


async def test_a_private_address_is_not_opened() -> None:
    async with Outbound() as outbound:
        with pytest.raises(ProviderFailed) as caught:
            await BrowserPage(outbound, command=script("raise AssertionError")).open("http://10.0.0.1/x")
    assert caught.value.code == "refused"


async def test_it_ends_when_its_service_is_gone() -> None:
    """Its input is closed, as by a service that was killed: it does not go on alone."""
    process = await trio.lowlevel.open_process([sys.executable, "-I", "-c", _WAITING], stdin=-1)
    assert process.stdin is not None
    await process.stdin.aclose()
    with trio.fail_after(LIMIT_S):
        assert await process.wait() == 1


_WAITING = f"""
import threading, time
from {page_process.__name__} import _end_with_input
threading.Thread(target=_end_with_input, daemon=True).start()
time.sleep(600)
"""
