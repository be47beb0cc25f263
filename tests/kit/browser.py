"""A real browser for tests: Debian's Chromium, driven by Playwright, in plain (not async) tests.

Owns: starting Chromium without background connections, reading the frame number from a <video>. Playwright
has an event loop of its own: drive it from a test that is not async, or from a thread.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from appliance.box.recorder.synthetic import barcode
from appliance.box.recorder.synthetic.barcode import Burned
from tests.kit.waiting import LIMIT_S, PLAIN

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TABLET = {"width": 1180, "height": 820}
PHONE = {"width": 390, "height": 844}
WAIT_MS = LIMIT_S * 1000
# its default, 5 s, is less than cameras and a browser need on a busy machine
expect.set_options(timeout=WAIT_MS)

KEEP_PREFS = """(() => {
  if (location.protocol.startsWith("http") && !localStorage.getItem("prefs")) {
    const tested = { editLists: "ok", editListsBy: navigator.userAgent };
    localStorage.setItem("prefs", JSON.stringify({ ...tested, ...%s }));
  }
})()"""

# The green channel of the top rows of the element's picture at `second`, once it is painted.
_TOP_ROWS = """
async ([video, second]) => {
  video.pause();
  const shown = new Promise((done) => video.requestVideoFrameCallback((now, facts) => done(facts.mediaTime)));
  video.currentTime = second + 1;  // away first: a seek to where it stands shows nothing new
  await new Promise((done) => video.addEventListener("seeked", done, { once: true }));
  video.currentTime = second;
  await new Promise((done) => video.addEventListener("seeked", done, { once: true }));
  await shown;
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let rows = "";
  for (let at = 1; at < pixels.length; at += 4) rows += String.fromCharCode(pixels[at]);
  return [canvas.width, btoa(rows)];
}
"""


def executable() -> str | None:
    """Debian's or Ubuntu's Chromium, None where there is none; the one without a window is the quickest."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    return next(filter(None, map(shutil.which, names)), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def another(browser: Browser, *flags: str) -> Iterator[Browser]:
    """A second one beside it, with further flags."""
    second = browser.browser_type.launch(executable_path=executable(), args=[*FLAGS, *flags])
    try:
        yield second
    finally:
        second.close()


def open_device(
    browser: Browser,
    size: dict[str, int] = TABLET,
    prefs: Mapping[str, object] | None = None,
    **options: object,
) -> BrowserContext:
    """Another device, without a page. `prefs`: its stored settings, self-test done; None: a new device."""
    context = browser.new_context(viewport={"width": size["width"], "height": size["height"]}, **options)  # type: ignore[arg-type]
    context.set_default_timeout(WAIT_MS)
    if prefs is not None:
        context.add_init_script(KEEP_PREFS % json.dumps(prefs))
    return context


def open_page(
    browser: Browser,
    url: str,
    size: dict[str, int] = TABLET,
    prefs: Mapping[str, object] | None = None,
    **options: object,
) -> Page:
    """A page of another device (`open_device`), whose errors are collected for `errors_of`."""
    page = open_device(browser, size, prefs, **options).new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    _errors[id(page)] = errors
    page.goto(url)
    return page


_errors: dict[int, list[str]] = {}


def errors_of(page: Page) -> list[str]:
    """Exceptions and console errors of a page since it was opened.

    Without console messages about answers such as 503: a thumbnail that does not exist yet is requested
    again.
    """
    return [each for each in _errors[id(page)] if not each.startswith("Failed to load resource")]


def until(page: Page, expression: str) -> None:
    """Wait for a true value. (Playwright's wait_for_function needs eval, which our pages forbid.)"""
    deadline = time.monotonic() + LIMIT_S
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"never true: {expression}"
        page.wait_for_timeout(20)


def press(page: Page, selector: str) -> tuple[float, float]:
    """A click; returns the page's box time before and after it, ms: the mark lies between them."""
    script = """(selector) => {
      const before = app.box.now();
      document.querySelector(selector).click();
      return [before, app.box.now()];
    }"""
    before, after = page.evaluate(script, selector)
    return before, after


def picture_at(page: Page, second: float, selector: str = "video") -> Burned | None:
    """The barcode of a <video>'s picture at `second`, read from its pixels; this pauses the video."""
    width, rows = page.evaluate(_TOP_ROWS, [page.query_selector(selector), second])
    return barcode.read(base64.b64decode(rows), width, width)


def photograph(page: Page, name: str) -> None:
    """A screenshot into $E2E_PICTURES for inspection by hand; nothing without that variable."""
    folder = os.environ.get("E2E_PICTURES")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def plain_get(url: str) -> Any:
    """GET of JSON without an event loop."""
    answer = httpx.get(url, **PLAIN)
    answer.raise_for_status()
    return answer.json()


def without_edit_lists(page: Page, films: str) -> None:
    """Removes the edit lists of files at this address pattern, as if the browser ignored them.

    The page's preference `editLists` must be "ignored": its self-test would give another result.
    """

    def without(route: Route) -> None:
        answer = route.fetch(headers={k: v for k, v in route.request.headers.items() if k != "range"})
        route.fulfill(response=answer, body=answer.body().replace(b"elst", b"skip"))

    page.route(films, without)
