"""What a half of a game asks of the page: it says what is so, and loses no play."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Demo
from tests.kit.browser import errors_of, executable, open_page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
]


@pytest.fixture(scope="module")
def page(browser: Browser, demo: Demo) -> Iterator[Page]:
    one = open_page(browser, demo.urls[0])
    expect(one.locator("#cams[aria-label*='all cameras send']")).to_be_visible()
    yield one
    assert errors_of(one) == []


def tell(demo: Demo, path: str, body: object = None, method: str = "POST") -> Any:
    answer = httpx.request(method, f"{demo.urls[0]}{path}", json=body, trust_env=False)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def test_the_status_line_says_of_each_camera_what_health_says(page: Page, demo: Demo) -> None:
    line = page.locator("#cams")
    for state, body, words in (
        ("deactivate", None, r"Camera 2: Switched off"),
        ("error", {"reason": "lens cap"}, r"Camera 2: Lens cap.*"),  # the box may say more of it
    ):
        tell(demo, f"/channels/cam2/{state}", body)
        said = re.compile(rf"cam1 cam2: {words}\. Open health\.")
        expect(line).to_have_attribute("aria-label", said)
        expect(line.locator(":scope > span").nth(1)).to_have_text("cam2 " + ("▲" if body is None else "✗"))
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        room = re.compile(f"{'Ready, look at' if body is None else 'Not ready'}: .*Camera 2")
        expect(page.locator("#room")).to_have_attribute("aria-label", room)
        tell(demo, "/channels/cam2/activate")
        expect(line).to_have_attribute("aria-label", "cam1 cam2: all cameras send. Open health.")
