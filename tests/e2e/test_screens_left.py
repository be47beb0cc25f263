"""C1: what a screen leaves behind when the user opens another one, in both engines.

Separate from the other tests: each of these starts a browser of its own.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Route

from tests.e2e.conftest import Demo
from tests.kit import webkit
from tests.kit.app_page import AppPage, ChromiumPage, app_pages
from tests.kit.browser import executable
from tests.kit.counting import HELD, LISTENERS, SENT, no_more

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]
ENGINES = [
    "chromium",
    pytest.param(
        "webkit",
        marks=pytest.mark.skipif(webkit.missing() != "", reason=f"no WebKit here: {webkit.missing()}"),
    ),
]
SCREENS = ("live", "desk", "tagging", "review", "operator", "lineup", "health", "desk")


def round_trip(page: AppPage) -> dict[str, int]:
    """Through eight screens, a play running on the desk; returns what the page holds then."""
    for screen in SCREENS:
        page.goes(screen)
        if screen == "desk":
            page.click("#plays .play .open")
            page.until("document.querySelector('.tile.leader video')?.currentTime > 0")
    page.at_rest()
    pending: dict[str, int] = page.ask(HELD)
    return pending


@pytest.mark.parametrize("engine", ENGINES)
def test_leaving_a_screen_leaves_nothing(engine: str, demo: Demo) -> None:
    """40 changes of screen: no additional listener, timer, socket or player, and a press is one request."""
    with app_pages({"coach": engine}, demo.urls[0]) as [page]:
        page.until("app.box.online && app.session()")
        page.click("#last10")
        page.until("[...app.clips().values()].some((clips) => clips.every((clip) => clip.stream_url))")
        round_trip(page)
        first = round_trip(page)
        for _ in range(3):
            round_trip(page)
        # requests of a closed screen may still be ending
        page.until(no_more(first), show=f"[{HELD}, {LISTENERS}]")
        known = len(page.ask(SENT))
        page.click("#plays .play .star")
        page.until("document.querySelector('#plays .play .star').getAttribute('aria-pressed') === 'true'")
        page.click("#plays .play .undo")
        page.until("app.box.outbox.waiting().length === 0")
        assert [(each["what"].split()[0], each["needless"]) for each in page.ask(SENT)[known:]] == [
            ("POST", 0),
            ("DELETE", 0),
        ]


def test_answers_that_arrive_after_a_screen_was_left_have_no_effect(demo: Demo) -> None:
    """A late answer for a closed screen: no player without a screen, and marks do not mean its picture."""
    with app_pages({"coach": "chromium"}, demo.urls[0]) as [tablet]:
        assert isinstance(tablet, ChromiumPage)
        page, waiting, requests = tablet.page, list[Route](), list[str]()
        page.route("**/timeline?*", lambda route: waiting.append(route))  # noqa: PLW0108  # Playwright sets an attribute of the handler
        tablet.until("app.box.online && app.session()")
        tablet.ask("(app.go('review'), true)")
        while len(waiting) < 2:  # one of each camera; a hanging test is ended by the timeout
            tablet.rest()
        page.on("request", lambda request: requests.append(request.url))
        tablet.goes("desk")
        for route in list(waiting):
            route.continue_()
        tablet.until("window.asking === 0")
        for _ in range(10):
            tablet.rest()
        assert [url for url in requests if "/replay" in url] == []
        assert tablet.ask("[window.unseen(), app.marks.lookingAt]") == [0, None]
