"""Every screen under axe: labels, roles, contrast, in both themes. No violation is too small."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Demo
from tests.kit import axe
from tests.kit.axe import bring_axe, violations
from tests.kit.browser import executable, open_page, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium here: apt install chromium"),
    axe.HERE,
]
# The page of a play that is watched, and the screens as the app names them.
SCREENS = "['desk', ...Object.keys(app.screens).filter((name) => name !== 'desk')]"


@pytest.fixture(scope="module")
def page(browser: Browser, demo: Demo) -> Iterator[Page]:
    """A page that watches a play, with axe in it (our pages allow no foreign script: the test does)."""
    one = open_page(browser, demo.urls[-1], bypass_csp=True)
    expect(one.locator("#cams[aria-label*='all cameras send']")).to_be_visible()
    one.click("#new-play")
    until(one, "document.querySelector('[data-since]')?.textContent > '0:01'")
    one.click("#end-play")
    one.get_by_label("Star play 1").click()
    one.locator("#plays .play .open").first.click()
    until(one, "document.querySelector('.tile.leader video')?.currentTime > 0")
    one.keyboard.press("Space")
    bring_axe(one)
    yield one


def test_every_screen_in_both_themes(page: Page) -> None:
    wrong: list[str] = []
    for name in page.evaluate(SCREENS):
        page.evaluate("(name) => { if (name !== 'desk') app.go(name); }", name)
        until(page, f"document.querySelector('#main.{name}')?.childElementCount > 0")
        wrong += [f"{name}: {each}" for each in violations(page)]
        page.evaluate("app.prefs.set('theme', 'dark')")
        wrong += [f"{name}, dark: {each}" for each in violations(page, "color-contrast")]
        page.evaluate("app.prefs.set('theme', 'light')")
    assert not wrong, "\n".join(wrong)


def test_the_menu_and_the_trim(page: Page) -> None:
    page.evaluate("app.go('desk', app.plays()[0].id)")
    until(page, "document.querySelector('.tile.leader video')?.readyState > 1")
    page.keyboard.press("t")
    wrong = violations(page)
    page.keyboard.press("Escape")
    page.click("#menu")
    wrong += violations(page)
    assert not wrong, "\n".join(wrong)


def test_the_forms_of_a_session(page: Page) -> None:
    page.keyboard.press("Escape")
    page.evaluate("app.go('operator')")
    page.get_by_role("button", name="Edit Demo").click()
    wrong = violations(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="New session").click()
    wrong += violations(page)
    page.keyboard.press("Escape")
    assert not wrong, "\n".join(wrong)
