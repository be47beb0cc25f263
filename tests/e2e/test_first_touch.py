"""From a first visit to a playing clip: sizes, times, types. One browser, one camera."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.app.apitypes import TARGET, api_types
from tests.e2e.conftest import Demo
from tests.kit.browser import executable, open_page, plain_get, until
from tests.kit.waiting import PLAIN

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
ROOT = Path(__file__).parents[2]
STATIC = ROOT / "appliance/app"
LATE = "screens/datasets.js"
OF_THE_CLOUD = STATIC / "pages"  # not served by a box: tests/e2e/test_cloud_page.py


def test_types_of_the_api_are_those_of_the_api(demo: Demo) -> None:
    """`scripts/api-types URL` rewrites the file."""
    assert (ROOT / TARGET).read_text() == api_types(plain_get(f"{demo.urls[0]}/openapi.json"))


def test_everything_a_page_loads_is_served_and_ours(demo: Demo) -> None:
    for path in sorted(STATIC.rglob("*")):
        if path.is_file() and path.suffix in (".js", ".css", ".html") and OF_THE_CLOUD not in path.parents:
            name = path.relative_to(STATIC).as_posix()
            assert httpx.get(f"{demo.urls[0]}/{name}", **PLAIN).status_code == 200, name
            text = path.read_text()
            assert "http://" not in text.replace("http://www.w3.org/2000/svg", ""), name
            # Both are in a secure context only, which plain http is not.
            assert "randomUUID(" not in text and "serviceWorker." not in text, name


def test_all_scripts_together_are_small(browser: Browser, demo: Demo) -> None:
    """Bytes transferred, for all modules, not only those of the first screen. The service worker and the page
    of the certificate are loaded apart from it, and training clips when they are opened."""
    page = open_page(browser, demo.urls[-1], prefs={})
    apart = (STATIC / "sw.js", STATIC / "trust.js", STATIC / LATE)
    loaded = "performance.getEntriesByType('resource').map((each) => new URL(each.name).pathname)"
    assert not any(name.endswith(LATE) for name in page.evaluate(loaded))
    ours = [path for path in STATIC.rglob("*.js") if OF_THE_CLOUD not in path.parents]
    scripts = [path for path in ours if path not in apart]
    names = [f"/{path.relative_to(STATIC).as_posix()}" for path in scripts]
    sizes = """async (names) => {
      for (const name of names) await (await fetch(name, { cache: "reload" })).text();
      return performance.getEntriesByType("resource").filter((each) => each.initiatorType === "fetch")
        .filter((each) => names.includes(new URL(each.name).pathname)).map((each) => each.encodedBodySize);
    }"""
    results = page.evaluate(sizes, names)
    page.context.close()
    assert len(results) == len(names)
    assert sum(results) < 150_000


def test_marked_ended_tapped_and_moving(page: Page) -> None:
    """A first visit. `scripts/bench touch` measures the time."""
    expect(page.locator("#new-play")).to_be_enabled()
    expect(page.locator("#cams[aria-label*='all cameras send']")).to_be_visible()
    page.click("#new-play")
    until(page, "document.querySelector('[data-since]')?.textContent > '0:00.9'")
    page.click("#end-play")
    page.locator("#plays .play .open").first.click()
    until(page, "document.querySelector('.tile.leader video')?.currentTime > 0.1")


def test_a_press_shows_its_ghost_before_the_box_has_heard_of_it(page: Page, demo: Demo) -> None:
    expect(page.locator("#new-play")).to_be_enabled()
    ghosts = page.locator("#plays .play [data-since]")
    demo.process.send(signal.SIGSTOP)
    try:
        page.locator("#new-play").click()
        expect(ghosts).to_have_count(1)
    finally:
        demo.process.send(signal.SIGCONT)
    page.keyboard.press("u")
    expect(ghosts).to_have_count(0)
