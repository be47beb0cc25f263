"""Every screen under axe: labels, roles, contrast, in both themes; every target at every size."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e import looks
from tests.e2e.conftest import Demo
from tests.kit import axe
from tests.kit.axe import bring_axe, violations
from tests.kit.browser import PHONE, TABLET, executable, open_page, until

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


SIZES = {
    "tablet": TABLET,
    "upright": looks.UPRIGHT,
    "phone": PHONE,
    "browser's bars": looks.BARS,
    "small": looks.SMALL,
    "flat": looks.FLAT,
}
PANES = {"Clips": ".clip-list li", "Figures": ".figures", "Footage": "game-timeline"}  # of Review


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_every_target_is_44_px_high_and_wide(page: Page, size: dict[str, int]) -> None:
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    small: list[str] = []
    for name in page.evaluate(SCREENS):
        play = "app.plays()[0].id" if name == "desk" else "undefined"
        page.evaluate(f"app.go('{name}', {play})")
        until(page, f"document.querySelector('#main.{name}')?.childElementCount > 0")
        small += [f"{name}: {each}" for each in page.evaluate(looks.SMALL_TARGETS)]
        for tab, shows in PANES.items() if name == "review" else ():
            page.get_by_role("button", name=tab, exact=True).click()
            expect(page.locator(shows).first).to_be_visible()
            small += [f"{tab}: {each}" for each in page.evaluate(looks.SMALL_TARGETS)]
    page.evaluate("app.go('desk', app.plays()[0].id)")
    page.locator("#menu").click()
    small += [f"menu: {each}" for each in page.evaluate(looks.SMALL_TARGETS)]
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": TABLET["width"], "height": TABLET["height"]})
    assert not small, "\n".join(small)


def test_the_menu_and_the_trim(page: Page) -> None:
    page.evaluate("app.go('desk', app.plays()[0].id)")
    until(page, "document.querySelector('.tile.leader video')?.readyState > 1")
    page.keyboard.press("t")
    wrong = violations(page) + page.evaluate(looks.SMALL_TARGETS)
    page.keyboard.press("Escape")
    page.click("#menu")
    wrong += violations(page)
    assert not wrong, "\n".join(wrong)


def test_the_forms_of_a_session(page: Page) -> None:
    page.keyboard.press("Escape")
    page.evaluate("app.go('operator')")
    page.get_by_role("button", name="Edit Demo").click()
    wrong = violations(page) + page.evaluate(looks.SMALL_TARGETS)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="New session").click()
    wrong += violations(page) + page.evaluate(looks.SMALL_TARGETS)
    page.keyboard.press("Escape")
    assert not wrong, "\n".join(wrong)
