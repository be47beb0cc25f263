"""The app on a tablet, in Chromium or in WebKit: the same actions for both, and the objects a page holds.

Owns: pages whose counters (counting.py) start before the app does, each behind a link of its own that can be
cut, and the memory figures of the engine. Must not know: plays, tests.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page

from tests.kit import webkit
from tests.kit.browser import TABLET, chromium
from tests.kit.counting import AT_REST, COUNT, OTHER_PAGE, OTHER_PAGE_STANDS, WRITE_APP
from tests.kit.narrow import Link, narrow_link
from tests.kit.waiting import LIMIT_S
from tests.kit.webkit import WebKit

LINK_BITS_PER_S = 200e6
NODES = """(() => {
  const all = document.createTreeWalker(document);
  let count = 1;
  while (all.nextNode()) count++;
  return count;
})()"""


class AppPage(ABC):
    """One page of the app. `who`: its user; `link`: its connection to the box."""

    engine: str

    def __init__(self, who: str, link: Link) -> None:
        self.who = who
        self.link = link

    @abstractmethod
    def ask(self, expression: str) -> Any:
        """The value of an expression, JSON."""

    @abstractmethod
    def click(self, selector: str) -> None:
        """A real click, once the element can be clicked."""

    @abstractmethod
    def press(self, key: str) -> None:
        """A key, by its name in the web standard."""

    @abstractmethod
    def rest(self) -> None:
        """A short pause between two checks."""

    @abstractmethod
    def memory(self) -> dict[str, float]:
        """The engine's memory figures, after garbage collection where it can be requested."""

    def until(self, expression: str, *, show: str = "null") -> Any:
        """Wait for a true value and return it. `show`: an expression for the error message of a timeout."""
        deadline = time.monotonic() + LIMIT_S
        while not (value := self.ask(expression)):
            if time.monotonic() > deadline:
                more = self.ask(show)
                raise AssertionError(f"{self.who}, {self.engine}: never true: {expression}; {more}")
            self.rest()
        return value

    def goes(self, screen: str) -> None:
        """Open a screen; requested again if its module did not load."""
        shown = f"document.querySelector('#main').classList.contains('{screen}')"
        request = f"location.hash.slice(1).split('/')[0] === '{screen}' || app.go('{screen}')"
        self.ask(f"(app.go('{screen}'), true)")
        self.until(f"{shown} || ({request}, false)", show="[location.hash, window.wrong]")

    def at_rest(self) -> None:
        """No request is under way, one socket is open, no invisible player is running."""
        self.until(f"JSON.stringify({AT_REST}) === '[0,1,0]'", show=AT_REST)

    @property
    def device(self) -> str:
        """The name under which the box lists it."""
        return str(self.ask("app.prefs.get('device')"))


class ChromiumPage(AppPage):
    engine = "Chromium"

    def __init__(self, who: str, link: Link, browser: Browser) -> None:
        super().__init__(who, link)
        context = browser.new_context(viewport={"width": TABLET["width"], "height": TABLET["height"]})
        context.set_default_timeout(LIMIT_S * 1000)
        context.add_init_script(f"(() => {{{COUNT}}})()")
        self.page: Page = context.new_page()
        self._tool = context.new_cdp_session(self.page)
        self._tool.send("Performance.enable")
        self.page.goto(link.url)

    def ask(self, expression: str) -> Any:
        return self.page.evaluate(expression)

    def click(self, selector: str) -> None:
        self.page.click(selector)

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def rest(self) -> None:
        self.page.wait_for_timeout(20)

    def memory(self) -> dict[str, float]:
        for _ in range(3):  # objects released by a finalizer are collected in the next round
            self._tool.send("HeapProfiler.collectGarbage")
        report = {
            each["name"]: each["value"] for each in self._tool.send("Performance.getMetrics")["metrics"]
        }
        nodes = self.ask(NODES)
        return {
            "heap": report["JSHeapUsedSize"],
            "nodes": nodes,
            "detached": report["Nodes"] - nodes,
            "handlers": report["JSEventListeners"],
        }


class WebKitPage(AppPage):
    """Waits while a player starts: GStreamer 1.22 deadlocks if one is removed before its type is found.

    The page's thread then waits forever in gst_pad_set_active (of gst_element_change_state), the threads
    "webkitwebsrc" and "typefind:sink" in g_cond_wait, and the driver too: in 4 of 5 runs of 56 screens.
    """

    engine = "WebKit"

    def __init__(self, who: str, link: Link, window: WebKit) -> None:
        super().__init__(who, link)
        self.window = window
        open_counted(window, link.url)

    def ask(self, expression: str) -> Any:
        return self.window.run(f"return {expression}")

    def goes(self, screen: str) -> None:
        self._players_have_begun()
        super().goes(screen)

    def _players_have_begun(self) -> None:
        self.until("window.beginning() === 0")

    def click(self, selector: str) -> None:
        self._players_have_begun()
        self.until(
            f"document.querySelector({json.dumps(selector)})?.disabled === false"
        )  # the driver does not wait
        self.window.click(selector)

    def press(self, key: str) -> None:
        self._players_have_begun()
        self.window.press(key)

    def rest(self) -> None:
        time.sleep(0.02)

    def memory(self) -> dict[str, float]:
        """This engine offers neither heap figures nor garbage collection: the private memory of its
        processes."""
        private = sum(private_bytes(pid) for pid in self.window.page_processes())
        return {"private": private, "nodes": self.ask(NODES)}


def open_counted(window: WebKit, url: str) -> None:
    """The app of a box, counted from its first script on: WebDriver runs no script before a page's own."""
    window.open(url + OTHER_PAGE)
    window.until(OTHER_PAGE_STANDS)
    window.run(COUNT)
    window.run_async(WRITE_APP)
    window.until("window.app && document.readyState === 'complete'")


def private_bytes(pid: int) -> int:
    """Memory a process does not share with others."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(
        int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty"))
    )


@contextmanager
def app_pages(engines: dict[str, str], url: str) -> Iterator[list[AppPage]]:
    """A page for each user, with the given engine: "chromium" or "webkit". Each is another device."""
    with ExitStack() as stack:
        pages: list[AppPage] = []
        browser = stack.enter_context(chromium()) if "chromium" in engines.values() else None
        for who, engine in engines.items():
            link = stack.enter_context(narrow_link(urlsplit(url).port or 0, LINK_BITS_PER_S))
            if engine == "webkit":
                pages.append(WebKitPage(who, link, stack.enter_context(webkit.webkit())))
            else:
                assert browser is not None
                pages.append(ChromiumPage(who, link, browser))
        yield pages
