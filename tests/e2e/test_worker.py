"""The service worker in a real browser: a page without the box, never an old one with it, never the API.

The page registers it over https only; here it is registered by hand on 127.0.0.1, where browsers allow it
too, and a small server takes the box's place, so that it can be upgraded and switched off.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.kernel.errors import Refused
from appliance.server.pages import Files
from tests.kit.browser import TABLET, executable, open_page, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
WORKER = (Path(__file__).parents[2] / "appliance/app/sw.js").read_text()
CONTROLLED = """async () => {
  await navigator.serviceWorker.register("/sw.js");
  const taken = new Promise((done) => (navigator.serviceWorker.oncontrollerchange = done));
  if (!navigator.serviceWorker.controller) await taken;
}"""
# of the page that is shown, and of no other
STORED = "caches.keys().then((all) => all.join() === `shell-${document.documentElement.dataset.build}`)"


@dataclass
class Server:
    """Serves a build of a small app, counts what it is asked, and can be away: then it hangs up."""

    folder: Path
    files: Files = field(default_factory=lambda: Files(None, None))
    is_away: bool = False
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def build(self, version: str) -> None:
        self.folder.mkdir(exist_ok=True)
        page = '<!doctype html><html lang="en"><script src="/app.js" defer></script><p>shell {}</p>'
        (self.folder / "index.html").write_text(page.format(version))
        (self.folder / "app.js").write_text(f'document.title = "script {version}";')
        (self.folder / "sw.js").write_text(WORKER)
        self.files = Files(self.folder, None)

    def answer(self, path: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        file = self.files.find("GET", path)
        if file is not None:
            reply = file.reply({b"host": self.url.removeprefix("http://").encode()})
            return reply.status, [(b"content-type", reply.media_type), *reply.headers], reply.body
        return 200, [(b"content-type", b"application/json")], b"%d" % len(self.asked)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    box = Server(tmp_path / "app")
    box.build("1")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if box.is_away:
                self.close_connection = True
                return
            box.asked.append(self.path)
            try:
                status, headers, body = box.answer(self.path.partition("?")[0])
            except Refused:
                status, headers, body = 404, [], b""
            self.send_response(status)
            for name, value in headers:
                self.send_header(name.decode(), value.decode())
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        box.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield box
        listening.shutdown()
        thread.join()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    page = open_page(browser, server.url, TABLET)
    page.evaluate(CONTROLLED)
    until(page, STORED)
    yield page
    page.context.close()


def shows(page: Page, version: str) -> None:
    expect(page.get_by_text(f"shell {version}")).to_be_visible()
    expect(page).to_have_title(f"script {version}")


def test_the_page_is_reloaded_without_the_box_and_is_never_an_old_one_with_it(
    page: Page, server: Server
) -> None:
    server.is_away = True
    page.reload()
    shows(page, "1")

    server.build("2")
    server.is_away = False
    page.goto(server.url)
    shows(page, "2")
    until(page, STORED)  # the new worker has replaced the old one
    server.is_away = True
    page.reload()
    shows(page, "2")

    server.build("1")  # a rollback
    server.is_away = False
    page.reload()
    shows(page, "1")


def test_the_api_is_never_answered_from_a_copy(page: Page, server: Server) -> None:
    ask = "fetch('/sessions').then((answer) => answer.json())"
    first, second = page.evaluate(ask), page.evaluate(ask)
    assert second > first and server.asked.count("/sessions") == 2
    server.is_away = True
    assert page.evaluate(f"{ask}.catch(() => 'no answer')") == "no answer"
    newer = "fetch('/', { cache: 'no-cache' }).then((answer) => answer.ok, () => 'no answer')"
    assert page.evaluate(newer) == "no answer", "that is how a page asks for a newer build"
    kept = "caches.keys().then((names) => caches.open(names[0])).then((cache) => cache.keys())"
    paths = page.evaluate(f"{kept}.then((all) => all.map(({{ url }}) => new URL(url).pathname))")
    assert all(path == "/" or path.startswith("/v/") for path in paths) and len(paths) == 2


def test_half_a_shell_is_never_stored(browser: Browser, server: Server) -> None:
    """The box was upgraded between the worker's script and its files: that worker is not installed."""
    page = open_page(browser, server.url, TABLET)
    script = server.files.find("GET", "/sw.js")
    assert script is not None
    server.build("2")
    mixed = Files(server.folder, None)
    mixed._by_path["/sw.js"] = script
    server.files = mixed
    refused = page.evaluate(
        """async () => {
          const { installing } = await navigator.serviceWorker.register("/sw.js");
          await new Promise((done) => (installing.onstatechange = () => done()));
          return installing.state;
        }"""
    )
    assert refused == "redundant"
    page.context.close()
